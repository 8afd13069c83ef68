// SPDX-License-Identifier: Apache-2.0
// A container's first process, from its clone (in the pod's folder) to the exec of the container's program.
#ifndef PODINIT_JAIL_H
#define PODINIT_JAIL_H

#include "plan.h"

struct jail_start {
	const struct container_plan *plan;
	int pause;     // pidfd of the process that holds the pod's namespaces
	int go;        // read end: a byte means "you are in your cgroups", hang-up means "exit"
	int report;    // write end, close-on-exec: nothing means that exec succeeded, else a sentence
	int out, err;  // the FIFOs
	unsigned attempt;
	const char *oom_score_adj; // the supervisor's own before it lowered it
};

_Noreturn void jail_main(const struct jail_start *start);

#endif
