// SPDX-License-Identifier: Apache-2.0
// The directories of a layer, to be remembered until all that is in them has been made.
#ifndef PODINIT_DIRECTORIES_H
#define PODINIT_DIRECTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "failure.h"

struct cursor;

struct directory {
	char *path;
	struct timespec mtime;
	size_t order; // in which it was noted
	bool implied; // no entry describes it: an entry below it had it made
};

struct directories {
	struct directory *list;
	size_t count, capacity;
	size_t bytes; // of memory, bounded
};

// Notes the directory whose path is the first `length` bytes of path: 0 or -1.
int directories_add(struct directories *directories, const char *path, size_t length, const struct timespec *mtime,
		    bool implied, struct failure *failure);

// Sets the directories' times, which making their content had moved: 0 or -1. Frees what directories holds.
//
// Those that are implied get the mark trusted.overlay.implied, and the root trusted.overlay.implies when there are any
// below it: how they look, only the layers below know (podwright/images/parents.py). Overlayfs knows neither mark, and
// shows nobody what has this prefix.
int directories_settle(struct directories *directories, struct cursor *cursor, struct failure *failure);

#endif
