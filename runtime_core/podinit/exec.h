// SPDX-License-Identifier: Apache-2.0
// A further process in a container that runs.
#ifndef PODINIT_EXEC_H
#define PODINIT_EXEC_H

#include "starter.h"

// The process becomes a child of the caller's parent, with the FIFO `output` for its standard streams (-1: the caller's).
// Returns an exit code when the process executes its program, or could not, and that is reported at REPORT_FD; -1: it is
// not yet.
int exec_start(struct starter *starter, const struct exec_plan *plan, int preserved, int output,
	       struct failure *failure);

#endif
