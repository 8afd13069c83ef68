// SPDX-License-Identifier: Apache-2.0
// What a probe or a hook does, in a short-lived process of its own that may block. Requests are made from inside the pod's
// network.
//
// ["exec", program, argument…] in the container; ["sleep", seconds];
// ["tcp", address, port] connects;
// ["http", address, port, request, helper] sends a request and looks at the status; ["send", …], the same, does not look:
// an answer is enough. The helper, a program with its arguments, takes over when the answer leads elsewhere.
// ["helper", program, argument…], on the host, with the pod's network; ["fail", why] does.
#ifndef PODINIT_ACTION_H
#define PODINIT_ACTION_H

#include <sys/types.h>

#include "json.h"

#define ACTION_TEXT 1024

// Exit codes; any other is an error that says nothing about the target.
enum action_result { ACTION_GOOD, ACTION_BAD, ACTION_ERROR, ACTION_WARNING };

struct action_target {
	int sandbox; // pidfd of the process that holds the pod's namespaces
	int base;    // the container's folder
	pid_t pid;   // its first process
};

struct action_run {
	pid_t pid;
	int text; // where the process says why it failed
};

int action_check(const struct json *action, struct failure *failure);

int action_start(struct action_run *run, const struct json *action, const struct action_target *target,
		 struct failure *failure);

// Its words, once it has ended; closes what belongs to it.
void action_end(struct action_run *run, char text[static ACTION_TEXT]);

// Ends it, and a program of its that runs in a container.
void action_cancel(struct action_run *run);

int action_say(int text, const char *format, ...) PRINTF_LIKE(2, 3); // in its process; ACTION_BAD

#endif
