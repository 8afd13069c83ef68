// SPDX-License-Identifier: Apache-2.0
// The plans that podinit carries out, read and checked whole before anything is done: an unknown field is refused.
#ifndef PODINIT_PLAN_H
#define PODINIT_PLAN_H

#include "json.h"
#include "net.h"
#include "util.h"

#define MAX_CONTAINERS 16
#define MAX_GRACE 86400 // seconds
#define NAME_SIZE 64    // an RFC 1123 label and its NUL

enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

// The strings of both belong to the document.
struct sandbox_plan {
	struct json_document document;
	const char *uid, *name, *namespace, *hostname;
	enum restart_policy restart;
	int64_t grace, shm_size;
	const struct json *cgroups, *containers, *memory_volumes;
	bool networked;
	struct net_config network;
};

struct container_plan {
	struct json_document document;
	const char *name, *hash, *cwd;
	char **args, **env;
	int64_t stop_signal;
	const struct json *cgroups, *lower, *steps;
	const char *oom_file, *oom_key; // NULL: nothing counts them
};

int sandbox_plan_read(struct sandbox_plan *plan, int pod_dir, struct failure *failure);
int container_plan_read(struct container_plan *plan, int base, const char *name, struct failure *failure);
void container_plan_free(struct container_plan *plan);

#endif
