// SPDX-License-Identifier: Apache-2.0
// What podinit does to its own process before it touches anything of a container's.
#ifndef PODINIT_SELF_H
#define PODINIT_SELF_H

#include "util.h"

// A container may execute /proc/self/exe, which is this program, and reach its file by that (CVE-2019-5736). So it runs
// from a read-only mount of its own file that nobody can reach; a copy in memory would do too, but per process. Executes
// itself anew the first time; the descriptors stay.
int self_run_from_readonly_mount(char **argv, struct failure *failure);

#endif
