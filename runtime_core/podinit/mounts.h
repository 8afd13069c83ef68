// SPDX-License-Identifier: Apache-2.0
// The mounts of a container, each made on an fd of its target. Before pivot_root the host's /proc is at hand.
#ifndef PODINIT_MOUNTS_H
#define PODINIT_MOUNTS_H

#include "json.h"
#include "util.h"

// Flags that a plan may give (MS_* of mount(2)).
extern const unsigned long mount_flags_allowed, bind_flags_allowed;
bool mount_type_allowed(const char *type);

// Mounts lower (topmost first) under a new rw/<attempt> of `base`, the container's folder; returns the new root's fd.
int mount_overlay(int base, unsigned attempt, const struct json *lower, struct failure *failure);
int mount_new(int root, const char *type, const char *source, const char *target, unsigned long flags, const char *data,
	      struct failure *failure);
int mount_bind(int root, const char *source, const char *target, unsigned long flags, struct failure *failure);
int mount_pivot(int root, struct failure *failure); // root becomes "/", the old one is gone
int mount_readonly(int root, const char *path, struct failure *failure); // a path that is missing is skipped
int mount_mask(int root, const char *path, struct failure *failure);     // likewise
int mount_root_readonly(int root, struct failure *failure);

// A file below a procfs of the caller's own namespaces, which nothing can have been mounted over.
int mount_proc_write(const char *path, const char *text, struct failure *failure);

#endif
