// SPDX-License-Identifier: Apache-2.0
#include "life.h"

#include <string.h>

#include "action.h"
#include "plan.h"

#define LIFE_VERSION 1
#define MAX_DELAY_MS ((int64_t)INT32_MAX * 1000)

static int read_probe(struct life_plan *plan, const struct json *value, struct failure *failure)
{
	static const char *const known[] = { "kind",	"delay",   "period", "timeout", "success",
					     "failure", "grace", "action", NULL };
	static const char *const kinds[PROBE_KINDS] = { "startup", "liveness", "readiness" };
	const char *name;
	size_t kind = 0;
	if (value->type != JSON_OBJECT)
		return fail(failure, "a probe is not an object");
	if (json_only(value, known, failure) < 0 || json_text(value, "kind", &name, failure) < 0)
		return -1;
	while (kind < PROBE_KINDS && strcmp(kinds[kind], name) != 0)
		kind++;
	if (kind == PROBE_KINDS || plan->probes[kind].action)
		return fail(failure, "%.40s is no kind of probe, or there twice", name);
	struct probe_plan *probe = &plan->probes[kind];
	if (json_integer(value, "delay", 0, MAX_DELAY_MS, &probe->delay, failure) < 0 ||
	    json_integer(value, "period", 1, MAX_DELAY_MS, &probe->period, failure) < 0 ||
	    json_integer(value, "timeout", 1, MAX_DELAY_MS, &probe->timeout, failure) < 0 ||
	    json_integer(value, "success", 1, INT32_MAX, &probe->success, failure) < 0 ||
	    json_integer(value, "failure", 1, INT32_MAX, &probe->failure, failure) < 0 ||
	    json_integer(value, "grace", 0, MAX_GRACE, &probe->grace, failure) < 0)
		return -1;
	if (action_check(json_get(value, "action"), failure) < 0)
		return -1;
	probe->action = json_get(value, "action");
	return 0;
}

static int read_message(struct life_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const choices[] = { "None", "File", "FallbackToLogsOnError" };
	const char *name;
	if (json_text(root, "terminationMessage", &name, failure) < 0)
		return -1;
	plan->message = strcmp(name, choices[0]) != 0;
	plan->message_falls_back = strcmp(name, choices[2]) == 0;
	if (plan->message && !plan->message_falls_back && strcmp(name, choices[1]) != 0)
		return fail(failure, "field terminationMessage is none of %s, %s, %s", choices[0], choices[1], choices[2]);
	return 0;
}

static int read_hooks(struct life_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const keys[HOOK_KINDS] = { "postStart", "preStop" };
	for (size_t kind = 0; kind < HOOK_KINDS; kind++) {
		const struct json *value = json_get(root, keys[kind]);
		if (!value)
			return fail(failure, "field %s is missing", keys[kind]);
		if (value->type == JSON_NULL)
			continue;
		if (action_check(value, failure) < 0)
			return -1;
		plan->hooks[kind] = value;
	}
	return 0;
}

static int read_life(struct life_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "version", "probes", "postStart", "preStop", "terminationMessage", NULL };
	int64_t version;
	const struct json *probes;
	if (json_only(root, known, failure) < 0 ||
	    json_integer(root, "version", LIFE_VERSION, LIFE_VERSION, &version, failure) < 0 ||
	    json_list(root, "probes", &probes, failure) < 0 || read_hooks(plan, root, failure) < 0 ||
	    read_message(plan, root, failure) < 0)
		return -1;
	for (const struct json *item = probes->child; item; item = item->next)
		if (read_probe(plan, item, failure) < 0)
			return -1;
	return 0;
}

int life_plan_read(struct life_plan *plan, int base, struct failure *failure)
{
	struct failure reason;
	*plan = (struct life_plan){ 0 };
	if (json_read_file(&plan->document, base, "life.json", failure) < 0)
		return -1;
	if (read_life(plan, plan->document.root, &reason) == 0)
		return 0;
	life_plan_free(plan);
	return fail(failure, "life.json: %.400s", reason.reason);
}

void life_plan_free(struct life_plan *plan)
{
	json_free(&plan->document);
	*plan = (struct life_plan){ 0 };
}
