// SPDX-License-Identifier: Apache-2.0
// What a file has beside its name and its content: owner, mode, extended attributes, time.
#ifndef PODINIT_ATTRIBUTES_H
#define PODINIT_ATTRIBUTES_H

#include <stdbool.h>

#include "tar.h"

// Where an entry's file is.
struct place {
	int parent;       // its directory
	const char *base; // its last component; "." when it is the root itself
	int fd;           // of the file itself, when it is open; else -1
	bool exact;       // whether it has been made with the owner and the permissions of the entry
};

// Gives the file what the entry says: 0 or -1. Not the time of a directory, which its content would move.
int attributes_set(const struct place *place, const struct tar_entry *entry, struct failure *failure);

#endif
