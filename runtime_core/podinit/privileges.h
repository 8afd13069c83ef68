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
	struct sock_fprog filter; // no filter: a NULL pointer
	unsigned filter_flags;
	const char *listener_path, *listener_metadata;
};

// From a "capabilities" step's object, all five sets as hexadecimal strings.
int privileges_read_sets(struct privileges *privileges, const struct json *sets, struct failure *failure);

// Reads a filter: an array of struct sock_filter, owned by root and writable by nobody else.
int privileges_read_filter(struct privileges *privileges, const char *path, struct failure *failure);

// After success nothing is left to do but execve; after failure the process must exit. Stands in the container's root.
int privileges_apply(const struct privileges *privileges, const char *cwd, struct failure *failure);

// The filter is loaded as the last act, unless the process may gain privileges: then that needed CAP_SYS_ADMIN above.
int privileges_load_filter(const struct privileges *privileges, struct failure *failure);

#endif
