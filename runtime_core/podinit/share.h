// SPDX-License-Identifier: Apache-2.0
// Volumes in which a container's mounts show elsewhere (mountPropagation Bidirectional): the host's, or the pod's own.
#ifndef PODINIT_SHARE_H
#define PODINIT_SHARE_H

#include "plan.h"

#define MAX_SHARED 64

// In the new mount namespace: makes it a slave of the host's tree, so that what the host unmounts later is not held by
// it, and nothing of it shows there. But the volumes that are shared with the host are mounted on volumes/NAME in the
// pod's folder as the host has them.
int share_isolate(const struct sandbox_plan *plan, int pod_dir, struct failure *failure);

// Likewise with the volumes that only the pod's containers share, once they are all there.
int share_own(const struct sandbox_plan *plan, int pod_dir, struct failure *failure);

#endif
