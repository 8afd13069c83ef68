// SPDX-License-Identifier: Apache-2.0
// One container's life, seen from the supervisor.
#ifndef PODINIT_CONTAINER_H
#define PODINIT_CONTAINER_H

#include "supervisor.h"

int container_init(struct supervisor *supervisor, struct container *container, const struct member *member,
		   struct failure *failure);
void container_start(struct supervisor *supervisor, struct container *container); // a failure is a termination
void container_stop(struct supervisor *supervisor, struct container *container, int64_t grace);
// Stops it to start it anew; with `hold`, not before the next update.
void container_update(struct supervisor *supervisor, struct container *container, int64_t grace, bool hold);
bool container_owns(const struct container *container, pid_t pid); // to reap
void container_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code,
		      int status); // of waitid(2)
void container_tick(struct supervisor *supervisor, struct container *container, int64_t now); // signals that are due
void container_note_start(struct container *container); // it may have started, with hook and probe
void container_free(struct supervisor *supervisor, struct container *container); // and its FIFOs

// Every container gets its stop signal when it is its turn, and SIGKILL after `grace` seconds but at least two later; 0 is
// SIGKILL now. None starts again by itself.
void containers_stop(struct supervisor *supervisor, int64_t grace);

#endif
