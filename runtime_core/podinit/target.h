// SPDX-License-Identifier: Apache-2.0
// What may be mounted over: everything in the container's root but the root itself and what is below /proc.
#ifndef PODINIT_TARGET_H
#define PODINIT_TARGET_H

#include "paths.h"

bool is_procfs_root(int fd);

// As open_target. procfs: a procfs is what will be mounted, so /proc itself is a right target (CVE-2019-16884).
int open_mount_target(int root, const char *path, unsigned kind, bool procfs, struct failure *failure);

#endif
