// SPDX-License-Identifier: Apache-2.0
// The namespaces of a container: which are made new, which are joined by path, and what a new user namespace maps.
#ifndef PODINIT_NAMESPACES_H
#define PODINIT_NAMESPACES_H

#include <sys/types.h>

#include "json.h"

#define NAMESPACE_TYPES 8

struct namespaces {
	uint64_t create;             // CLONE_NEW* flags
	int joined[NAMESPACE_TYPES]; // open files of those that are joined, -1; in the order of namespaces.c's table
};

// What the plan's list asks for; opens every path and checks its type, before anything is joined.
int namespaces_open(struct namespaces *namespaces, const struct json *list, struct failure *failure);
bool namespaces_has(const struct namespaces *namespaces, uint64_t flag); // it is new, or joined
bool namespaces_joins(const struct namespaces *namespaces);

// Joins them. The caller's own pid and time namespace do not change, only its children's.
int namespaces_join(const struct namespaces *namespaces, struct failure *failure);

// Makes a time namespace for the caller's children, with these offsets ([clock, seconds, nanoseconds], …).
int namespaces_new_time(const struct json *offsets, struct failure *failure);

// Writes the maps of a process that waits in its new user namespace ([inside, outside, size], …).
int namespaces_map(pid_t pid, const struct json *uids, const struct json *gids, struct failure *failure);

// After a clone with these flags failed: says so, and where that is the reason, that a chroot is.
int namespaces_refused(uint64_t flags, const char *what, struct failure *failure);

// The flags for setns(2) with the pidfd of `pid`: the namespaces that differ from the caller's. 0 and a failure: none.
uint64_t namespaces_of(int proc, pid_t pid, struct failure *failure);

#endif
