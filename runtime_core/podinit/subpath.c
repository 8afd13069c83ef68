// SPDX-License-Identifier: Apache-2.0
#include "subpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel.h"
#include "paths.h"

#define FOLDER "subpaths"
#define MAX_TRIES 128 // openat2 asks for a retry when someone renames meanwhile
#define KEPT_MODE 02777

static int open_beneath(int volume, const char *path)
{
	struct kernel_open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_BENEATH | KERNEL_RESOLVE_NO_MAGICLINKS,
	};
	int fd = -1;
	for (int i = 0; i < MAX_TRIES; i++) {
		fd = kernel_openat2(volume, path, &how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

// The umask does not matter, and the group is the one that the directory above hands down.
static int make_directory(int parent, const char *name, mode_t mode)
{
	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? 0 : -1; // somebody else's, or a link that leads nowhere
	cleanup_fd int made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return made < 0 ? -1 : fchmod(made, mode);
}

// Each part is looked up from the volume: so a link in it may lead anywhere inside, and nowhere else.
static int open_or_make(int volume, const char *path, mode_t mode)
{
	char done[PATH_MAX];
	if (strlen(path) >= sizeof done) {
		errno = ENAMETOOLONG;
		return -1;
	}
	cleanup_fd int here = openat(volume, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t start = 0, end = 0; here >= 0 && path[start]; start = end + strspn(path + end, "/")) {
		end = start + strcspn(path + start, "/");
		memcpy(done, path, end);
		done[end] = '\0';
		int next = open_beneath(volume, done);
		if (next < 0 && errno == ENOENT && make_directory(here, done + start, mode) == 0)
			next = open_beneath(volume, done);
		cleanup_close(&here);
		here = next;
	}
	return here < 0 ? -1 : steal_fd(&here);
}

static int open_inside(const char *volume_path, const char *path, struct failure *failure)
{
	struct stat status;
	cleanup_fd int volume = open(volume_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (volume < 0 || fstat(volume, &status) < 0)
		return fail_at(failure, "open the volume", volume_path);
	int fd = open_or_make(volume, path, status.st_mode & KEPT_MODE);
	if (fd < 0 && errno == EXDEV)
		return fail(failure, "%.300s leads out of the volume", path);
	return fd < 0 ? fail_at(failure, "open", path) : fd;
}

static int make_mount_point(int folder, const char *name, int source)
{
	struct stat status;
	if (fstat(source, &status) < 0)
		return -1;
	if (S_ISDIR(status.st_mode))
		return mkdirat(folder, name, 0700) < 0 ? -1 : openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return openat(folder, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int mount_row(int folder, const struct json *row, unsigned index, struct failure *failure)
{
	char name[16];
	snprintf(name, sizeof name, "%u", index);
	cleanup_fd int inside = open_inside(row->child->string, row->child->next->string, failure);
	if (inside < 0)
		return -1;
	cleanup_fd int tree = kernel_open_tree(inside, "", KERNEL_OPEN_TREE_CLONE | KERNEL_AT_EMPTY_PATH);
	cleanup_fd int target = make_mount_point(folder, name, inside);
	if (tree < 0 || target < 0 || kernel_move_mount(tree, target) < 0)
		return fail_at(failure, "mount", row->child->next->string);
	return 0;
}

// The mount points are in memory, gone with the mount namespace.
static int open_folder(int base, struct failure *failure)
{
	if (make_dir(base, FOLDER, failure) < 0)
		return -1;
	cleanup_fd int below = openat(base, FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0 ||
	    mount(FOLDER, fd_path(below).text, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700,size=64k") < 0)
		return fail_at(failure, "mount tmpfs on", FOLDER);
	int folder = openat(base, FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return folder < 0 ? fail_at(failure, "open", FOLDER) : folder;
}

int subpaths_mount(int base, const struct json *rows, struct failure *failure)
{
	unsigned index = 0;
	struct failure reason;
	if (rows->count == 0)
		return 0;
	cleanup_fd int folder = open_folder(base, failure);
	if (folder < 0)
		return -1;
	for (const struct json *row = rows->child; row; row = row->next)
		if (mount_row(folder, row, index++, &reason) < 0)
			return fail(failure, "subPath of volume %.200s: %.400s", row->child->string, reason.reason);
	return 0;
}
