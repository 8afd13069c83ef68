// SPDX-License-Identifier: Apache-2.0
// The steps that make the container's root, and those that make it "/".
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "hide.h"
#include "kernel.h"
#include "overlay.h"
#include "paths.h"
#include "step.h"

#define MAX_PARENTS 2048 // PATH_MAX / 2

static int set_propagation(uint64_t flags, struct failure *failure)
{
	const uint64_t types = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;
	if (flags & ~(types | MS_REC) || mount(NULL, "/", NULL, (unsigned long)flags, NULL) < 0) {
		errno = flags & ~(types | MS_REC) ? EINVAL : errno;
		return fail_at(failure, "set the propagation of", "/");
	}
	return 0;
}

int run_propagation(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)jail;
	return set_propagation(number(step, 0), failure);
}

// Then a pod's container: its supervisor's mounts, which these are copies of, reach nobody but for those volumes. As
// slaves they would bring nothing back.
static bool shares_volume(const struct json *steps)
{
	for (const struct json *step = steps->child; step; step = step->next) {
		if (strcmp(step->child->string, "bind") != 0 || !steps_have(steps, "overlay"))
			continue;
		const struct json *propagation = json_get(step->child->next->next->next->next->next, "propagation");
		if (propagation && propagation->type == JSON_NUMBER && propagation->magnitude & MS_SHARED)
			return true;
	}
	return false;
}

// Without a step of that name: nothing of the container's mounts reaches the host. A container without a mount namespace
// of its own must leave the host's as it is.
static int default_propagation(const struct step *step, struct failure *failure)
{
	if (steps_have(step->steps, "propagation") || steps_have(step->steps, "chroot") || shares_volume(step->steps))
		return 0;
	return set_propagation(MS_SLAVE | MS_REC, failure);
}

// Makes rw/<attempt>/{upper,work}, removes older attempts, gives upper (the new root) the image root's mode and owner.
static int make_writable_layer(int base, unsigned attempt, const char *top_layer, struct failure *failure)
{
	char name[16];
	struct stat top;
	snprintf(name, sizeof name, "%u", attempt);
	if (make_dir(base, "rw", failure) < 0)
		return -1;
	cleanup_fd int rw = openat(base, "rw", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rw < 0)
		return fail_at(failure, "open", "rw");
	if (remove_entries(rw, name) < 0) // costs disk space only, so the container still starts
		dprintf(STDERR_FILENO, "cannot remove an older writable layer: %s\n", strerror(errno));
	if (make_dir(rw, name, failure) < 0)
		return -1;
	cleanup_fd int layer = openat(rw, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (layer < 0 || make_dir(layer, "work", failure) < 0 || make_dir(layer, "upper", failure) < 0)
		return layer < 0 ? fail_at(failure, "open rw", name) : -1;
	if (stat(top_layer, &top) < 0)
		return fail_at(failure, "layer", top_layer);
	if (fchownat(layer, "upper", top.st_uid, top.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(layer, "upper", top.st_mode & 07777, 0) < 0)
		return fail_at(failure, "set mode of", "rw/upper");
	return steal_fd(&rw);
}

static int mount_overlay(int base, unsigned attempt, const struct json *lower, struct failure *failure)
{
	struct layers layers;
	struct statfs status;
	struct buffer options = { 0 };
	if (lower->count == 0)
		return fail(failure, "lower has no layer");
	cleanup_fd int rw = make_writable_layer(base, attempt, lower->child->string, failure);
	cleanup_fd int target = openat(base, "rootfs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rw < 0)
		return -1;
	int result = layers_open(&layers, lower, &options, failure);
	if (result == 0 && target < 0)
		result = fail_at(failure, "open", "rootfs");
	// The layer never outlives this start, so nothing in it is worth a sync of the host's disk: volatile.
	buffer_print(&options, ",upperdir=%s/%u/upper", fd_path(rw).text, attempt);
	buffer_print(&options, ",workdir=%s/%u/work,volatile", fd_path(rw).text, attempt);
	buffer_add(&options, "", 1);
	if (result == 0 && options.failed)
		result = fail(failure, "out of memory");
	if (result == 0 && mount("overlay", fd_path(target).text, "overlay", 0, options.data) < 0)
		result = fail_at(failure, "mount overlay on", "rootfs");
	layers_close(&layers);
	buffer_free(&options);
	if (result < 0)
		return -1;
	cleanup_fd int root = openat(base, "rootfs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0 || fstatfs(root, &status) < 0 || status.f_type != OVERLAYFS_SUPER_MAGIC)
		return fail(failure, "rootfs is not the overlay just mounted");
	return steal_fd(&root);
}

int run_overlay(struct jail *jail, const struct step *step, struct failure *failure)
{
	if (default_propagation(step, failure) < 0)
		return -1;
	jail->root = mount_overlay(jail->base, jail->attempt, jail->lower, failure);
	return jail->root < 0 ? -1 : 0;
}

// The mount that the directory lies in: upward to its root, which alone can be changed. pivot_root(2) refuses a new root
// on a shared mount, and the container's mounts must not show on the host.
static int make_mount_private(int directory, struct failure *failure)
{
	const struct kernel_mount_attr attr = { .propagation = MS_PRIVATE };
	cleanup_fd int here = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; here >= 0 && i < MAX_PARENTS; i++) {
		if (kernel_mount_setattr(here, 0, &attr) == 0)
			return 0;
		if (errno != EINVAL)
			break;
		int parent = openat(here, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		cleanup_close(&here);
		here = parent;
	}
	return fail_at(failure, "make private", "the rootfs' mount");
}

// pivot_root(2) wants a mount, so the directory is mounted on itself, with all that is mounted in it.
int run_rootfs(struct jail *jail, const struct step *step, struct failure *failure)
{
	const char *path = text(step, 0);
	if (default_propagation(step, failure) < 0)
		return -1;
	cleanup_fd int directory = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return fail_at(failure, "rootfs", path);
	if (steps_have(step->steps, "chroot")) {
		jail->root = steal_fd(&directory);
		return 0;
	}
	if (make_mount_private(directory, failure) < 0)
		return -1;
	cleanup_fd int tree = kernel_open_tree(directory, "",
					       KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH | KERNEL_AT_RECURSIVE);
	if (tree < 0 || kernel_move_mount(tree, directory) < 0)
		return fail_at(failure, "bind on itself rootfs", path);
	jail->root = steal_fd(&tree);
	return 0;
}

// The working directory is made here, while the root can still be written; if it cannot, entering it says so later.
static void make_working_directory(struct jail *jail)
{
	struct failure ignored;
	cleanup_fd int cwd = open_in_root(jail->root, jail->cwd, O_DIRECTORY);
	if (cwd < 0 && errno == ENOENT)
		cwd = open_target(jail->root, jail->cwd, TARGET_DIRECTORY, &ignored);
}

// setns(2) into the mount namespace that this process is in already makes the root of that namespace its own. Where
// podwright itself runs in a chroot they differ, and only the root of the namespace may become the container's: who
// joins the container begins there, and who has CAP_SYS_CHROOT gets there.
static int enter_namespace_root(struct failure *failure)
{
	cleanup_fd int self = kernel_pidfd_open(getpid());
	if (self < 0 || setns(self, CLONE_NEWNS) < 0)
		return fail(failure, "cannot enter the root of the mount namespace: %m");
	return 0;
}

int run_pivot_root(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)step;
	if (enter_namespace_root(failure) < 0)
		return -1;
	cleanup_fd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fchdir(jail->root) < 0 || kernel_pivot_root(".", ".") < 0)
		return fail_at(failure, "pivot_root", "rootfs");
	// The old root now lies on top of the new one. Slave first: its removal must not travel to the host.
	if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return fail_at(failure, "unmount", "the old root");
	if (chdir("/") < 0)
		return fail_at(failure, "chdir", "/");
	make_working_directory(jail);
	return 0;
}

int run_chroot(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)step;
	if (fchdir(jail->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fail_at(failure, "chroot", "rootfs");
	make_working_directory(jail);
	return 0;
}

// For a root that pivot_root(2) cannot leave (a ramdisk). The old mounts stay below the new one, where a privileged
// process of the container may find them: so the kernel's own views among them go first.
int run_move_root(struct jail *jail, const struct step *step, struct failure *failure)
{
	if (enter_namespace_root(failure) < 0 || hide_kernel_views(jail->root, failure) < 0)
		return -1;
	if (fchdir(jail->root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return fail_at(failure, "move to /", "rootfs");
	return run_chroot(jail, step, failure);
}
