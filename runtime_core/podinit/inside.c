// SPDX-License-Identifier: Apache-2.0
// The steps after the pivot that change the container's mounts, names and kernel parameters.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "filesystem.h"
#include "kernel.h"
#include "paths.h"
#include "procfs.h"
#include "step.h"

int run_root_propagation(struct jail *jail, const struct step *step, struct failure *failure)
{
	return run_propagation(jail, step, failure); // "/" is another one by now
}

// For what had to be written before it became read-only.
int run_attributes(struct jail *jail, const struct step *step, struct failure *failure)
{
	const char *path = text(step, 0);
	struct kernel_mount_attr attr = { .attr_set = number(step, 1), .attr_clr = number(step, 2) };
	if ((attr.attr_set | attr.attr_clr) & KERNEL_ATTR_ATIME)
		attr.attr_clr |= KERNEL_ATTR_ATIME;
	cleanup_fd int fd = open_in_root(jail->root, path, 0);
	if (fd < 0 || kernel_mount_setattr(fd, 0, &attr) < 0)
		return fail_at(failure, "set attributes of the mount", path);
	return 0;
}

// -1 for a path that is not there, with *missing set.
static int open_existing(int root, const char *path, bool *missing, struct failure *failure)
{
	int fd = open_in_root(root, path, 0);
	*missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
	return fd < 0 ? fail_at(failure, "open", path) : fd;
}

int run_readonly_path(struct jail *jail, const struct step *step, struct failure *failure)
{
	bool missing;
	const char *path = text(step, 0);
	struct kernel_mount_attr attr = { .attr_set = KERNEL_ATTR_RDONLY }; // nosuid, nodev, noexec stay as they are
	cleanup_fd int fd = open_existing(jail->root, path, &missing, failure);
	if (fd < 0)
		return missing ? 0 : -1;
	cleanup_fd int tree =
		kernel_open_tree(fd, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH | KERNEL_AT_RECURSIVE);
	if (tree < 0 || kernel_mount_setattr(tree, KERNEL_AT_RECURSIVE, &attr) < 0 || kernel_move_mount(tree, fd) < 0)
		return fail_at(failure, "make read-only", path);
	return 0;
}

// All masked directories show one empty file system: its first mount is new, the others are clones of it.
static int cover_directory(struct jail *jail, struct failure *failure)
{
	if (jail->own.empty < 0) {
		int cover = filesystem_empty(failure);
		jail->own.empty = cover < 0 ? -1 : fcntl(cover, F_DUPFD_CLOEXEC, 0);
		return cover;
	}
	int tree = kernel_open_tree(jail->own.empty, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH);
	return tree < 0 ? fail_at(failure, "clone", "the empty directory") : tree;
}

static int cover_file(struct jail *jail, const char *path, struct failure *failure)
{
	cleanup_fd int null = open_in_root(jail->root, "/dev/null", O_NOFOLLOW);
	if (null < 0 || !is_null_device(null)) // CVE-2025-31133
		return fail(failure, "cannot mask %.300s: /dev/null is not the null device", path);
	int tree = kernel_open_tree(null, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH);
	return tree < 0 ? fail_at(failure, "mask", path) : tree;
}

int run_mask_path(struct jail *jail, const struct step *step, struct failure *failure)
{
	bool missing;
	struct stat status;
	const char *path = text(step, 0);
	cleanup_fd int fd = open_existing(jail->root, path, &missing, failure);
	if (fd < 0)
		return missing ? 0 : -1;
	if (fstat(fd, &status) < 0)
		return fail_at(failure, "mask", path);
	cleanup_fd int cover =
		S_ISDIR(status.st_mode) ? cover_directory(jail, failure) : cover_file(jail, path, failure);
	if (cover < 0)
		return -1;
	return kernel_move_mount(cover, fd) < 0 ? fail_at(failure, "mask", path) : 0;
}

int run_root_readonly(struct jail *jail, const struct step *step, struct failure *failure)
{
	struct kernel_mount_attr attr = { .attr_set = KERNEL_ATTR_RDONLY };
	(void)step;
	return kernel_mount_setattr(jail->root, 0, &attr) < 0 ? fail_at(failure, "make read-only", "/") : 0;
}

int run_hostname(struct jail *jail, const struct step *step, struct failure *failure)
{
	const char *name = text(step, 0);
	(void)jail;
	return sethostname(name, strlen(name)) < 0 ? fail_at(failure, "set hostname", name) : 0;
}

int run_domainname(struct jail *jail, const struct step *step, struct failure *failure)
{
	const char *name = text(step, 0);
	(void)jail;
	return setdomainname(name, strlen(name)) < 0 ? fail_at(failure, "set domainname", name) : 0;
}

int run_sysctl(struct jail *jail, const struct step *step, struct failure *failure)
{
	char path[256] = "sys/";
	const char *key = text(step, 0);
	if (strlen(key) > sizeof path - 8 || strstr(key, ".."))
		return fail(failure, "%.200s is not a name of a sysctl", key);
	strcat(path, key);
	for (char *sign = path; !strchr(key, '/') && *sign; sign++) // net.ipv4.x, or net/ipv4/x as it is
		if (*sign == '.')
			*sign = '/';
	int proc = jail_procfs(jail, failure);
	return proc < 0 ? -1 : procfs_write(proc, path, text(step, 1), failure);
}
