// SPDX-License-Identifier: Apache-2.0
// The steps of a container's plan: a table of kinds, one check of them all, one loop that carries them out.
#ifndef PODINIT_STEPS_H
#define PODINIT_STEPS_H

#include <sys/types.h>

#include "json.h"
#include "privileges.h"
#include "util.h"

#define MAX_SOURCES 1024

// What the steps work on: the container's first process, from its folder on the host to its own root.
struct jail {
	int base, root;
	unsigned attempt;
	mode_t umask; // of the container's program; the steps themselves run under 0
	const struct json *lower;
	const char *cwd;
	bool user_namespace;
	int *sources;
	size_t source_count;
	int (*hooks)(struct jail *, struct failure *);
	void *context;
	struct privileges privileges;
};

int steps_check(const struct json *steps, bool exec, struct failure *failure);
bool steps_have_idmap(const struct json *steps);
int steps_prepare(const struct json *steps, int sources[], size_t count, struct failure *failure);
int steps_raise_limits(const struct json *steps, struct failure *failure);
int steps_read_filter(const struct json *steps, struct privileges *privileges, struct failure *failure);

// In the container's first process. The message names the step: "step 3 mount: proc /proc: …".
int steps_run(struct jail *jail, const struct json *steps, struct failure *failure);

#endif
