// SPDX-License-Identifier: Apache-2.0
// The plans of a container and of a process for one that runs (ARCHITECTURE.md, "Formats").
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "hooks.h"
#include "plan.h"
#include "steps.h"

#define PLAN_VERSION 2
#define MAX_MAPPINGS 340 // user_namespaces(7)
#define MAX_DEVICES 64
#define MAX_SUB_PATHS 1024

static int check_version(const struct json *root, struct failure *failure)
{
	int64_t version;
	return json_integer(root, "version", PLAN_VERSION, PLAN_VERSION, &version, failure);
}

static int read_bool(const struct json *root, const char *key, bool *value, struct failure *failure)
{
	const struct json *found = json_get(root, key);
	if (!found || (found->type != JSON_TRUE && found->type != JSON_FALSE))
		return fail(failure, "field %s must be true or false", key);
	*value = found->type == JSON_TRUE;
	return 0;
}

// A text that may be empty.
static int read_text(const struct json *root, const char *key, const char **value, struct failure *failure)
{
	const struct json *found = json_get(root, key);
	if (!found || found->type != JSON_STRING)
		return fail(failure, "field %s must be a string", key);
	*value = found->string;
	return 0;
}

static char **to_vector(const struct json *list)
{
	char **vector = calloc(list->count + 1, sizeof *vector), **next = vector;
	for (const struct json *item = list->child; vector && item; item = item->next)
		*next++ = (char *)item->string;
	return vector;
}

static int read_terminal(struct process_plan *plan, const struct json *root, struct failure *failure)
{
	const struct json *value = json_get(root, "terminal");
	int64_t height, width;
	if (!value)
		return fail(failure, "field terminal is missing");
	if (value->type == JSON_NULL)
		return 0;
	if (value->type != JSON_ARRAY || value->count != 2 || !json_in_range(value->child, 0, UINT16_MAX, &height) ||
	    !json_in_range(value->child->next, 0, UINT16_MAX, &width))
		return fail(failure, "field terminal must be a height and a width");
	plan->terminal = true;
	plan->height = (uint16_t)height;
	plan->width = (uint16_t)width;
	return 0;
}

// Who starts the process has to reach the listener's socket before.
static void find_listener(struct process_plan *plan)
{
	plan->listener = plan->listener_metadata = "";
	for (const struct json *step = plan->steps->child; step; step = step->next) {
		if (strcmp(step->child->string, "seccomp") == 0) {
			plan->listener = step->child->next->next->next->string;
			plan->listener_metadata = step->child->next->next->next->next->string;
		}
	}
}

static int read_process(struct process_plan *plan, const struct json *root, const struct json *args, bool exec,
			struct failure *failure)
{
	const struct json *env;
	if (json_texts(root, "env", &env, failure) < 0 ||
	    json_text(root, "cwd", &plan->cwd, failure) < 0 ||
	    json_texts(root, "cgroups", &plan->cgroups, failure) < 0 || read_terminal(plan, root, failure) < 0 ||
	    read_bool(root, "keyring", &plan->keyring, failure) < 0 ||
	    json_list(root, "steps", &plan->steps, failure) < 0 || steps_check(plan->steps, exec, failure) < 0)
		return -1;
	if (args->count == 0 ? exec : args->child->string[0] == '\0') // a container without a process cannot be started
		return fail(failure, "args names no program");
	if (plan->cwd[0] != '/')
		return fail(failure, "cwd is not an absolute path");
	find_listener(plan);
	plan->args = to_vector(args);
	plan->env = to_vector(env);
	return plan->args && plan->env ? 0 : fail(failure, "out of memory");
}

static int read_oom_events(struct container_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "file", "key", NULL };
	const struct json *value = json_get(root, "oomEvents");
	if (!value)
		return fail(failure, "field oomEvents is missing");
	if (value->type == JSON_NULL)
		return 0;
	if (json_only(value, known, failure) < 0 || json_text(value, "file", &plan->oom_file, failure) < 0)
		return -1;
	return json_text(value, "key", &plan->oom_key, failure);
}

// A list of rows: s a string, i a whole number, n one from 0 up.
static int read_rows(const struct json *root, const char *key, const char *row, size_t most, const struct json **rows,
		     struct failure *failure)
{
	if (json_list(root, key, rows, failure) < 0)
		return -1;
	bool good = (*rows)->count <= most;
	for (const struct json *item = (*rows)->child; good && item; item = item->next) {
		const struct json *value = item->child;
		good = item->type == JSON_ARRAY && item->count == strlen(row);
		for (const char *kind = row; good && *kind; kind++, value = value->next)
			good = *kind == 's' ? value->type == JSON_STRING :
					      value->type == JSON_NUMBER && (*kind == 'i' || !value->negative);
	}
	return good ? 0 : fail(failure, "field %s is not a list of at most %zu rows of its kind", key, most);
}

static int read_namespaces(struct container_plan *plan, const struct json *root, struct failure *failure)
{
	if (read_rows(root, "namespaces", "ss", 8, &plan->namespaces, failure) < 0 ||
	    read_rows(root, "uidMappings", "nnn", MAX_MAPPINGS, &plan->uid_mappings, failure) < 0 ||
	    read_rows(root, "gidMappings", "nnn", MAX_MAPPINGS, &plan->gid_mappings, failure) < 0 ||
	    read_rows(root, "timeOffsets", "sin", 2, &plan->time_offsets, failure) < 0)
		return -1;
	if (read_rows(root, "subPaths", "ss", MAX_SUB_PATHS, &plan->sub_paths, failure) < 0)
		return -1;
	return read_rows(root, "netDevices", "ss", MAX_DEVICES, &plan->net_devices, failure);
}

static int read_hooks(struct container_plan *plan, const struct json *root, struct failure *failure)
{
	plan->hooks = json_get(root, "hooks");
	if (!plan->hooks || plan->hooks->type != JSON_OBJECT)
		return fail(failure, "field hooks must be an object");
	return hooks_check(plan->hooks, failure);
}

static int read_container(struct container_plan *plan, const struct json *root, const char *name,
			  struct failure *failure)
{
	static const char *const known[] = { "version",	    "name",	   "hash",	  "args",     "env",
					     "cwd",	    "stopSignal",  "cgroups",	  "oomEvents", "lower",
					     "namespaces",  "uidMappings", "gidMappings", "timeOffsets", "terminal",
					     "hooks",	    "state",	   "keyring",	  "netDevices",	 "steps",
					     "subPaths",
					     NULL };
	const struct json *args;
	if (json_only(root, known, failure) < 0 || check_version(root, failure) < 0 ||
	    json_texts(root, "args", &args, failure) < 0 || json_text(root, "name", &plan->name, failure) < 0 ||
	    read_text(root, "hash", &plan->hash, failure) < 0 ||
	    json_integer(root, "stopSignal", 1, SIGRTMAX, &plan->stop_signal, failure) < 0 ||
	    read_oom_events(plan, root, failure) < 0 || json_texts(root, "lower", &plan->lower, failure) < 0 ||
	    read_namespaces(plan, root, failure) < 0 || read_hooks(plan, root, failure) < 0 ||
	    read_text(root, "state", &plan->state, failure) < 0)
		return -1;
	if (name && strcmp(plan->name, name) != 0)
		return fail(failure, "name is %.80s, not the folder's %s", plan->name, name);
	return read_process(&plan->process, root, args, false, failure);
}

int container_plan_read(struct container_plan *plan, int base, const char *name, struct failure *failure)
{
	struct failure reason;
	*plan = (struct container_plan){ 0 };
	if (json_read_file(&plan->document, base, "plan.json", failure) < 0)
		return -1;
	if (read_container(plan, plan->document.root, name, &reason) == 0)
		return 0;
	container_plan_free(plan);
	return fail(failure, "plan.json: %.400s", reason.reason);
}

void container_plan_free(struct container_plan *plan)
{
	free(plan->process.args);
	free(plan->process.env);
	json_free(&plan->document);
	*plan = (struct container_plan){ 0 };
}

// What the plan says beside the process to join and the program to execute.
static int read_joining(struct exec_plan *plan, const struct json *root, const struct json *args,
			struct failure *failure)
{
	const struct json *affinity;
	if (check_version(root, failure) < 0 || json_texts(root, "affinity", &affinity, failure) < 0)
		return -1;
	if (affinity->count != 2)
		return fail(failure, "field affinity must be an initial and a final list of processors");
	plan->initial_affinity = affinity->child->string;
	plan->affinity = affinity->child->next->string;
	return read_process(&plan->process, root, args, true, failure);
}

static int read_exec(struct exec_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "version", "pid",	    "startTime", "args",     "env",   "cwd",
					     "cgroups", "terminal", "keyring",	 "affinity", "steps", NULL };
	const struct json *args;
	if (json_only(root, known, failure) < 0 || json_integer(root, "pid", 1, INT32_MAX, &plan->pid, failure) < 0 ||
	    json_integer(root, "startTime", 0, INT64_MAX, &plan->start_time, failure) < 0 ||
	    json_texts(root, "args", &args, failure) < 0)
		return -1;
	return read_joining(plan, root, args, failure);
}

int exec_plan_read(struct exec_plan *plan, const char *path, struct failure *failure)
{
	struct failure reason;
	*plan = (struct exec_plan){ 0 };
	if (json_read_file(&plan->document, AT_FDCWD, path, failure) < 0)
		return -1;
	return read_exec(plan, plan->document.root, &reason) == 0 ? 0 : fail(failure, "%.80s: %.400s", path, reason.reason);
}

int command_plan_read(struct exec_plan *plan, int base, const struct json *args, struct failure *failure)
{
	static const char *const known[] = { "version",	 "env",	    "cwd",	"cgroups",
					     "terminal", "keyring", "affinity", "steps", NULL };
	struct failure reason;
	*plan = (struct exec_plan){ 0 };
	if (json_read_file(&plan->document, base, "exec.json", failure) < 0)
		return -1;
	const struct json *root = plan->document.root;
	if (json_only(root, known, &reason) == 0 && read_joining(plan, root, args, &reason) == 0)
		return 0;
	return fail(failure, "exec.json: %.400s", reason.reason);
}
