// SPDX-License-Identifier: Apache-2.0
// The directory that the last entry was in, kept open: the next entry is mostly in the same one, or below it.
#ifndef PODINIT_CURSOR_H
#define PODINIT_CURSOR_H

#include <stdbool.h>

#include "directories.h"
#include "tar.h"

struct cursor {
	int root;      // where all paths start
	int fd;        // of the directory, O_PATH; -1: none
	bool inherits; // whether what is made in it gets more than this process's owner and the mode asked for
	bool acls;     // whether any directory may have a default ACL, which is inherited
	size_t length; // of path
	char path[TAR_MAX_PATH];
};

// Goes to the directory, a clean path (tree.h): its descriptor, which the cursor keeps; or -1 with errno.
int cursor_find(struct cursor *cursor, const char *directory);

// The same, making what is missing; those are noted in made as implied, with the time mtime.
int cursor_make(struct cursor *cursor, const char *directory, struct directories *made, const struct timespec *mtime,
		struct failure *failure);

// Leaves the directory, which may be about to be removed.
void cursor_leave(struct cursor *cursor);

#endif
