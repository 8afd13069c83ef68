// SPDX-License-Identifier: Apache-2.0
// What a container's first process and the process that starts it say to each other: one message a packet, a kind and a
// sentence. The end of the connection means that the first process executes the container's program, or died.
#ifndef PODINIT_CHANNEL_H
#define PODINIT_CHANNEL_H

#include "util.h"

enum message {
	MESSAGE_END,		    // the connection's
	MESSAGE_GO = 'G',	    // to the first process: go on
	MESSAGE_MOUNTED = 'M',	    // its mounts stand: the runtime's hooks run now, then go
	MESSAGE_LISTENER = 'L',	    // its filter is loaded, and this the number of the listener's descriptor; then go
	MESSAGE_CREATED = 'C',	    // an external runtime has created the container of this PID; then go
	MESSAGE_READY = 'R',	    // it waits for the start
	MESSAGE_FAILED = 'E',	    // it ends, for this reason
};

int channel_pair(int pair[2], struct failure *failure);
int channel_send(int channel, enum message message, const char *text);

// Any other message than those above, or one that is too long, is MESSAGE_FAILED with a sentence of ours.
enum message channel_receive(int channel, struct failure *text);

// Says it and waits for MESSAGE_GO.
int channel_ask(int channel, enum message message, const char *text, struct failure *failure);

#endif
