// SPDX-License-Identifier: Apache-2.0
// Names below a root directory: every lookup stays beneath it and follows no symbolic link (openat2(2)).
#ifndef PODINIT_TREE_H
#define PODINIT_TREE_H

#include <sys/types.h>

#include "tar.h"

// Writes name to clean as "a/b/c", relative to the root ("" is the root itself; a leading slash counts for nothing).
// Returns NULL, or what is wrong with it in words that follow "its path ".
const char *tree_clean(const char *name, char clean[TAR_MAX_PATH]);

// Splits a clean path in place into its directory ("" for the root) and its last component.
struct tree_path {
	const char *directory;
	const char *base;
};
struct tree_path tree_split(char *path);

// Opens directory, relative to root, as O_PATH: a descriptor, or -1 with errno.
int tree_open(int root, const char *directory);

// Makes the directory base in parent, as mkdir(2) does, or keeps the one that is there; over a whiteout, one that hides
// the layers below. 1 when it was made, 0 when it was there, -1 with errno (ENOTDIR: something else is there).
int tree_make_directory(int parent, const char *base, mode_t mode);

// Marks the directory base in parent as one that hides the layers below it: 0 or -1 with errno.
int tree_set_opaque(int parent, const char *base);

// Removes base from parent with all that is in it; it need not exist. 0 or -1 with errno.
int tree_remove(int parent, const char *base);

#endif
