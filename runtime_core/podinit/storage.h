// SPDX-License-Identifier: Apache-2.0
// How much the pod's files take on the disk, and whether that is too much (Kubernetes: ephemeral-storage, sizeLimit).
//
// A process of its own adds it up, so that the loop goes on. It holds the way down in descriptors and follows no
// symbolic link: what the containers rename or replace meanwhile leads nowhere else.
#ifndef PODINIT_STORAGE_H
#define PODINIT_STORAGE_H

#include <signal.h>

#include "supervisor.h"

int storage_plan_read(struct storage_plan *plan, const struct json *root, struct failure *failure);

void storage_tick(struct supervisor *supervisor, int64_t now);
int64_t storage_next(const struct supervisor *supervisor); // when it wants to be asked, monotonic ms
bool storage_reaped(struct supervisor *supervisor, const siginfo_t *info); // true: it was its process
void storage_end(struct supervisor *supervisor);

#endif
