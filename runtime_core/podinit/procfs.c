// SPDX-License-Identifier: Apache-2.0
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "filesystem.h"
#include "kernel.h"

#define ROOT_INODE 1 // of every procfs

int procfs_open(struct failure *failure)
{
	struct stat status;
	struct statfs system;
	struct failure first;
	int private = filesystem_new("proc", NULL, NULL, FILESYSTEM_CLOSED, &first);
	if (private >= 0)
		return private;
	cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (proc < 0 || fstatfs(proc, &system) < 0 || fstat(proc, &status) < 0)
		return fail_at(failure, "open", "/proc");
	if (system.f_type != PROC_SUPER_MAGIC || status.st_ino != ROOT_INODE)
		return fail(failure, "%.300s, and /proc is not a procfs", first.reason);
	return steal_fd(&proc);
}

static int open_file(int proc, const char *path, int flags)
{
	struct kernel_open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_BENEATH | KERNEL_RESOLVE_NO_XDEV | KERNEL_RESOLVE_NO_MAGICLINKS,
	};
	return kernel_openat2(proc, path, &how);
}

int procfs_write(int proc, const char *path, const char *text, struct failure *failure)
{
	cleanup_fd int fd = open_file(proc, path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return fail_at(failure, "write /proc", path);
	return 0;
}

int procfs_read(int proc, const char *path, char *text, size_t size, struct failure *failure)
{
	cleanup_fd int fd = open_file(proc, path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
	if (got < 0)
		return fail_at(failure, "read /proc", path);
	text[got] = '\0';
	return 0;
}
