// SPDX-License-Identifier: Apache-2.0
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "kernel.h"
#include "paths.h"

#define DEVPTS_SUPER_MAGIC_NUMBER 0x1cd1
#define PTMX_NAME "/dev/pts/ptmx"

// CVE-2025-52565: an image may have put anything at /dev/ptmx or /dev/pts/0. On a devpts itself nothing can be made, so
// what is found there without leaving it is the kernel's own.
static int open_master(int root, struct failure *failure)
{
	struct stat status;
	struct statfs fs;
	struct kernel_open_how how = {
		.flags = O_RDWR | O_NOCTTY | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_NO_XDEV | KERNEL_RESOLVE_NO_SYMLINKS | KERNEL_RESOLVE_BENEATH,
	};
	cleanup_fd int pts = open_in_root(root, "/dev/pts", O_DIRECTORY);
	if (pts < 0 || fstatfs(pts, &fs) < 0)
		return fail_at(failure, "terminal:", "/dev/pts");
	if (fs.f_type != DEVPTS_SUPER_MAGIC_NUMBER)
		return fail(failure, "a terminal needs a devpts file system at /dev/pts");
	cleanup_fd int master = kernel_openat2(pts, "ptmx", &how);
	if (master < 0 || fstat(master, &status) < 0)
		return fail_at(failure, "terminal:", PTMX_NAME);
	if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2))
		return fail(failure, PTMX_NAME " is not the master of pseudo-terminals");
	return steal_fd(&master);
}

int console_open(struct console *console, int root, uint16_t height, uint16_t width, struct failure *failure)
{
	int unlocked = 0;
	struct winsize size = { .ws_row = height, .ws_col = width };
	cleanup_fd int master = open_master(root, failure);
	if (master < 0)
		return -1;
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return fail_at(failure, "unlock", "terminal");
	cleanup_fd int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); // by no name
	if (slave < 0 || (height && ioctl(slave, TIOCSWINSZ, &size) < 0))
		return fail_at(failure, "open", "terminal");
	*console = (struct console){ .master = steal_fd(&master), .slave = steal_fd(&slave) };
	return 0;
}

int console_mount(const struct console *console, int root, struct failure *failure)
{
	const char *name;
	cleanup_fd int parent = open_parent(root, "/dev/console", &name, failure);
	if (parent < 0)
		return -1;
	int made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (made < 0 && errno != EEXIST)
		return fail_at(failure, "make", "/dev/console");
	cleanup_close(&made);
	cleanup_fd int target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	if (target < 0 || fstat(target, &status) < 0 || S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode))
		return fail(failure, "/dev/console is not a file that a terminal can be mounted on");
	cleanup_fd int tree =
		kernel_open_tree(console->slave, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH);
	if (tree < 0 || kernel_move_mount(tree, target) < 0)
		return fail_at(failure, "mount", "/dev/console");
	return 0;
}

// It is our own new pseudo-terminal, so its owner may change: no device of the host (its null device, say) ever does.
int console_attach(struct console *console, uid_t uid, struct failure *failure)
{
	if (ioctl(console->slave, TIOCSCTTY, 0) < 0)
		return fail_at(failure, "take", "the terminal");
	if (fchown(console->slave, uid, (gid_t)-1) < 0)
		return fail_at(failure, "own", "the terminal");
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(console->slave, fd) < 0)
			return fail_at(failure, "attach", "the terminal");
	close(steal_fd(&console->slave));
	return 0;
}

int send_file(int socket, int fd, const char *text, size_t length)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec data = { .iov_base = (char *)text, .iov_len = length };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof control.bytes };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int console_send(struct console *console, int socket, struct failure *failure)
{
	cleanup_fd int master = steal_fd(&console->master);
	if (send_file(socket, master, PTMX_NAME, strlen(PTMX_NAME)) < 0)
		return fail_at(failure, "send the terminal to", "the console socket");
	return 0;
}
