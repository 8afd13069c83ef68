// SPDX-License-Identifier: Apache-2.0
// The action exec (action.h): a program in the container, joined as `podinit exec` does, by the exec.json in the
// container's folder.
#ifndef PODINIT_COMMAND_H
#define PODINIT_COMMAND_H

#include <sys/types.h>

#include "json.h"

struct command {
	struct json args; // of the program
	int base;	  // the container's folder
	pid_t pid;	  // its first process
	int64_t start_time;
};

// In the action's process. SIGTERM kills the program with its process group. The exit code of an action; its words are
// the end of the program's output.
int command_run(const struct command *command, int text);

#endif
