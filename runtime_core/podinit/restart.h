// SPDX-License-Identifier: Apache-2.0
// When a container that ended starts again (Kubernetes: Pod Lifecycle, "Container restart policy").
#ifndef PODINIT_RESTART_H
#define PODINIT_RESTART_H

#include "plan.h"

struct backoff {
	bool restarted; // the first restart is immediate
	int64_t delay;  // before the last restart, ms
};

bool restart_wanted(const struct member *member, int exit_code);
// Milliseconds to wait from the end of a container that ran for `ran` ms.
int64_t backoff_next(struct backoff *backoff, const struct backoff_plan *plan, int64_t ran);
void backoff_text(int64_t delay, char text[static 16]); // as Go prints a duration: "500ms", "40s", "1m20s"

#endif
