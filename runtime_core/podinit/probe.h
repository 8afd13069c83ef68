// SPDX-License-Identifier: Apache-2.0
// A container's probes (Kubernetes: pkg/kubelet/prober): when each one is tried, and what follows from its results.
#ifndef PODINIT_PROBE_H
#define PODINIT_PROBE_H

#include "supervisor.h"

// The program of a container is executed, from the life that it has read; and it has ended.
void probes_begin(struct container *container);
void probes_end(struct container *container);

// Tries what is due and gives up what takes too long. A failed one ends the container.
void probes_tick(struct supervisor *supervisor, struct container *container, int64_t now);
int64_t probes_next(const struct container *container); // when to tick again, INT64_MAX: never

// True: it was a process of one of them.
bool probes_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code, int status);

bool container_has_started(const struct container *container); // its startup probe too
bool container_is_ready(const struct container *container);

#endif
