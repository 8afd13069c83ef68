// SPDX-License-Identifier: Apache-2.0
// The process that starts a container's first one, or a further one, and stays outside: what `create` and `exec` share.
#ifndef PODINIT_STARTER_H
#define PODINIT_STARTER_H

#include <sys/types.h>

#include "plan.h"

struct starter {
	const struct process_plan *process;
	const struct container_plan *container; // NULL: of exec
	int proc;				// the host's /proc
	int channel;				// to the new process
	int listener;				// connected to the agent of its filter; -1
	pid_t pid;
};

// Parses the number of preserved descriptors, makes all but the standard streams close at exec, and goes on from a
// read-only mount. argv is podinit's own: command, operand, number.
int starter_begin(char **argv, int *preserved, struct failure *failure);

// Connects to the agent of the plan's filter, if it has one, and opens /proc.
int starter_open(struct starter *starter, struct failure *failure);

int starter_enter_cgroups(const struct json *cgroups, pid_t pid, struct failure *failure);

// Lets the new process go on and serves it until it waits for its start (create), or has executed its program (exec).
int starter_follow(struct starter *starter, struct failure *failure);

// Writes the answer to the report; the exit code.
int starter_report(const struct starter *starter, int result, const struct failure *failure);

// Field 22 of /proc/PID/stat: with the number it names a process for good. -1: there is none.
int64_t starter_start_time(int proc, pid_t pid);

#endif
