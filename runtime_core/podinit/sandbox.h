// SPDX-License-Identifier: Apache-2.0
// What a pod's containers share: cgroup, mount namespace with /dev/shm, and the pause process with net, ipc and uts.
#ifndef PODINIT_SANDBOX_H
#define PODINIT_SANDBOX_H

#include "supervisor.h"

int sandbox_start(struct supervisor *supervisor, struct failure *failure);

// Deletes the veth pair, ends pause. What was never there is success; goes on after a failure and reports the first.
int sandbox_end(struct supervisor *supervisor, struct failure *failure);

#endif
