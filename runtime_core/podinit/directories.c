// SPDX-License-Identifier: Apache-2.0
#include "directories.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cursor.h"
#include "tree.h"
#include "util.h"

#define MAX_BYTES ((size_t)64 << 20) // about half a million directories

int directories_add(struct directories *directories, const char *path, size_t length, const struct timespec *mtime,
		    bool implied, struct failure *failure)
{
	size_t bytes = length + 1 + 2 * sizeof(struct directory);
	char *copy;

	if (bytes > MAX_BYTES - directories->bytes)
		return fail(failure, "the layer has too many directories");
	if (directories->count == directories->capacity) {
		size_t capacity = directories->capacity ? directories->capacity * 2 : 256;
		void *grown = reallocarray(directories->list, capacity, sizeof *directories->list);

		if (!grown)
			return fail(failure, "out of memory");
		directories->list = grown;
		directories->capacity = capacity;
	}
	copy = strndup(path, length);
	if (!copy)
		return fail(failure, "out of memory");
	directories->list[directories->count] = (struct directory){ copy, *mtime, directories->count, implied };
	directories->count++;
	directories->bytes += bytes;
	return 0;
}

// By path; of one directory, what counts is last: what the last entry says of it, if any does.
static int compare(const void *left, const void *right)
{
	const struct directory *a = left, *b = right;
	int order = strcmp(a->path, b->path);

	if (order == 0)
		order = b->implied - a->implied;
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int mark(int parent, const char *base, const char *name, struct failure *failure)
{
	if (fchdir(parent) < 0 || lsetxattr(base, name, "y", 1, 0) < 0) // see tree_set_opaque
		return fail(failure, "cannot mark %.256s as implied: %m", base);
	return 0;
}

// Sets the directory's time, and marks it when it is implied: 1; 0 when it is there no more, a later entry having replaced it or one above it; -1.
static int finish(struct cursor *cursor, struct directory *directory, struct failure *failure)
{
	struct timespec times[2] = { directory->mtime, directory->mtime };
	struct tree_path split = tree_split(directory->path);
	int parent = cursor_find(cursor, split.directory);
	const char *base = *split.base ? split.base : ".";
	struct stat info;

	if (parent < 0 || fstatat(parent, base, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(info.st_mode))
		return 0;
	if (utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "cannot set the time of the directory %.256s: %m", base);
	if (directory->implied && mark(parent, base, "trusted.overlay.implied", failure) < 0)
		return -1;
	return 1;
}

static int settle(struct directories *directories, struct cursor *cursor, struct failure *failure)
{
	bool below = false; // whether any directory but the root is implied

	for (size_t i = 0; i < directories->count; i++) {
		struct directory *directory = &directories->list[i];
		bool root = directory->path[0] == '\0';
		int there;

		if (i + 1 < directories->count && strcmp(directory->path, directory[1].path) == 0)
			continue;
		there = finish(cursor, directory, failure);
		if (there < 0)
			return -1;
		below |= there && directory->implied && !root;
	}
	if (below && mark(cursor->root, ".", "trusted.overlay.implies", failure) < 0)
		return -1;
	return 0;
}

int directories_settle(struct directories *directories, struct cursor *cursor, struct failure *failure)
{
	int result;

	qsort(directories->list, directories->count, sizeof *directories->list, compare);
	result = settle(directories, cursor, failure);
	for (size_t i = 0; i < directories->count; i++)
		free(directories->list[i].path);
	free(directories->list);
	*directories = (struct directories){ 0 };
	return result;
}
