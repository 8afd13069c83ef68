// SPDX-License-Identifier: Apache-2.0
#include "restart.h"

#define FIRST_DELAY 10
#define LAST_DELAY 300
#define HEALTHY_AFTER 600 // seconds of running that forgive what was before

bool restart_wanted(enum restart_policy policy, int exit_code)
{
	switch (policy) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_ON_FAILURE:
		return exit_code != 0;
	case RESTART_NEVER:
		break;
	}
	return false;
}

int backoff_next(struct backoff *backoff, int64_t ran_seconds)
{
	if (ran_seconds >= HEALTHY_AFTER)
		*backoff = (struct backoff){ 0 };
	if (backoff->failed_before)
		backoff->seconds = backoff->seconds == 0 ? FIRST_DELAY : backoff->seconds * 2;
	if (backoff->seconds > LAST_DELAY)
		backoff->seconds = LAST_DELAY;
	backoff->failed_before = true;
	return backoff->seconds;
}

void backoff_text(int seconds, char text[static 16])
{
	if (seconds < 60)
		snprintf(text, 16, "%ds", seconds);
	else
		snprintf(text, 16, "%dm%ds", seconds / 60 % 1000, seconds % 60);
}
