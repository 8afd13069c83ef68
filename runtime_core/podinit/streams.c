// SPDX-License-Identifier: Apache-2.0
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kernel.h"
#include "paths.h"

// CVE-2025-31133: an image may have put another file there.
static int open_null(int root, struct failure *failure)
{
	cleanup_fd int path = open_in_root(root, "/dev/null", O_NOFOLLOW);
	if (path < 0 || !is_null_device(path))
		return fail(failure, "/dev/null is missing or not the null device");
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (null < 0 || !is_null_device(null))
		return fail_at(failure, "open", "/dev/null");
	return steal_fd(&null);
}

// Files that the image's user may open again as /dev/stdout; a FIFO of ours, never a device (a host's /dev/null).
static int give_fifo(int fd, int as, uid_t uid, gid_t gid, struct failure *failure)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode))
		return fail(failure, "standard stream %d is not a FIFO", as);
	if (fchown(fd, uid, gid) < 0 || dup2(fd, as) < 0)
		return fail_at(failure, "set up", "standard streams");
	return 0;
}

int streams_use_fifos(int root, int out, int err, uid_t uid, gid_t gid, struct failure *failure)
{
	cleanup_fd int null = open_null(root, failure);
	if (null < 0)
		return -1;
	if (dup2(null, STDIN_FILENO) < 0)
		return fail_at(failure, "open", "/dev/null");
	if (give_fifo(out, STDOUT_FILENO, uid, gid, failure) < 0)
		return -1;
	return give_fifo(err, STDERR_FILENO, uid, gid, failure);
}

int streams_reopen_null(int root, struct failure *failure)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (!is_null_device(fd))
			continue;
		cleanup_fd int null = open_null(root, failure);
		if (null < 0)
			return -1;
		if (dup2(null, fd) < 0)
			return fail_at(failure, "open", "/dev/null");
	}
	return 0;
}

static int move_to(int *fd, int number)
{
	if (*fd < 0 || *fd == number)
		return 0;
	if (dup3(*fd, number, O_CLOEXEC) < 0)
		return -1;
	*fd = number;
	return 0;
}

int streams_settle(int preserved, int *channel, int *listener, struct failure *failure)
{
	int first = STDERR_FILENO + 1 + preserved, spare = *listener < 0 ? -1 : fcntl(*listener, F_DUPFD_CLOEXEC, first + 2);
	int other = fcntl(*channel, F_DUPFD_CLOEXEC, first + 2); // out of the way of what moves down
	bool good = other >= 0 && (spare >= 0 || *listener < 0);
	for (int i = 0; good && i < preserved; i++)
		good = dup2(PRESERVED_FD + i, STDERR_FILENO + 1 + i) >= 0;
	if (!good || move_to(&other, first) < 0 || move_to(&spare, first + 1) < 0 ||
	    kernel_close_range((unsigned)first + (spare < 0 ? 1 : 2), KERNEL_LAST_FD) < 0)
		return fail_at(failure, "arrange", "descriptors");
	*channel = other;
	*listener = spare;
	return 0;
}

void streams_close_others(const int *kept, size_t count, int preserved)
{
	unsigned first = STDERR_FILENO + 1, next;
	do {
		next = KERNEL_LAST_FD;
		for (size_t i = 0; i < count; i++)
			if (kept[i] >= 0 && (unsigned)kept[i] >= first && (unsigned)kept[i] < next)
				next = (unsigned)kept[i];
		if (preserved > 0 && first <= PRESERVED_FD && next > PRESERVED_FD)
			next = PRESERVED_FD;
		if (next > first)
			kernel_close_range(first, next - 1);
		first = next == PRESERVED_FD && preserved > 0 ? (unsigned)(PRESERVED_FD + preserved) : next + 1;
	} while (next != KERNEL_LAST_FD);
}
