// SPDX-License-Identifier: Apache-2.0
#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

#define MAX_DEPTH 4096 // a path of PATH_MAX has half as many names
#define FIRST_LINKS 64
#define MAX_LINKS (1 << 20) // places for files with several names: 8 MB
#define BLOCK 512	    // of st_blocks, on every file system

// The inodes of files with several names, open addressing; 0 is a free place (and no inode).
struct walk {
	dev_t device;
	int64_t used;
	ino_t *links;
	size_t count, size;
};

static size_t place_of(const ino_t *links, size_t size, ino_t inode)
{
	size_t place = (size_t)((uint64_t)inode * 0x9e3779b97f4a7c15u) & (size - 1);
	while (links[place] && links[place] != inode)
		place = (place + 1) & (size - 1);
	return place;
}

static bool grow(struct walk *walk)
{
	size_t size = walk->size ? walk->size * 2 : FIRST_LINKS;
	ino_t *links = size <= MAX_LINKS ? calloc(size, sizeof *links) : NULL;
	if (!links)
		return false;
	for (size_t i = 0; i < walk->size; i++)
		if (walk->links[i])
			links[place_of(links, size, walk->links[i])] = walk->links[i];
	free(walk->links);
	walk->links = links;
	walk->size = size;
	return true;
}

// Whether a file with several names is met for the first time. When there are too many, each name counts: nobody gets
// more room that way.
static bool is_new(struct walk *walk, ino_t inode)
{
	if (walk->count >= walk->size / 4 * 3 && !grow(walk))
		return true;
	size_t place = place_of(walk->links, walk->size, inode);
	if (walk->links[place])
		return false;
	walk->links[place] = inode;
	walk->count++;
	return true;
}

static int add_directory(struct walk *walk, int parent, const char *name, unsigned depth);

static int add_entry(struct walk *walk, int directory, const char *name, unsigned depth)
{
	struct stat status;
	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (status.st_dev != walk->device)
		return 0;
	if (S_ISDIR(status.st_mode) || status.st_nlink == 1 || is_new(walk, status.st_ino))
		walk->used += (int64_t)status.st_blocks * BLOCK;
	return S_ISDIR(status.st_mode) ? add_directory(walk, directory, name, depth) : 0;
}

// 0, or -1 with errno; EMFILE for a tree that is too deep.
static int add_directory(struct walk *walk, int parent, const char *name, unsigned depth)
{
	int result = 0;
	const struct dirent *entry;
	if (depth == MAX_DEPTH) {
		errno = EMFILE;
		return -1;
	}
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1; // it is something else by now
	DIR *stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return -1;
	}
	while (result == 0 && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = add_entry(walk, fd, entry->d_name, depth + 1);
	int reason = errno;
	closedir(stream);
	errno = reason;
	return result;
}

int64_t usage_of(int base, const char *path)
{
	struct walk walk = { 0 };
	struct stat status;
	if (fstatat(base, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1; // its container has yet to start
	walk.device = status.st_dev;
	int result = add_directory(&walk, base, path, 0);
	int reason = errno;
	free(walk.links);
	if (result == 0)
		return walk.used;
	return reason == EMFILE ? USAGE_UNBOUNDED : -1;
}
