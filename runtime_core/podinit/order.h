// SPDX-License-Identifier: Apache-2.0
// In which order the pod's containers start and end (Kubernetes: "Init Containers", "Sidecar Containers").
#ifndef PODINIT_ORDER_H
#define PODINIT_ORDER_H

#include "supervisor.h"

// Starts what is due: the first time one after another, in the plan's order; later ones wait for nobody. True: whatever
// can be started without waiting for a container's work was started.
bool order_start(struct supervisor *supervisor, int64_t now);

// Notices the end of the pod's work, or its failure, and ends what then has no reason to run.
void order_end(struct supervisor *supervisor, int64_t now);

// Whether a container that is to be stopped is sent its signal: a sidecar of a pod that ends not before all main
// containers, and the sidecars after it, are gone.
bool order_ends_next(const struct supervisor *supervisor, const struct container *container);

// A main container is to start anew in a pod whose work was done: what ended with that starts too.
void order_reopen(struct supervisor *supervisor);

#endif
