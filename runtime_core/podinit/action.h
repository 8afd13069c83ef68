// SPDX-License-Identifier: Apache-2.0
// What a probe does, in a short-lived process of its own that may block: ["tcp", address, port] connects, and
// ["http", address, port, request] sends a request and looks at the status. Both from inside the pod's network.
#ifndef PODINIT_ACTION_H
#define PODINIT_ACTION_H

#include <sys/types.h>

#include "json.h"

#define ACTION_TEXT 256

enum action_result { ACTION_GOOD, ACTION_BAD }; // exit codes; any other is an error that says nothing about the target

struct action_run {
	pid_t pid;
	int text; // where the process says why it failed
};

int action_check(const struct json *action, struct failure *failure);

// `sandbox` is a pidfd of the process that holds the pod's namespaces.
int action_start(struct action_run *run, const struct json *action, int sandbox, struct failure *failure);

// Its words, once it has ended; closes what belongs to it.
void action_end(struct action_run *run, char text[static ACTION_TEXT]);

#endif
