// SPDX-License-Identifier: Apache-2.0
// Lookups inside a container's root, which an attacker may have laid out: always from the root's fd, confined by
// openat2(2), and what is found is used through its fd.
#ifndef PODINIT_PATHS_H
#define PODINIT_PATHS_H

#include "util.h"

enum target {
	TARGET_DIRECTORY,
	TARGET_FILE,            // anything but a directory
	TARGET_NO_SYMLINKS = 2, // a flag: no component of the path is a symbolic link
};

// A path for a system call that takes no fd. Only while the host's /proc is at hand: before the pivot.
struct fd_path {
	char text[32];
};

struct fd_path fd_path(int fd);

// O_PATH is added to flags. -1 and errno. Symbolic links are followed, but not out of root nor through /proc's magic.
int open_in_root(int root, const char *path, int flags);

// The fd of a mount's target; missing directories and the missing file itself are made. The root itself is refused.
int open_target(int root, const char *path, unsigned kind, struct failure *failure);

// The fd of the directory that holds path (made when missing) and, in *name, path's last component.
int open_parent(int root, const char *path, const char **name, struct failure *failure);

// Removes every entry of the directory but `keep` (may be NULL): no link is followed, no other file system entered.
int remove_entries(int dir, const char *keep);

#endif
