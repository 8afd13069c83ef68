// SPDX-License-Identifier: Apache-2.0
// Who a container's first process becomes: collected from the plan's steps, then given up all at once and for good.
#ifndef PODINIT_PRIVILEGES_H
#define PODINIT_PRIVILEGES_H

#include <linux/filter.h>

#include "json.h"
#include "util.h"

#define MAX_GROUPS 256

struct privileges {
	uint64_t bounding, effective, permitted, inheritable, ambient;
	uid_t uid;
	gid_t gid;
	size_t group_count;
	gid_t groups[MAX_GROUPS];
	bool no_new_privileges;
	bool keep_groups;         // there are none to set, and the user namespace denies setgroups(2)
	struct sock_fprog filter; // no filter: a NULL pointer
	unsigned filter_flags;    // SECCOMP_FILTER_FLAG_*
	const char *listener_path, *listener_metadata; // NULL or empty: nobody listens
};

// From a "capabilities" step's object, all five sets as hexadecimal strings.
int privileges_read_sets(struct privileges *privileges, const struct json *sets, struct failure *failure);

// Reads a filter: an array of struct sock_filter, owned by root and writable by nobody else.
int privileges_read_filter(struct privileges *privileges, const char *path, struct failure *failure);

// Makes the process who it becomes; after failure it must exit. Stands in the container's root. With no_new_privileges
// the result is 0 and privileges_load_filter is left to do, as the last act before execve. Without, loading the filter
// needs a capability that the container may lack, so it was loaded on the way: the result is that of
// privileges_load_filter. Then nothing is left to do but execve.
int privileges_apply(const struct privileges *privileges, const char *cwd, struct failure *failure);

// -1 on failure; 0: no filter, or a filter that nobody listens to; above 0: the listener's fd, close-on-exec.
int privileges_load_filter(const struct privileges *privileges, struct failure *failure);

#endif
