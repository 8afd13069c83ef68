// SPDX-License-Identifier: Apache-2.0
// On which processors the calling process may run.
#ifndef PODINIT_AFFINITY_H
#define PODINIT_AFFINITY_H

#include "util.h"

int affinity_set(const char *list, struct failure *failure); // "0-3,7"; "" changes nothing
void affinity_reset(void);				     // every processor that its cgroup leaves it

#endif
