// SPDX-License-Identifier: Apache-2.0
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

// In the order in which they are joined when there is a user namespace to join: see namespaces_join.
static const struct {
	const char *name, *file; // file: below /proc/PID/ns
	uint64_t flag;
} types[NAMESPACE_TYPES] = {
	{ "user", "user", CLONE_NEWUSER },  { "ipc", "ipc", CLONE_NEWIPC },	 { "uts", "uts", CLONE_NEWUTS },
	{ "network", "net", CLONE_NEWNET }, { "pid", "pid", CLONE_NEWPID }, { "cgroup", "cgroup", CLONE_NEWCGROUP },
	{ "time", "time", CLONE_NEWTIME }, { "mount", "mnt", CLONE_NEWNS },
};

static int find_type(const char *name)
{
	for (int i = 0; i < NAMESPACE_TYPES; i++)
		if (strcmp(types[i].name, name) == 0)
			return i;
	return -1;
}

static int open_namespace(const char *path, int type, struct failure *failure)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fail_at(failure, "namespace", path);
	int found = ioctl(fd, NS_GET_NSTYPE);
	if (found < 0 || (uint64_t)found != types[type].flag)
		return fail(failure, "namespace %.300s is not of type %s", path, types[type].name);
	return steal_fd(&fd);
}

int namespaces_open(struct namespaces *namespaces, const struct json *list, struct failure *failure)
{
	uint64_t seen = 0;
	namespaces->create = 0;
	for (int i = 0; i < NAMESPACE_TYPES; i++)
		namespaces->joined[i] = -1;
	for (const struct json *item = list->child; item; item = item->next) {
		const struct json *name = item->child, *path = name ? name->next : NULL;
		if (item->type != JSON_ARRAY || item->count != 2 || name->type != JSON_STRING || path->type != JSON_STRING)
			return fail(failure, "namespaces: an entry is no pair of type and path");
		int type = find_type(name->string);
		if (type < 0 || seen & types[type].flag)
			return fail(failure, "namespaces: %.40s is %s", name->string, type < 0 ? "no type" : "there twice");
		seen |= types[type].flag;
		if (path->string[0] == '\0')
			namespaces->create |= types[type].flag;
		else if ((namespaces->joined[type] = open_namespace(path->string, type, failure)) < 0)
			return -1;
	}
	return 0;
}

bool namespaces_has(const struct namespaces *namespaces, uint64_t flag)
{
	for (int i = 0; i < NAMESPACE_TYPES; i++)
		if (types[i].flag == flag && namespaces->joined[i] >= 0)
			return true;
	return namespaces->create & flag;
}

bool namespaces_joins(const struct namespaces *namespaces)
{
	for (int i = 0; i < NAMESPACE_TYPES; i++)
		if (namespaces->joined[i] >= 0)
			return true;
	return false;
}

// Some belong to the host's user namespace and can only be joined from it, others to the container's and only from
// there: so all are tried, then the user namespace is joined, then those are tried that refused.
int namespaces_join(const struct namespaces *namespaces, struct failure *failure)
{
	bool done[NAMESPACE_TYPES] = { false };
	for (int i = 1; namespaces->joined[0] >= 0 && i < NAMESPACE_TYPES; i++)
		done[i] = namespaces->joined[i] >= 0 && setns(namespaces->joined[i], (int)types[i].flag) == 0;
	for (int i = 0; i < NAMESPACE_TYPES; i++)
		if (!done[i] && namespaces->joined[i] >= 0 && setns(namespaces->joined[i], (int)types[i].flag) < 0)
			return fail_at(failure, "join namespace", types[i].name);
	return 0;
}

int namespaces_new_time(const struct json *offsets, struct failure *failure)
{
	char line[80];
	if (unshare(CLONE_NEWTIME) < 0)
		return fail_at(failure, "unshare", "time namespace");
	for (const struct json *item = offsets->child; item; item = item->next) {
		const struct json *clock = item->child, *seconds = clock->next;
		snprintf(line, sizeof line, "%.20s %s%llu %llu", clock->string, seconds->negative ? "-" : "",
			 (unsigned long long)seconds->magnitude, (unsigned long long)seconds->next->magnitude);
		if (write_file(AT_FDCWD, "/proc/self/timens_offsets", line, failure) < 0)
			return -1;
	}
	return 0;
}

// One write: the kernel takes a map once and whole.
static int write_map(pid_t pid, const char *file, const struct json *map, struct failure *failure)
{
	char path[48];
	struct buffer text = { 0 };
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	for (const struct json *item = map->child; item; item = item->next) {
		const struct json *inside = item->child, *outside = inside->next;
		buffer_print(&text, "%llu %llu %llu\n", (unsigned long long)inside->magnitude,
			     (unsigned long long)outside->magnitude, (unsigned long long)outside->next->magnitude);
	}
	buffer_add(&text, "", 1);
	int result = text.failed ? fail(failure, "out of memory") : write_file(AT_FDCWD, path, text.data, failure);
	buffer_free(&text);
	return result;
}

int namespaces_map(pid_t pid, const struct json *uids, const struct json *gids, struct failure *failure)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
	if (geteuid() != 0 && write_file(AT_FDCWD, path, "deny", failure) < 0)
		return -1;
	if (write_map(pid, "gid_map", gids, failure) < 0)
		return -1;
	return write_map(pid, "uid_map", uids, failure);
}

uint64_t namespaces_of(int proc, pid_t pid, struct failure *failure)
{
	uint64_t flags = 0;
	for (int i = 0; i < NAMESPACE_TYPES; i++) {
		struct stat own, other;
		char path[64];
		snprintf(path, sizeof path, "self/ns/%s", types[i].file);
		if (fstatat(proc, path, &own, 0) < 0)
			continue; // this kernel has no such namespaces
		snprintf(path, sizeof path, "%d/ns/%s", pid, types[i].file);
		if (fstatat(proc, path, &other, 0) < 0) {
			fail_at(failure, "namespaces of process", path);
			return 0;
		}
		if (own.st_dev != other.st_dev || own.st_ino != other.st_ino)
			flags |= types[i].flag;
	}
	return flags;
}

int namespaces_refused(uint64_t flags, const char *what, struct failure *failure)
{
	bool by_chroot = errno == EPERM && flags & CLONE_NEWUSER; // user_namespaces(7); all else that gives it has a name
	return fail(failure, "clone %s: %m%s", what,
		    by_chroot ? " (in a chroot the kernel makes no user namespace)" : "");
}
