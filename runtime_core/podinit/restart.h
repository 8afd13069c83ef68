// SPDX-License-Identifier: Apache-2.0
// When a container that ended starts again (Kubernetes: Pod Lifecycle, "Container restart policy").
#ifndef PODINIT_RESTART_H
#define PODINIT_RESTART_H

#include "plan.h"

struct backoff {
	bool failed_before; // the first restart is immediate
	int seconds;        // the last delay
};

bool restart_wanted(enum restart_policy policy, int exit_code);
int backoff_next(struct backoff *backoff, int64_t ran_seconds); // seconds to wait: 0, 10, 20, … 300
void backoff_text(int seconds, char text[static 16]);           // as Go prints a duration: "40s", "1m20s"

#endif
