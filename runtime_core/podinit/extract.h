// SPDX-License-Identifier: Apache-2.0
// A directory that the entries of a layer are put into, and nothing outside of it, whatever the entries say.
#ifndef PODINIT_EXTRACT_H
#define PODINIT_EXTRACT_H

#include "tar.h"

struct directory_time {
	char *path;
	struct timespec mtime;
};

struct extract {
	int root; // O_PATH or real descriptor of the directory
	struct directory_time *directories;
	size_t count, capacity;
	size_t bytes; // of the paths, bounded
};

// Puts one entry (its data comes from tar) below the root: 0 or -1. A later entry replaces an earlier one of its name.
int extract_entry(struct extract *extract, struct tar *tar, const struct tar_entry *entry, struct failure *failure);

// Sets the directories' times, which making their content had moved: 0 or -1. Frees what extract holds.
int extract_finish(struct extract *extract, struct failure *failure);

#endif
