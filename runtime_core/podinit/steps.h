// SPDX-License-Identifier: Apache-2.0
// The steps of a container's plan: a table of kinds, one check of them all, one loop that carries them out.
#ifndef PODINIT_STEPS_H
#define PODINIT_STEPS_H

#include <sys/types.h>

#include "json.h"
#include "privileges.h"
#include "util.h"

// What the steps work on: the container's first process, from its folder on the host to its own root.
struct jail {
	int base, root;
	unsigned attempt;
	mode_t umask; // of the container's program; the steps themselves run under 0
	const struct json *lower;
	const char *cwd;
	struct privileges privileges;
};

// Kinds, arguments and order. Without overlay, pivot_root, capabilities and user a container would not be one.
int steps_check(const struct json *steps, struct failure *failure);

// In the container's first process. The message names the step: "step 3 mount: proc /proc: …".
int steps_run(struct jail *jail, const struct json *steps, struct failure *failure);

#endif
