// SPDX-License-Identifier: Apache-2.0
// The steps that make nodes and links. Nothing in the image may lead them elsewhere: the parent is opened inside of the
// root, and the last component is never followed.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel.h"
#include "paths.h"
#include "step.h"

#define MAX_MAJOR 0xfff
#define MAX_MINOR 0xfffff

struct device {
	const char *path;
	mode_t type, mode;
	dev_t number;
	uid_t uid;
	gid_t gid;
};

static int read_device(const struct step *step, struct device *device, struct failure *failure)
{
	const char *kind = text(step, 0), *path = text(step, 1);
	if (strlen(kind) != 1 || !strchr("cbp", kind[0]))
		return fail(failure, "%.300s: kind %.16s is none of c, b, p", path, kind);
	if (number(step, 2) > MAX_MAJOR || number(step, 3) > MAX_MINOR)
		return fail(failure, "%.300s: no such device number", path);
	if (number(step, 4) > 07777 || number(step, 5) >= UINT32_MAX || number(step, 6) >= UINT32_MAX)
		return fail(failure, "%.300s: no such mode, user ID or group ID", path);
	*device = (struct device){
		.path = path,
		.type = kind[0] == 'c' ? S_IFCHR : kind[0] == 'b' ? S_IFBLK : S_IFIFO,
		.mode = (mode_t)number(step, 4),
		.number = kind[0] == 'p' ? 0 : makedev((unsigned)number(step, 2), (unsigned)number(step, 3)),
		.uid = (uid_t)number(step, 5),
		.gid = (gid_t)number(step, 6),
	};
	return 0;
}

int check_device(const struct step *step, struct failure *failure)
{
	struct device device;
	return read_device(step, &device, failure);
}

static bool is_device(int fd, const struct device *device)
{
	struct stat status;
	return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == device->type &&
		(device->type == S_IFIFO || status.st_rdev == device->number);
}

static int make_node(int parent, const char *name, const struct device *device, struct failure *failure)
{
	bool fresh = mknodat(parent, name, device->type, device->number) == 0; // no mode yet: nobody opens it before
	if (!fresh && errno != EEXIST)
		return fail_at(failure, "mknod", device->path);
	cleanup_fd int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_at(failure, "open", device->path);
	if (!is_device(fd, device))
		return fail(failure, "%.300s exists and is not this device", device->path);
	// An existing one may be the host's own, in a bound /dev: it stays as it is.
	if (fresh && (fchownat(fd, "", device->uid, device->gid, AT_EMPTY_PATH) < 0 ||
		      chmod(fd_path(fd).text, device->mode) < 0))
		return fail_at(failure, "set mode and owner of", device->path);
	return 0;
}

// A user namespace cannot make devices, but the host's node can be mounted on an empty file.
static int bind_node(int parent, const char *name, const struct device *device, int tree, struct failure *failure)
{
	struct stat status;
	int file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0 && errno != EEXIST)
		return fail_at(failure, "make", device->path);
	cleanup_close(&file);
	cleanup_fd int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail_at(failure, "open", device->path);
	if (is_device(fd, device))
		return 0;
	if (!S_ISREG(status.st_mode))
		return fail(failure, "%.300s exists and is not this device", device->path);
	if (tree < 0 || !is_device(tree, device))
		return fail(failure, "%.300s: the host has no such device, and a user namespace cannot make one",
			    device->path);
	return kernel_move_mount(tree, fd) < 0 ? fail_at(failure, "bind the host's", device->path) : 0;
}

// The host's name for a device that it keeps under another path.
static int find_on_host(const struct device *device, char path[static PATH_MAX])
{
	char file[64];
	size_t length;
	struct failure ignored;
	const char *kind = device->type == S_IFCHR ? "char" : "block";
	snprintf(file, sizeof file, "/sys/dev/%s/%u:%u/uevent", kind, major(device->number), minor(device->number));
	cleanup_free char *event = read_file(AT_FDCWD, file, 4096, &length, &ignored);
	const char *name = event ? strstr(event, "DEVNAME=") : NULL;
	if (!name)
		return -1;
	name += strlen("DEVNAME=");
	return snprintf(path, PATH_MAX, "/dev/%.*s", (int)strcspn(name, "\n"), name) < PATH_MAX ? 0 : -1;
}

static int open_on_host(const char *path, const struct device *device)
{
	cleanup_fd int tree = kernel_open_tree(AT_FDCWD, path, KERNEL_OPEN_TREE_CLONE);
	return tree >= 0 && is_device(tree, device) ? steal_fd(&tree) : -1;
}

// A device that the host does not have matters only where it is bound, so that is where it is an error.
int prepare_device(const struct step *step, struct failure *failure)
{
	char path[PATH_MAX];
	struct device device;
	if (read_device(step, &device, failure) < 0)
		return -1;
	if (device.type == S_IFIFO)
		return NO_SOURCE;
	int tree = open_on_host(device.path, &device);
	if (tree < 0 && find_on_host(&device, path) == 0)
		tree = open_on_host(path, &device);
	return tree < 0 ? NO_SOURCE : tree;
}

int run_device(struct jail *jail, const struct step *step, struct failure *failure)
{
	const char *name;
	struct device device;
	if (read_device(step, &device, failure) < 0)
		return -1;
	cleanup_fd int parent = open_parent(jail->root, device.path, &name, failure);
	if (parent < 0)
		return -1;
	if (!jail->user_namespace || device.type == S_IFIFO)
		return make_node(parent, name, &device, failure);
	cleanup_fd int opened = step->source < 0 ? prepare_device(step, failure) : -1;
	return bind_node(parent, name, &device, step->source < 0 ? opened : step->source, failure);
}

int run_symlink(struct jail *jail, const struct step *step, struct failure *failure)
{
	char found[PATH_MAX];
	const char *name, *content = text(step, 0), *path = text(step, 1);
	cleanup_fd int parent = open_parent(jail->root, path, &name, failure);
	if (parent < 0)
		return -1;
	if (symlinkat(content, parent, name) == 0)
		return 0;
	int reason = errno;
	ssize_t length = readlinkat(parent, name, found, sizeof found);
	if (reason == EEXIST && length == (ssize_t)strlen(content) && memcmp(found, content, (size_t)length) == 0)
		return 0;
	errno = reason;
	return fail_at(failure, "symlink", path);
}
