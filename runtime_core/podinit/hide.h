// SPDX-License-Identifier: Apache-2.0
// What of the host's mounts must not be left in sight of a container that was not pivoted.
#ifndef PODINIT_HIDE_H
#define PODINIT_HIDE_H

#include "util.h"

// Unmounts, or covers with an empty directory, each whole procfs and sysfs that is not below the container's root.
int hide_kernel_views(int root, struct failure *failure);

#endif
