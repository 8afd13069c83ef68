// SPDX-License-Identifier: Apache-2.0
#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "kernel.h"
#include "paths.h"

#define MAX_DEPTH 128 // each level holds three fds
#define MAX_NAMES 65536 // of extended attributes: the kernel's XATTR_LIST_MAX
#define CHUNK (1 << 20)

static int copy_directory(int from, int to, dev_t device, unsigned depth, struct failure *failure);

// Attributes that the tmpfs or this process cannot have stay behind, as with cp -a.
static int copy_attributes(int from, int to, const char *name, struct failure *failure)
{
	cleanup_free char *names = malloc(MAX_NAMES), *value = malloc(XATTR_SIZE_MAX);
	if (!names || !value)
		return fail(failure, "out of memory");
	ssize_t length = flistxattr(from, names, MAX_NAMES);
	if (length < 0)
		return errno == ENOTSUP ? 0 : fail_at(failure, "list attributes of", name);
	for (const char *next = names; next < names + length; next += strlen(next) + 1) {
		ssize_t size = fgetxattr(from, next, value, XATTR_SIZE_MAX);
		if (size >= 0 && fsetxattr(to, next, value, (size_t)size, 0) == 0)
			continue;
		if (errno != ENOTSUP && errno != EPERM && errno != ENODATA)
			return fail_at(failure, "copy an attribute of", name);
	}
	return 0;
}

// The owner first: a change of owner clears set-user-ID, and the file's capabilities among its attributes.
static int copy_status(int from, int to, const struct stat *status, const char *name, struct failure *failure)
{
	const struct timespec times[] = { status->st_atim, status->st_mtim };
	if (fchown(to, status->st_uid, status->st_gid) < 0 || fchmod(to, status->st_mode & 07777) < 0)
		return fail_at(failure, "set owner and mode of", name);
	if (copy_attributes(from, to, name, failure) < 0)
		return -1;
	return futimens(to, times) < 0 ? fail_at(failure, "set times of", name) : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *status, struct failure *failure)
{
	ssize_t sent;
	cleanup_fd int in = open(fd_path(from).text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	cleanup_fd int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return fail_at(failure, "copy", name);
	while ((sent = sendfile(out, in, NULL, CHUNK)) > 0)
		;
	return sent < 0 ? fail_at(failure, "copy", name) : copy_status(in, out, status, name, failure);
}

static int copy_subdirectory(int from, int to, const char *name, const struct stat *status, unsigned depth,
			     struct failure *failure)
{
	if (depth == MAX_DEPTH)
		return fail(failure, "%.200s lies more than %d directories deep", name, MAX_DEPTH);
	cleanup_fd int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return fail_at(failure, "copy", name);
	cleanup_fd int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return fail_at(failure, "copy", name);
	if (copy_directory(in, out, status->st_dev, depth + 1, failure) < 0)
		return -1;
	return copy_status(in, out, status, name, failure);
}

static int copy_link(int from, int to, const char *name, struct failure *failure)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(from, "", target, sizeof target - 1);
	if (length < 0)
		return fail_at(failure, "copy", name);
	target[length] = '\0';
	return symlinkat(target, to, name) < 0 ? fail_at(failure, "copy", name) : 0;
}

// A device, FIFO or socket; for a device a user namespace has no right, as it has none to use it.
static int copy_node(int to, const char *name, const struct stat *status, struct failure *failure)
{
	if (mknodat(to, name, status->st_mode & (S_IFMT | 07777), status->st_rdev) < 0)
		return fail_at(failure, "copy", name);
	return 0;
}

static int copy_entry(int from, int to, const char *name, dev_t device, unsigned depth, struct failure *failure)
{
	int result;
	struct stat status;
	cleanup_fd int fd = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail_at(failure, "copy", name);
	// Overlay gives other files another device than directories, so only directories tell a mount.
	if (S_ISDIR(status.st_mode) && status.st_dev != device)
		return 0;
	if (S_ISREG(status.st_mode))
		return copy_file(fd, to, name, &status, failure);
	if (S_ISDIR(status.st_mode))
		return copy_subdirectory(fd, to, name, &status, depth, failure);
	result = S_ISLNK(status.st_mode) ? copy_link(fd, to, name, failure) : copy_node(to, name, &status, failure);
	if (result == 0 && fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_at(failure, "set owner of", name);
	return result;
}

// Takes the stream's own fd, so that `from` keeps its place.
static int copy_directory(int from, int to, dev_t device, unsigned depth, struct failure *failure)
{
	int result = 0, fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		cleanup_close(&fd);
		return fail_at(failure, "read", "a directory");
	}
	for (struct dirent *entry; result == 0 && (entry = readdir(stream));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = copy_entry(from, to, entry->d_name, device, depth, failure);
	closedir(stream);
	return result;
}

static bool is_given(const struct json *parameters, const char *key)
{
	for (const struct json *item = parameters->child; item; item = item->next)
		if (strncmp(item->string, key, strlen(key)) == 0)
			return true;
	return false;
}

int copy_up(int from, int to, const struct json *parameters, struct failure *failure)
{
	struct stat status, fresh;
	struct failure reason;
	cleanup_fd int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in < 0 || out < 0 || fstat(in, &status) < 0 || fstat(out, &fresh) < 0)
		return fail_at(failure, "copy up", "the target");
	if (copy_directory(in, out, status.st_dev, 0, &reason) < 0)
		return fail(failure, "copy up: %.400s", reason.reason);
	status.st_mode = is_given(parameters, "mode=") ? fresh.st_mode : status.st_mode;
	status.st_uid = is_given(parameters, "uid=") ? fresh.st_uid : status.st_uid;
	status.st_gid = is_given(parameters, "gid=") ? fresh.st_gid : status.st_gid;
	return copy_status(in, out, &status, "the target", failure);
}
