// SPDX-License-Identifier: Apache-2.0
// What a process that handles hostile bytes gives up.
#ifndef PODINIT_CONFINE_H
#define PODINIT_CONFINE_H

#include "failure.h"

// Closes every descriptor but the standard ones, and gives up processes and core dumps of its own.
void confine_resources(void);

// Makes the directory the root of this process: 0 or -1.
int confine_root(int directory, struct failure *failure);

// Keeps only the capabilities and the system calls that making files takes: 0 or -1.
int confine_powers(struct failure *failure);

#endif
