// SPDX-License-Identifier: Apache-2.0
// System calls that the C libraries lack or wrap differently: one function a call, its arguments, -1 and errno.
// Needs Linux 5.12 (mount_setattr is the youngest of them).
#ifndef PODINIT_KERNEL_H
#define PODINIT_KERNEL_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// linux/mount.h and linux/openat2.h clash with some libc's own headers, so the few names in use stand here.
#define KERNEL_RESOLVE_NO_XDEV 0x01
#define KERNEL_RESOLVE_NO_MAGICLINKS 0x02
#define KERNEL_RESOLVE_NO_SYMLINKS 0x04
#define KERNEL_RESOLVE_BENEATH 0x08
#define KERNEL_RESOLVE_IN_ROOT 0x10
#define KERNEL_OPEN_TREE_CLONE 1
#define KERNEL_AT_EMPTY_PATH 0x1000
#define KERNEL_AT_RECURSIVE 0x8000
#define KERNEL_MOVE_MOUNT_BY_FD 0x44 // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
#define KERNEL_FS_CLOEXEC 1          // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
#define KERNEL_FSCONFIG_SET_STRING 1
#define KERNEL_FSCONFIG_CREATE 6
#define KERNEL_ATTR_RDONLY 0x1
#define KERNEL_ATTR_NOSUID 0x2
#define KERNEL_ATTR_NODEV 0x4
#define KERNEL_ATTR_NOEXEC 0x8
#define KERNEL_CLONE_PIDFD 0x1000
#define KERNEL_CLONE_PARENT 0x8000

// For the steps.
#define KERNEL_FSCONFIG_SET_FLAG 0
#define KERNEL_ATTR_ATIME 0x70 // MOUNT_ATTR__ATIME: NOATIME, STRICTATIME, or neither for relatime
#define KERNEL_ATTR_NODIRATIME 0x80
#define KERNEL_ATTR_IDMAP 0x100000
#define KERNEL_ATTR_NOSYMFOLLOW 0x200000

struct kernel_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

// Of the calling thread.
static inline int kernel_sched_setattr(const struct kernel_sched_attr *attr)
{
	return (int)syscall(SYS_sched_setattr, 0, attr, 0);
}

static inline int kernel_ioprio_set(int class_and_data)
{
	return (int)syscall(SYS_ioprio_set, 1, 0, class_and_data); // IOPRIO_WHO_PROCESS, the caller
}

// The kernel takes one bit less than it is told.
static inline int kernel_set_mempolicy(int mode, const unsigned long *nodes, unsigned long bits)
{
	return (int)syscall(SYS_set_mempolicy, mode, nodes, bits + 1);
}
// End of: for the steps.

struct kernel_open_how {
	uint64_t flags, mode, resolve;
};

struct kernel_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};

struct kernel_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static inline int kernel_openat2(int dir, const char *path, const struct kernel_open_how *how)
{
	return (int)syscall(SYS_openat2, dir, path, how, sizeof *how);
}

static inline int kernel_open_tree(int dir, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dir, path, flags | O_CLOEXEC);
}

// Attaches the mount `from` on top of `to`: both are fds, so no path is looked up again.
static inline int kernel_move_mount(int from, int to)
{
	return (int)syscall(SYS_move_mount, from, "", to, "", KERNEL_MOVE_MOUNT_BY_FD);
}

static inline int kernel_mount_setattr(int mount, unsigned flags, const struct kernel_mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, mount, "", KERNEL_AT_EMPTY_PATH | flags, attr, sizeof *attr);
}

// Executes the file that fd stands for.
static inline int kernel_fexecve(int fd, char *const args[], char *const env[])
{
	return (int)syscall(SYS_execveat, fd, "", args, env, KERNEL_AT_EMPTY_PATH);
}

// A session keyring of its own: the caller's may hold keys of whoever started the pod.
static inline int kernel_new_session_keyring(void)
{
	return (int)syscall(SYS_keyctl, 1, NULL); // KEYCTL_JOIN_SESSION_KEYRING
}

static inline int kernel_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, KERNEL_FS_CLOEXEC);
}

static inline int kernel_fsconfig(int fs, unsigned command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static inline int kernel_fsmount(int fs, unsigned attributes)
{
	return (int)syscall(SYS_fsmount, fs, KERNEL_FS_CLOEXEC, attributes);
}

static inline int kernel_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int kernel_pidfd_send_signal(int pidfd, int number)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

// A copy of the file that is number `fd` in the other process.
static inline int kernel_pidfd_getfd(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

static inline int kernel_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

#define KERNEL_LAST_FD (~0U)

// Both included.
static inline int kernel_close_range(unsigned first, unsigned last)
{
	return (int)syscall(SYS_close_range, first, last, 0);
}

// Back to SIG_DFL. The libraries' own sigaction refuses the signals that they keep for themselves.
static inline int kernel_reset_signal(int number)
{
	struct {
		unsigned long handler, flags, restorer, mask;
	} standard = { 0 };
	return (int)syscall(SYS_rt_sigaction, number, &standard, NULL, sizeof standard.mask);
}

// Like fork (the child goes on here with a copy of the stack), in new namespaces. pidfd may be NULL. With
// KERNEL_CLONE_PARENT it is a child of the caller's parent.
static inline pid_t kernel_clone(uint64_t flags, int *pidfd)
{
	struct kernel_clone_args args = {
		.flags = flags | (pidfd ? KERNEL_CLONE_PIDFD : 0),
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = flags & KERNEL_CLONE_PARENT ? 0 : 17, // SIGCHLD; else as the caller's own
	};
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

#endif
