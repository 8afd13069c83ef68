// SPDX-License-Identifier: Apache-2.0
#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "kernel.h"
#include "namespaces.h"
#include "procfs.h"

#define MAX_EXTENTS 340 // the kernel's

static int check_mappings(const struct json *idmap, const char *key, struct failure *failure)
{
	const struct json *list;
	int64_t ignored;
	if (json_list(idmap, key, &list, failure) < 0)
		return -1;
	if (list->count == 0 || list->count > MAX_EXTENTS)
		return fail(failure, "idmap %s has %zu mappings, 1 to %d are possible", key, list->count, MAX_EXTENTS);
	for (const struct json *item = list->child; item; item = item->next) {
		if (item->type != JSON_ARRAY || item->count != 3)
			return fail(failure, "idmap %s: a mapping is not three numbers", key);
		for (const struct json *value = item->child; value; value = value->next)
			if (!json_in_range(value, 0, UINT32_MAX, &ignored))
				return fail(failure, "idmap %s: a mapping is not three numbers", key);
	}
	return 0;
}

int idmap_check(const struct json *idmap, struct failure *failure)
{
	static const char *const known[] = { "uid", "gid", "recursive", NULL };
	if (idmap->type != JSON_OBJECT)
		return fail(failure, "idmap is not an object");
	if (json_only(idmap, known, failure) < 0 || check_mappings(idmap, "uid", failure) < 0)
		return -1;
	return check_mappings(idmap, "gid", failure);
}

static int write_map(int proc, pid_t pid, const struct json *idmap, const char *key, struct failure *failure)
{
	char path[64];
	struct buffer map = { 0 };
	for (const struct json *item = json_get(idmap, key)->child; item; item = item->next) {
		const struct json *from = item->child, *to = from->next, *size = to->next;
		buffer_print(&map, "%llu %llu %llu\n", (unsigned long long)from->magnitude,
			     (unsigned long long)to->magnitude, (unsigned long long)size->magnitude);
	}
	buffer_add(&map, "", 1);
	snprintf(path, sizeof path, "%d/%s_map", (int)pid, key);
	int result = map.failed ? fail(failure, "out of memory") : procfs_write(proc, path, map.data, failure);
	buffer_free(&map);
	return result;
}

static int open_namespace(pid_t pid, const struct json *idmap, struct failure *failure)
{
	char path[64];
	cleanup_fd int proc = procfs_open(failure);
	if (proc < 0 || write_map(proc, pid, idmap, "uid", failure) < 0 ||
	    write_map(proc, pid, idmap, "gid", failure) < 0)
		return -1;
	snprintf(path, sizeof path, "%d/ns/user", (int)pid);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fail_at(failure, "open /proc", path) : fd;
}

// A user namespace needs a process while its maps are written: a child that ends when the pipe's other end is closed.
static int make_namespace(const struct json *idmap, struct failure *failure)
{
	char byte;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_at(failure, "make", "a pipe");
	pid_t pid = kernel_clone(CLONE_NEWUSER, NULL);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	int fd = pid < 0 ? namespaces_refused(CLONE_NEWUSER, "a user namespace", failure) : open_namespace(pid, idmap, failure);
	close(ends[0]);
	close(ends[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

int idmap_tree(int tree, const struct json *idmap, struct failure *failure)
{
	const struct json *recursive = json_get(idmap, "recursive");
	unsigned flags = recursive && recursive->type == JSON_TRUE ? KERNEL_AT_RECURSIVE : 0;
	cleanup_fd int namespace = make_namespace(idmap, failure);
	if (namespace < 0)
		return -1;
	struct kernel_mount_attr attr = { .attr_set = KERNEL_ATTR_IDMAP, .userns_fd = (uint64_t)namespace };
	if (kernel_mount_setattr(tree, flags, &attr) < 0)
		return fail_at(failure, "map the IDs of", "the source (can its file system do that?)");
	return 0;
}
