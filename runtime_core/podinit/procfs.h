// SPDX-License-Identifier: Apache-2.0
// Files below a procfs that nothing can have been mounted over (CVE-2025-52881).
#ifndef PODINIT_PROCFS_H
#define PODINIT_PROCFS_H

#include "util.h"

// A procfs of the caller's PID namespace that is mounted nowhere. Where the kernel refuses one (the PID namespace
// belongs to another user namespace), /proc itself, when it is a procfs.
int procfs_open(struct failure *failure);

// path is relative; it may not leave the procfs, neither through a mount nor through a magic link.
int procfs_write(int proc, const char *path, const char *text, struct failure *failure);
int procfs_read(int proc, const char *path, char *text, size_t size, struct failure *failure); // with a NUL after it

#endif
