// SPDX-License-Identifier: Apache-2.0
#include "paths.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"

#define MAX_LINKS 40  // as the kernel
#define MAX_DEPTH 32  // of open directories while removing a tree
#define MAX_TRIES 128 // openat2 asks for a retry when someone renames or mounts meanwhile

struct fd_path fd_path(int fd)
{
	struct fd_path path;
	snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
	return path;
}

static int open_confined(int root, const char *path, int flags, uint64_t resolve)
{
	struct kernel_open_how how = {
		.flags = (uint64_t)flags | O_PATH | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_IN_ROOT | KERNEL_RESOLVE_NO_MAGICLINKS | resolve,
	};
	int fd = -1;
	for (int i = 0; i < MAX_TRIES; i++) {
		fd = kernel_openat2(root, path, &how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

int open_in_root(int root, const char *path, int flags)
{
	return open_confined(root, path, flags, 0);
}

// A walk that makes what is missing. `done` is free of links and dots; `rest` is what is left to resolve.
struct walk {
	int root;
	char done[PATH_MAX], rest[PATH_MAX];
	unsigned links;
};

static bool next_component(struct walk *walk, char component[static NAME_MAX + 1])
{
	size_t skip = strspn(walk->rest, "/"), length = strcspn(walk->rest + skip, "/");
	if (length == 0 || length > NAME_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(component, walk->rest + skip, length);
	component[length] = '\0';
	memmove(walk->rest, walk->rest + skip + length, strlen(walk->rest + skip + length) + 1);
	return true;
}

static bool is_last(const struct walk *walk)
{
	return walk->rest[strspn(walk->rest, "/")] == '\0';
}

static int follow_link(struct walk *walk, int link)
{
	char joined[PATH_MAX * 2], target[PATH_MAX];
	ssize_t length = readlinkat(link, "", target, sizeof target - 1);
	if (length < 0)
		return -1;
	target[length] = '\0';
	snprintf(joined, sizeof joined, "%s/%s", target, walk->rest);
	if (++walk->links > MAX_LINKS || strlen(joined) >= sizeof walk->rest) {
		errno = ELOOP;
		return -1;
	}
	memcpy(walk->rest, joined, strlen(joined) + 1);
	if (target[0] == '/')
		walk->done[0] = '\0';
	return 0;
}

static int make_component(int root, const char *path, const char *name, bool file)
{
	cleanup_fd int parent = open_confined(root, path[0] ? path : "/", O_DIRECTORY, 0);
	if (parent < 0)
		return -1;
	if (!file)
		return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	cleanup_close(&fd);
	return fd < 0 && errno != EEXIST ? -1 : 0;
}

static int enter_component(struct walk *walk, const char *name, bool file)
{
	size_t length = strlen(walk->done);
	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		char *slash = strrchr(walk->done, '/');
		if (slash)
			*slash = '\0';
		return 0;
	}
	if (snprintf(walk->done + length, sizeof walk->done - length, "/%s", name) >= (int)(sizeof walk->done - length)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	struct stat status;
	cleanup_fd int fd = open_confined(walk->root, walk->done, O_NOFOLLOW, 0);
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISLNK(status.st_mode)) {
		walk->done[length] = '\0';
		return follow_link(walk, fd);
	}
	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? 0 : -1;
	walk->done[length] = '\0';
	if (make_component(walk->root, walk->done, name, file) < 0)
		return -1;
	walk->done[length] = '/';
	return 0;
}

// The usual case at a fraction of the walk's system calls: the parent is there, without links, and the last part is not.
static int make_last_in_root(int root, const char *path, bool file)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : "";
	size_t length = slash ? (size_t)(slash - path) : 0;
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || length >= sizeof parent)
		return -1;
	memcpy(parent, path, length);
	parent[length] = '\0';
	if (make_component(root, parent, name, file) < 0)
		return -1;
	return open_confined(root, path, 0, KERNEL_RESOLVE_NO_SYMLINKS);
}

static int make_in_root(int root, const char *path, bool file)
{
	struct walk walk = { .root = root };
	char component[NAME_MAX + 1];
	int fd = make_last_in_root(root, path, file);
	if (fd >= 0)
		return fd;
	if (strlen(path) >= sizeof walk.rest) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(walk.rest, path, strlen(path) + 1);
	while (!is_last(&walk))
		if (!next_component(&walk, component) || enter_component(&walk, component, file && is_last(&walk)) < 0)
			return -1;
	return open_confined(root, walk.done[0] ? walk.done : "/", O_NOFOLLOW, KERNEL_RESOLVE_NO_SYMLINKS);
}

int open_target(int root, const char *path, unsigned kind, struct failure *failure)
{
	struct stat status, top;
	bool file = kind & TARGET_FILE;
	cleanup_fd int fd = open_confined(root, path, 0, kind & TARGET_NO_SYMLINKS ? KERNEL_RESOLVE_NO_SYMLINKS : 0);
	if (fd < 0 && errno == ENOENT)
		fd = make_in_root(root, path, file);
	if (fd < 0 || fstat(fd, &status) < 0 || fstat(root, &top) < 0)
		return fail_at(failure, "target", path);
	if (S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode) == file)
		return fail(failure, "target %.300s is %sa directory", path, file ? "" : "not ");
	if (status.st_dev == top.st_dev && status.st_ino == top.st_ino)
		return fail(failure, "target %.300s is the container's root itself", path);
	return steal_fd(&fd);
}

int open_parent(int root, const char *path, const char **name, struct failure *failure)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (!slash || slash[1] == '\0' || (size_t)(slash - path) >= sizeof parent - 1 ||
	    strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
		return fail(failure, "path %.300s has no usable last component", path);
	*name = slash + 1;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	if (parent[0] == '\0')
		strcpy(parent, "/");
	int fd = open_confined(root, parent, O_DIRECTORY, 0);
	if (fd < 0 && errno == ENOENT)
		fd = make_in_root(root, parent, false);
	return fd < 0 ? fail_at(failure, "parent of", path) : fd;
}

// A tree deeper than MAX_DEPTH is cut: the directory too deep moves up to `top`, where the next pass finds it.
struct removal {
	int top;
	dev_t device;
	unsigned moved;
};

static int remove_tree(struct removal *removal, int dir, const char *keep, unsigned depth);

static int remove_directory(struct removal *removal, int dir, const char *name, unsigned depth)
{
	struct stat status;
	char fresh[32];
	if (depth == MAX_DEPTH) {
		snprintf(fresh, sizeof fresh, ".moved-%u", removal->moved++);
		return renameat(dir, name, removal->top, fresh);
	}
	cleanup_fd int child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0 || fstat(child, &status) < 0 || status.st_dev != removal->device)
		return -1;
	int result = remove_tree(removal, child, NULL, depth + 1);
	return result | unlinkat(dir, name, AT_REMOVEDIR);
}

static int remove_tree(struct removal *removal, int dir, const char *keep, unsigned depth)
{
	struct dirent *entry;
	int result = 0, fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		cleanup_close(&fd);
		return -1;
	}
	while ((entry = readdir(stream))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (keep && strcmp(name, keep) == 0))
			continue;
		if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
			result |= remove_directory(removal, dir, name, depth);
	}
	closedir(stream);
	return result;
}

int remove_entries(int dir, const char *keep)
{
	struct stat status;
	struct removal removal = { .top = dir };
	unsigned before;
	if (fstat(dir, &status) < 0)
		return -1;
	removal.device = status.st_dev;
	do { // every pass that moves something also removed the levels above it, so this ends
		before = removal.moved;
		if (remove_tree(&removal, dir, keep, 0) < 0)
			return -1;
	} while (removal.moved != before);
	return 0;
}
