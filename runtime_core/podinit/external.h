// SPDX-License-Identifier: Apache-2.0
// A container that an OCI runtime makes (crun, runc, youki): a helper process drives the runtime, the supervisor takes
// the container's first process over from it before the program starts. From then on it is like one of podinit's own.
#ifndef PODINIT_EXTERNAL_H
#define PODINIT_EXTERNAL_H

#include "jail.h"
#include "supervisor.h"

// How long a container that is to be stopped may take to be created: half made it is harder to get rid of.
#define EXTERNAL_PATIENCE_MS 5000

// In a plain clone of the supervisor: creates the container, and starts it.
_Noreturn void external_main(const struct jail_start *start, const struct runtime_plan *runtime);

// In the supervisor. `pid` is what the helper says: from now on the container's process. The helper may go on then.
int external_adopt(struct container *container, struct failure *pid);

// One of the container's two processes was reaped. True: there is still the other, whose end gives code and status.
bool external_reaped(struct container *container, pid_t pid, int *code, int *status);

bool external_creates(const struct supervisor *supervisor, const struct container *container);

#endif
