// SPDX-License-Identifier: Apache-2.0
#include "restart.h"

static bool rule_fits(const struct json *rule, int exit_code)
{
	bool listed = false;
	int64_t code;
	for (const struct json *item = rule->child->next; item; item = item->next)
		listed |= json_in_range(item, INT32_MIN, INT32_MAX, &code) && code == exit_code;
	return listed == (rule->child->type == JSON_TRUE);
}

bool restart_wanted(const struct member *member, int exit_code)
{
	if (member->role == ROLE_INIT && exit_code == 0) // it has done its work
		return false;
	for (const struct json *rule = member->rules->child; rule; rule = rule->next)
		if (rule_fits(rule, exit_code))
			return true;
	switch (member->restart) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_ON_FAILURE:
		return exit_code != 0;
	case RESTART_NEVER:
		break;
	}
	return false;
}

int64_t backoff_next(struct backoff *backoff, const struct backoff_plan *plan, int64_t ran)
{
	if (ran > plan->forgiven)
		*backoff = (struct backoff){ 0 };
	if (backoff->restarted)
		backoff->delay = backoff->delay == 0 ? plan->first : backoff->delay * 2;
	if (backoff->delay > plan->last)
		backoff->delay = plan->last;
	backoff->restarted = true;
	return backoff->delay;
}

void backoff_text(int64_t delay, char text[static 16])
{
	int seconds = (int)(delay / 1000);
	if (seconds == 0)
		snprintf(text, 16, "%dms", (int)delay);
	else if (seconds < 60)
		snprintf(text, 16, "%ds", seconds);
	else
		snprintf(text, 16, "%dm%ds", seconds / 60 % 1000, seconds % 60);
}
