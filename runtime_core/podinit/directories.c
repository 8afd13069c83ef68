// SPDX-License-Identifier: Apache-2.0
#include "directories.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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

// Sets the directory's time: 1; 0 when it is there no more, a later entry having replaced it or one above it; -1.
static int set_time(struct cursor *cursor, struct directory *directory, struct failure *failure)
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
	return 1;
}

static int settle(struct directories *directories, struct cursor *cursor, struct buffer *implied,
		  struct failure *failure)
{
	for (size_t i = 0; i < directories->count; i++) {
		struct directory *directory = &directories->list[i];
		size_t before = implied->length;
		int there;

		if (i + 1 < directories->count && strcmp(directory->path, directory[1].path) == 0)
			continue;
		if (directory->implied)
			buffer_add(implied, directory->path, strlen(directory->path) + 1);
		there = set_time(cursor, directory, failure);
		if (there < 0)
			return -1;
		if (there == 0)
			implied->length = before;
	}
	return implied->failed ? fail(failure, "out of memory") : 0;
}

int directories_settle(struct directories *directories, struct cursor *cursor, int out, struct failure *failure)
{
	struct buffer implied = { 0 };
	int result;

	qsort(directories->list, directories->count, sizeof *directories->list, compare);
	result = settle(directories, cursor, &implied, failure);
	if (result == 0 && write_all(out, implied.data, implied.length) < 0)
		result = fail(failure, "cannot tell the implied directories: %m");
	buffer_free(&implied);
	for (size_t i = 0; i < directories->count; i++)
		free(directories->list[i].path);
	free(directories->list);
	*directories = (struct directories){ 0 };
	return result;
}
