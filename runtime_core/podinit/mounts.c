// SPDX-License-Identifier: Apache-2.0
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "kernel.h"
#include "paths.h"

#define MAX_LOWER 128

const unsigned long mount_flags_allowed = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC |
	MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;
const unsigned long bind_flags_allowed = MS_BIND | MS_REC | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

bool mount_type_allowed(const char *type)
{
	static const char *const types[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2" };
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

struct fd_path {
	char text[32];
};

static struct fd_path fd_path(int fd)
{
	struct fd_path path;
	snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
	return path;
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

// mount(2)'s data is one page, and a layer's path 90 bytes: so each directory is named by its fd.
static int overlay_options(const struct json *lower, int layers[static MAX_LOWER], struct buffer *options,
			   struct failure *failure)
{
	buffer_print(options, "lowerdir=");
	for (const struct json *item = lower->child; item; item = item->next, layers++) {
		*layers = open(item->string, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*layers < 0)
			return fail_at(failure, "layer", item->string);
		buffer_print(options, "%s%s", item == lower->child ? "" : ":", fd_path(*layers).text);
	}
	return 0;
}

int mount_overlay(int base, unsigned attempt, const struct json *lower, struct failure *failure)
{
	int layers[MAX_LOWER];
	struct statfs status;
	struct buffer options = { 0 };
	if (lower->count == 0 || lower->count > MAX_LOWER)
		return fail(failure, "lower has %zu layers, 1 to %d are possible", lower->count, MAX_LOWER);
	cleanup_fd int rw = make_writable_layer(base, attempt, lower->child->string, failure);
	cleanup_fd int target = openat(base, "rootfs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rw < 0)
		return -1;
	for (size_t i = 0; i < MAX_LOWER; i++)
		layers[i] = -1;
	int result = target < 0 ? fail_at(failure, "open", "rootfs") : overlay_options(lower, layers, &options, failure);
	// The layer never outlives this start, so nothing in it is worth a sync of the host's disk: volatile.
	buffer_print(&options, ",upperdir=%s/%u/upper", fd_path(rw).text, attempt);
	buffer_print(&options, ",workdir=%s/%u/work,volatile", fd_path(rw).text, attempt);
	buffer_add(&options, "", 1);
	if (result == 0 && options.failed)
		result = fail(failure, "out of memory");
	if (result == 0 && mount("overlay", fd_path(target).text, "overlay", 0, options.data) < 0)
		result = fail_at(failure, "mount overlay on", "rootfs");
	for (size_t i = 0; i < MAX_LOWER; i++)
		cleanup_close(&layers[i]);
	buffer_free(&options);
	if (result < 0)
		return -1;
	cleanup_fd int root = openat(base, "rootfs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0 || fstatfs(root, &status) < 0 || status.f_type != OVERLAYFS_SUPER_MAGIC)
		return fail(failure, "rootfs is not the overlay just mounted");
	return steal_fd(&root);
}

// A target below /proc would let a mount stand in for one of its files (CVE-2019-16884).
static int open_mount_target(int root, const char *target, enum target kind, struct failure *failure)
{
	struct statfs status;
	cleanup_fd int fd = open_target(root, target, kind, failure);
	if (fd < 0)
		return -1;
	if (fstatfs(fd, &status) < 0)
		return fail_at(failure, "statfs", target);
	if (status.f_type == PROC_SUPER_MAGIC)
		return fail(failure, "target %.300s is inside /proc", target);
	return steal_fd(&fd);
}

int mount_new(int root, const char *type, const char *source, const char *target, unsigned long flags, const char *data,
	      struct failure *failure)
{
	bool kernel_view = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0; // CVE-2019-19921: never through a link
	cleanup_fd int fd =
		open_mount_target(root, target, kernel_view ? TARGET_REAL_DIRECTORY : TARGET_DIRECTORY, failure);
	if (fd < 0)
		return -1;
	if (mount(source, fd_path(fd).text, type, flags, data[0] ? data : NULL) < 0)
		return fail_at(failure, type, target);
	return 0;
}

int mount_bind(int root, const char *source, const char *target, unsigned long flags, struct failure *failure)
{
	struct stat status;
	unsigned recursive = flags & MS_REC ? KERNEL_AT_RECURSIVE : 0;
	struct kernel_mount_attr attr = {
		.attr_set = (flags & MS_RDONLY ? KERNEL_ATTR_RDONLY : 0) | (flags & MS_NOSUID ? KERNEL_ATTR_NOSUID : 0) |
			(flags & MS_NODEV ? KERNEL_ATTR_NODEV : 0) | (flags & MS_NOEXEC ? KERNEL_ATTR_NOEXEC : 0),
		.propagation = MS_PRIVATE,
	};
	cleanup_fd int tree = kernel_open_tree(AT_FDCWD, source, KERNEL_OPEN_TREE_CLONE | recursive);
	if (tree < 0 || fstat(tree, &status) < 0 || kernel_mount_setattr(tree, recursive, &attr) < 0)
		return fail_at(failure, "source", source);
	cleanup_fd int fd =
		open_mount_target(root, target, S_ISDIR(status.st_mode) ? TARGET_DIRECTORY : TARGET_FILE, failure);
	if (fd < 0)
		return -1;
	return kernel_move_mount(tree, fd) < 0 ? fail_at(failure, "bind", target) : 0;
}

int mount_pivot(int root, struct failure *failure)
{
	cleanup_fd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fchdir(root) < 0 || kernel_pivot_root(".", ".") < 0)
		return fail_at(failure, "pivot_root", "rootfs");
	// The old root now lies on top of the new one. Slave first: its removal must not travel to the host.
	if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return fail_at(failure, "unmount", "the old root");
	return chdir("/") < 0 ? fail_at(failure, "chdir", "/") : 0;
}

// -1 for a path that is not there, with *missing set.
static int open_existing(int root, const char *path, bool *missing, struct failure *failure)
{
	int fd = open_in_root(root, path, 0);
	*missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
	return fd < 0 ? fail_at(failure, "open", path) : fd;
}

int mount_readonly(int root, const char *path, struct failure *failure)
{
	bool missing;
	struct kernel_mount_attr attr = { .attr_set = KERNEL_ATTR_RDONLY }; // nosuid, nodev, noexec stay as they are
	cleanup_fd int fd = open_existing(root, path, &missing, failure);
	if (fd < 0)
		return missing ? 0 : -1;
	cleanup_fd int tree =
		kernel_open_tree(fd, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH | KERNEL_AT_RECURSIVE);
	if (tree < 0 || kernel_mount_setattr(tree, KERNEL_AT_RECURSIVE, &attr) < 0 || kernel_move_mount(tree, fd) < 0)
		return fail_at(failure, "make read-only", path);
	return 0;
}

static int new_file_system(const char *type, const char *option, const char *value, unsigned attributes)
{
	cleanup_fd int fs = kernel_fsopen(type);
	if (fs < 0 || (option && kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_STRING, option, value) < 0) ||
	    kernel_fsconfig(fs, KERNEL_FSCONFIG_CREATE, NULL, NULL) < 0)
		return -1;
	return kernel_fsmount(fs, attributes | KERNEL_ATTR_NOSUID | KERNEL_ATTR_NODEV | KERNEL_ATTR_NOEXEC);
}

int mount_mask(int root, const char *path, struct failure *failure)
{
	bool missing;
	struct stat status;
	cleanup_fd int cover = -1;
	cleanup_fd int fd = open_existing(root, path, &missing, failure);
	if (fd < 0)
		return missing ? 0 : -1;
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
		cover = new_file_system("tmpfs", "nr_inodes", "1", KERNEL_ATTR_RDONLY);
	} else {
		cleanup_fd int null = open_in_root(root, "/dev/null", O_NOFOLLOW);
		if (null < 0 || !is_null_device(null)) // CVE-2025-31133
			return fail(failure, "cannot mask %.300s: /dev/null is not the null device", path);
		cover = kernel_open_tree(null, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH);
	}
	if (cover < 0 || kernel_move_mount(cover, fd) < 0)
		return fail_at(failure, "mask", path);
	return 0;
}

int mount_root_readonly(int root, struct failure *failure)
{
	struct kernel_mount_attr attr = { .attr_set = KERNEL_ATTR_RDONLY };
	return kernel_mount_setattr(root, 0, &attr) < 0 ? fail_at(failure, "make read-only", "/") : 0;
}

int mount_proc_write(const char *path, const char *text, struct failure *failure)
{
	struct kernel_open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_IN_ROOT | KERNEL_RESOLVE_NO_MAGICLINKS,
	};
	cleanup_fd int proc = new_file_system("proc", NULL, NULL, 0);
	cleanup_fd int fd = proc < 0 ? -1 : kernel_openat2(proc, path, &how);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return fail_at(failure, "write /proc", path);
	return 0;
}
