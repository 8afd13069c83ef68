// SPDX-License-Identifier: Apache-2.0
// A directory that the entries of a layer are put into, and nothing outside of it, whatever the entries say.
#ifndef PODINIT_EXTRACT_H
#define PODINIT_EXTRACT_H

#include "cursor.h"
#include "directories.h"
#include "tar.h"

// Too big for a stack: make it static.
struct extract {
	uid_t uid; // of what this process makes
	gid_t gid;
	struct directories directories;
	struct cursor here;   // where the entries go
	struct cursor target; // where hard links lead
	char path[TAR_MAX_PATH];
	char link[TAR_MAX_PATH];
};

// Starts in the empty directory root: 0 or -1.
int extract_start(struct extract *extract, int root, struct failure *failure);

// Puts one entry (its data comes from tar) below the root: 0 or -1. A later entry replaces an earlier one of its name.
int extract_entry(struct extract *extract, struct tar *tar, const struct tar_entry *entry, struct failure *failure);

// Ends the work: sets the directories' times, and marks those that the layer itself does not describe: 0 or -1.
int extract_finish(struct extract *extract, struct failure *failure);

#endif
