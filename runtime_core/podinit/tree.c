// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

const char *tree_clean(const char *name, char clean[PATH_MAX])
{
	size_t length = 0;

	while (*name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && name[0] == '.' && name[1] == '.')
			return "has a \"..\" component";
		if (n > NAME_MAX)
			return "has a component longer than 255 bytes";
		if (n > 0 && !(n == 1 && name[0] == '.')) { // clean is never longer than name, which fits PATH_MAX
			if (length > 0)
				clean[length++] = '/';
			memcpy(clean + length, name, n);
			length += n;
		}
		name += n + (name[n] == '/');
	}
	clean[length] = '\0';
	return NULL;
}

struct tree_path tree_split(char path[PATH_MAX])
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return (struct tree_path){ "", path };
	*slash = '\0';
	return (struct tree_path){ path, slash + 1 };
}

int tree_open(int root, const char *directory)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, root, *directory ? directory : ".", &how, sizeof how);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR)); // EAGAIN: a rename elsewhere raced with the walk
	return (int)fd;
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

// Goes from one directory to a child of it, which is made when missing; closes the former.
static int enter(int parent, const char *name)
{
	int child = tree_open(parent, name), error;

	if (child < 0 && (errno == ENOENT || errno == ENOTDIR) && tree_make_directory(parent, name) == 0)
		child = tree_open(parent, name);
	error = errno;
	close(parent);
	errno = error;
	return child;
}

int tree_open_or_make(int root, const char *directory, struct failure *failure)
{
	int fd = tree_open(root, directory);
	char component[NAME_MAX + 1];

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR)
		return explain(directory, failure);
	fd = tree_open(root, "");
	for (const char *rest = directory; fd >= 0 && *rest;) {
		size_t n = strcspn(rest, "/");

		memcpy(component, rest, n); // tree_clean saw to it that it fits
		component[n] = '\0';
		fd = enter(fd, component);
		rest += n + (rest[n] == '/');
	}
	return fd >= 0 ? fd : explain(directory, failure);
}

// Overlay's sign for "nothing here, whatever the layers below have" (Documentation/filesystems/overlayfs.rst).
static bool is_whiteout(const struct stat *info)
{
	return S_ISCHR(info->st_mode) && info->st_rdev == makedev(0, 0);
}

int tree_make_directory(int parent, const char *base)
{
	struct stat info;
	bool hides = false;

	if (fstatat(parent, base, &info, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(info.st_mode))
			return 0;
		hides = is_whiteout(&info);
		if (!hides) {
			errno = ENOTDIR;
			return -1;
		}
		if (unlinkat(parent, base, 0) < 0)
			return -1;
	} else if (errno != ENOENT) {
		return -1;
	}
	if (mkdirat(parent, base, 0755) < 0)
		return -1;
	return hides ? tree_set_opaque(parent, base) : 0;
}

int tree_set_opaque(int parent, const char *base)
{
	// There is no setxattrat(2) before Linux 6.13: the working directory pins the parent instead.
	return fchdir(parent) < 0 ? -1 : lsetxattr(base, "trusted.overlay.opaque", "y", 1, 0);
}

// Removes one name: 0; 1 when it is a directory that is not empty; -1.
static int remove_name(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM) // EPERM is POSIX's word for "a directory"
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
		return 0;
	return errno == ENOTEMPTY || errno == EEXIST ? 1 : -1;
}

static int open_listed(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Removes names of the directory fd (which it closes) until one of them is a full directory. Returns a descriptor to
// go on with: that directory (*depth + 1), or the parent when all is gone (*depth - 1); -1 on failure.
static int empty_or_descend(int fd, int *depth)
{
	DIR *listing = fdopendir(fd);
	struct dirent *name;
	int next = -1, full = 0;

	if (!listing) {
		close(fd);
		return -1;
	}
	while (full == 0 && (errno = 0, name = readdir(listing)))
		if (strcmp(name->d_name, ".") != 0 && strcmp(name->d_name, "..") != 0)
			full = remove_name(fd, name->d_name);
	if (full == 1)
		next = open_listed(fd, name->d_name);
	else if (full == 0 && errno == 0)
		next = open_listed(fd, "..");
	*depth += full == 1 ? 1 : -1;
	full = errno;
	closedir(listing);
	errno = full;
	return next;
}

// Goes up and down by ".." with one descriptor at a time: a layer may nest deeper than there are descriptors.
int tree_remove(int parent, const char *base)
{
	int left = remove_name(parent, base), depth = 1, fd;

	if (left <= 0)
		return left;
	fd = open_listed(parent, base);
	while (fd >= 0 && depth > 0)
		fd = empty_or_descend(fd, &depth);
	if (fd < 0)
		return -1;
	close(fd);
	return unlinkat(parent, base, AT_REMOVEDIR);
}
