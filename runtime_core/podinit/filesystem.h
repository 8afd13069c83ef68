// SPDX-License-Identifier: Apache-2.0
// New file systems, mounted nowhere yet.
#ifndef PODINIT_FILESYSTEM_H
#define PODINIT_FILESYSTEM_H

#include "json.h"
#include "kernel.h"
#include "util.h"

#define FILESYSTEM_CLOSED (KERNEL_ATTR_NOSUID | KERNEL_ATTR_NODEV | KERNEL_ATTR_NOEXEC)

// source may be NULL or empty. parameters: NULL, or a list of "key=value" and "flag". attributes: MOUNT_ATTR_*.
int filesystem_new(const char *type, const char *source, const struct json *parameters, unsigned attributes,
		   struct failure *failure);

// A read-only directory that nothing can ever be in.
int filesystem_empty(struct failure *failure);

#endif
