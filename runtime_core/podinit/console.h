// SPDX-License-Identifier: Apache-2.0
// A container's terminal: a pseudo-terminal of its own devpts, whose other end goes to whoever asked for it.
#ifndef PODINIT_CONSOLE_H
#define PODINIT_CONSOLE_H

#include "util.h"

struct console {
	int master, slave; // -1: there is none
};

// Makes the pair on the devpts that is mounted at /dev/pts of the container's root; height 0 leaves the size as it is.
int console_open(struct console *console, int root, uint16_t height, uint16_t width, struct failure *failure);

// Shows the container's end as /dev/console, which is made when missing.
int console_mount(const struct console *console, int root, struct failure *failure);

// Becomes the terminal of this session, as the standard streams, owned by the user.
int console_attach(struct console *console, uid_t uid, struct failure *failure);

// Sends the other end through the socket, and keeps none.
int console_send(struct console *console, int socket, struct failure *failure);

// Sends one file through a socket, with a text that is not empty.
int send_file(int socket, int fd, const char *text, size_t length);

#endif
