// SPDX-License-Identifier: Apache-2.0
// What a container's postStart and preStop do (Kubernetes: "Container Lifecycle Hooks").
#ifndef PODINIT_LIFECYCLE_H
#define PODINIT_LIFECYCLE_H

#include "supervisor.h"

// Its program is executed; its end is wanted, and there is time left for it; it has ended.
void lifecycle_begin(struct supervisor *supervisor, struct container *container);
void lifecycle_stop(struct supervisor *supervisor, struct container *container);
void lifecycle_end(struct container *container);

// Whether postStart is through, so that the container counts as started.
bool lifecycle_has_begun(const struct container *container);
// Whether preStop still works, for which the stop signal waits.
bool lifecycle_delays_stop(const struct container *container);

// True: it was a process of one of them. A postStart that failed ends the container.
bool lifecycle_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code, int status);

#endif
