// SPDX-License-Identifier: Apache-2.0
// The steps of a container's plan: a table of kinds, one check of them all, one loop that carries them out.
#ifndef PODINIT_STEPS_H
#define PODINIT_STEPS_H

#include <sys/types.h>

#include "json.h"
#include "privileges.h"
#include "util.h"

// What the steps work on: the container's first process, from its folder on the host to its own root. Of a process that
// joins a container (exec) only umask, user_namespace and privileges are used.
struct jail {
	int base, root; // the container's folder (of a pod's: rw and rootfs); the container's root, set by its step
	unsigned attempt;
	mode_t umask; // of the container's program; the steps themselves run under 0
	const struct json *lower;
	const char *cwd;
	bool user_namespace; // not the host's: devices are bound, and limits were raised by steps_raise_limits
	int *sources;        // NULL, or what steps_prepare filled in
	size_t source_count;
	int (*hooks)(struct jail *, struct failure *); // the step "hooks"; NULL: it fails
	void *context;                                 // for that
	struct privileges privileges;
	struct {
		int proc, empty;
	} own; // what steps_run opens for itself, when a step needs it: a procfs, an empty read-only directory
};

// Kinds, arguments and order. Without a root, a pivot, capabilities and user a container would not be one; a plan for
// exec has capabilities and user too, and of the steps before them only those of a process, not of a container.
int steps_check(const struct json *steps, bool exec, struct failure *failure);

// In the host's namespaces, before the container's are entered: opens a detached tree for each bind step (with its
// attributes and its ID mapping) and for each device that the host has. `sources` has `count` places, one a step; each
// gets an fd or -1. Needed when the container has a user namespace of its own: what is mounted there cannot be opened
// or mapped from within. Without one, steps_run opens what sources do not hold. On failure nothing stays open.
int steps_prepare(const struct json *steps, int sources[], size_t count, struct failure *failure);

// Likewise in the host's user namespace, on the calling process: the steps rlimit and oom_score_adj, which only there
// may raise. steps_run leaves alone what already has its value.
int steps_raise_limits(const struct json *steps, struct failure *failure);

// Reads the seccomp step's filter from the host's file. steps_run does it first of all when it was not done, but for
// exec, and for a user namespace, the file is out of sight by then.
int steps_read_filter(const struct json *steps, struct privileges *privileges, struct failure *failure);

// In the container's first process, or in the process of an exec. The message names the step: "step 3 mount: proc …".
int steps_run(struct jail *jail, const struct json *steps, struct failure *failure);

#endif
