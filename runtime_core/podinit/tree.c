// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

const char *tree_clean(const char *name, char clean[TAR_MAX_PATH])
{
	size_t length = 0;

	while (*name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && name[0] == '.' && name[1] == '.')
			return "has a \"..\" component";
		if (n > NAME_MAX)
			return "has a component longer than 255 bytes";
		if (n > 0 && !(n == 1 && name[0] == '.')) { // clean is never longer than name
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

struct tree_path tree_split(char *path)
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

// Overlay's sign for "nothing here, whatever the layers below have" (Documentation/filesystems/overlayfs.rst).
static bool is_whiteout(const struct stat *info)
{
	return S_ISCHR(info->st_mode) && info->st_rdev == makedev(0, 0);
}

int tree_make_directory(int parent, const char *base, mode_t mode)
{
	struct stat info;

	if (mkdirat(parent, base, mode) == 0)
		return 1;
	if (errno != EEXIST || fstatat(parent, base, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISDIR(info.st_mode))
		return 0;
	if (!is_whiteout(&info)) {
		errno = ENOTDIR;
		return -1;
	}
	if (unlinkat(parent, base, 0) < 0 || mkdirat(parent, base, mode) < 0 || tree_set_opaque(parent, base) < 0)
		return -1;
	return 1;
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
