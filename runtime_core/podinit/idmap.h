// SPDX-License-Identifier: Apache-2.0
// Mounts that show other owners than their files have (mount_setattr(2), MOUNT_ATTR_IDMAP).
#ifndef PODINIT_IDMAP_H
#define PODINIT_IDMAP_H

#include "json.h"

// {"uid": [[ID in the files, ID to show, size], …], "gid": […], "recursive": bool}
int idmap_check(const struct json *idmap, struct failure *failure);

// tree is a detached mount that has no mapping yet.
int idmap_tree(int tree, const struct json *idmap, struct failure *failure);

#endif
