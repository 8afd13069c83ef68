// SPDX-License-Identifier: Apache-2.0
// What lies inside a volume, mounted where a container's own mounts find it (volumeMounts[].subPath).
#ifndef PODINIT_SUBPATH_H
#define PODINIT_SUBPATH_H

#include "json.h"

// Mounts for each row, a volume and a path below it, that path on subpaths/INDEX in the container's folder `base`. What
// is missing of the path is made as a directory with the volume's mode. A container may write in the volume meanwhile:
// nothing that it puts there leads out of it. Called in the mount namespace of a container, or of what starts one.
int subpaths_mount(int base, const struct json *rows, struct failure *failure);

#endif
