// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define ROOT_INODE 1     // of every procfs
#define MAX_PARENTS 2048 // PATH_MAX / 2

static bool in_procfs(int fd)
{
	struct statfs status;
	return fstatfs(fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

bool is_procfs_root(int fd)
{
	struct stat status;
	return in_procfs(fd) && fstat(fd, &status) == 0 && status.st_ino == ROOT_INODE;
}

static bool is_same(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static bool same_file(int one, int other)
{
	struct stat a, b;
	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && is_same(&a, &b);
}

// Whether a directory lies in a procfs, or below one on whatever is mounted in it. -1 when that cannot be told.
static int below_procfs(int root, int directory, struct failure *failure)
{
	struct stat top, status;
	dev_t known = 0; // no device has this number
	if (fstat(root, &top) < 0)
		return fail_at(failure, "stat", "the container's root");
	cleanup_fd int here = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; here >= 0 && fstat(here, &status) == 0 && i < MAX_PARENTS; i++) {
		if (is_same(&status, &top))
			return 0;
		if (status.st_dev != known && in_procfs(here)) // one file system has one device
			return 1;
		known = status.st_dev;
		int parent = openat(here, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		cleanup_close(&here);
		here = parent;
	}
	return here < 0 ? fail_at(failure, "open", "a target's parent") :
			  fail(failure, "a target was moved out of the container's root");
}

// The files that lxcfs has versions of: they show a container's own numbers.
static bool is_served_by_lxcfs(int root, int file)
{
	static const char *const names[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat",
					     "/proc/swaps",   "/proc/uptime",	 "/proc/loadavg", "/proc/slabinfo" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		cleanup_fd int fd = open_in_root(root, names[i], O_NOFOLLOW);
		if (fd >= 0 && same_file(fd, file))
			return true;
	}
	return false;
}

int open_mount_target(int root, const char *path, unsigned kind, bool procfs, struct failure *failure)
{
	cleanup_fd int fd = open_target(root, path, kind, failure);
	if (fd < 0)
		return -1;
	if (kind & TARGET_FILE)
		return in_procfs(fd) && !is_served_by_lxcfs(root, fd) ?
			fail(failure, "target %.300s is inside /proc", path) : steal_fd(&fd);
	cleanup_fd int proc = open_in_root(root, "/proc", O_DIRECTORY);
	bool is_proc = proc >= 0 && same_file(proc, fd);
	if (is_proc && !procfs)
		return fail(failure, "target %.300s is /proc, on which only a procfs may be mounted", path);
	int below = is_proc ? 0 : below_procfs(root, fd, failure);
	if (below > 0)
		return fail(failure, "target %.300s is inside /proc", path);
	return below < 0 ? -1 : steal_fd(&fd);
}
