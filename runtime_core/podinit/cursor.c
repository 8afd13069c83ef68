// SPDX-License-Identifier: Apache-2.0
#include "cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "tree.h"
#include "util.h"

// What names a component in a path of them.
struct component {
	char name[NAME_MAX + 1];
	size_t end; // its end in the path
};

static struct component component_at(const char *path, size_t start)
{
	struct component component;
	size_t length = strcspn(path + start, "/");

	memcpy(component.name, path + start, length); // tree_clean saw to it that it fits
	component.name[length] = '\0';
	component.end = start + length;
	return component;
}

void cursor_leave(struct cursor *cursor)
{
	cleanup_close(&cursor->fd);
	cursor->fd = -1;
}

// Takes fd, of directory, as the place where the cursor is.
static int arrive(struct cursor *cursor, int fd, const char *directory)
{
	struct stat info;

	if (fd < 0)
		return -1;
	cursor_leave(cursor);
	cursor->length = strlen(directory);
	memcpy(cursor->path, directory, cursor->length + 1);
	// A directory of another group passes it on when it has the set-gid bit, or the file system the option grpid.
	cursor->inherits = fstat(fd, &info) < 0 || info.st_gid != 0 || (info.st_mode & S_ISGID) || cursor->acls;
	cursor->fd = fd;
	return fd;
}

// Returns what is left to go from where the cursor is, or NULL when that is not on the way.
static const char *rest_of_way(const struct cursor *cursor, const char *directory)
{
	if (cursor->fd < 0 || cursor->length == 0 || strncmp(directory, cursor->path, cursor->length) != 0 ||
	    directory[cursor->length] != '/')
		return NULL;
	return directory + cursor->length + 1;
}

// Goes component by component, since the path is longer than the kernel takes: a descriptor or -1.
static int walk(int root, const char *directory)
{
	int fd = tree_open(root, "");

	for (size_t start = 0; fd >= 0 && directory[start];) {
		struct component component = component_at(directory, start);
		cleanup_fd int parent = fd;

		fd = tree_open(parent, component.name);
		start = component.end + (directory[component.end] == '/');
	}
	return fd;
}

int cursor_find(struct cursor *cursor, const char *directory)
{
	const char *rest = rest_of_way(cursor, directory);
	int fd;

	if (cursor->fd >= 0 && strcmp(directory, cursor->path) == 0)
		return cursor->fd;
	fd = rest ? tree_open(cursor->fd, rest) : tree_open(cursor->root, directory);
	if (fd < 0 && errno == ENAMETOOLONG)
		fd = walk(cursor->root, directory);
	return arrive(cursor, fd, directory);
}

static int explain(const char *directory, struct failure *failure)
{
	if (errno == ELOOP)
		return fail(failure, "its path goes through a symbolic link");
	if (errno == ENOTDIR)
		return fail(failure, "its path goes through something that is not a directory");
	if (errno == ENOSYS)
		return fail(failure, "this kernel has no openat2(2): Linux 5.6 or newer is needed");
	return fail(failure, "cannot open its directory %.256s: %m", directory);
}

// Makes one directory that no entry has described (yet): 0755 and root's, whatever its parent passes on.
static int make_implied(int parent, const char *name)
{
	int made = tree_make_directory(parent, name, 0755);

	if (made <= 0)
		return made;
	return fchownat(parent, name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : fchmodat(parent, name, 0755, 0);
}

int cursor_make(struct cursor *cursor, const char *directory, struct directories *made, const struct timespec *mtime,
		struct failure *failure)
{
	int fd = cursor_find(cursor, directory);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR)
		return explain(directory, failure);
	fd = tree_open(cursor->root, "");
	for (size_t start = 0; fd >= 0 && directory[start];) {
		struct component component = component_at(directory, start);
		cleanup_fd int parent = fd;

		fd = tree_open(parent, component.name);
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && make_implied(parent, component.name) == 0) {
			if (directories_add(made, directory, component.end, mtime, true, failure) < 0)
				return -1;
			fd = tree_open(parent, component.name);
		}
		start = component.end + (directory[component.end] == '/');
	}
	return fd >= 0 ? arrive(cursor, fd, directory) : explain(directory, failure);
}
