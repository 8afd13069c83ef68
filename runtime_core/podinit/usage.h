// SPDX-License-Identifier: Apache-2.0
// What a directory takes on its disk.
#ifndef PODINIT_USAGE_H
#define PODINIT_USAGE_H

#include <stdint.h>

#define USAGE_UNBOUNDED INT64_MAX

// Bytes of all that is below `path` (relative to `base`) on the same file system, a file with several names once; of
// what vanishes meanwhile, anything. USAGE_UNBOUNDED for a tree deeper than any program needs; -1 when it cannot be told.
int64_t usage_of(int base, const char *path);

#endif
