// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include <signal.h>
#include <string.h>

#include "share.h"
#include "steps.h"
#include "storage.h"

#define SANDBOX_VERSION 3

// A name becomes a file's name, so it is checked here too.
static bool is_label(const char *name)
{
	size_t length = strlen(name);
	return length > 0 && length < NAME_SIZE && name[0] != '-' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

// The position of a member's text among three.
static int read_choice(const struct json *value, const char *key, const char *const names[3], unsigned *choice,
		       struct failure *failure)
{
	const char *name;
	if (json_text(value, key, &name, failure) < 0)
		return -1;
	for (*choice = 0; *choice < 3; (*choice)++)
		if (strcmp(name, names[*choice]) == 0)
			return 0;
	return fail(failure, "field %s is none of %s, %s, %s", key, names[0], names[1], names[2]);
}

static int read_network(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "ifname", "hostIfname", "bridge", "address", "prefix", "gateway", "mtu", NULL };
	const struct json *value = json_get(root, "network");
	struct net_config *net = &plan->network;
	int64_t prefix, mtu;
	if (!value)
		return fail(failure, "field network is missing");
	if (value->type == JSON_NULL)
		return 0;
	if (json_only(value, known, failure) < 0 || json_text(value, "ifname", &net->ifname, failure) < 0 ||
	    json_text(value, "hostIfname", &net->host_ifname, failure) < 0 ||
	    json_text(value, "bridge", &net->bridge, failure) < 0 ||
	    json_text(value, "address", &net->address, failure) < 0 ||
	    json_text(value, "gateway", &net->gateway, failure) < 0 ||
	    json_integer(value, "prefix", 1, 32, &prefix, failure) < 0 ||
	    json_integer(value, "mtu", 68, 65535, &mtu, failure) < 0)
		return -1;
	net->prefix = (int)prefix;
	net->mtu = (int)mtu;
	plan->networked = true;
	return 0;
}

static int read_runtime(struct runtime_plan *runtime, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "path", "root", "options", "hidden", "cgroups", NULL };
	const struct json *value = json_get(root, "runtime");
	const char *cgroups;
	if (!value)
		return fail(failure, "field runtime is missing");
	if (value->type == JSON_NULL)
		return 0;
	if (json_only(value, known, failure) < 0 || json_text(value, "path", &runtime->path, failure) < 0 ||
	    json_text(value, "root", &runtime->root, failure) < 0 ||
	    json_texts(value, "options", &runtime->options, failure) < 0 ||
	    json_texts(value, "hidden", &runtime->hidden, failure) < 0 ||
	    json_text(value, "cgroups", &cgroups, failure) < 0)
		return -1;
	runtime->inherits_cgroups = strcmp(cgroups, "inherit") == 0;
	if (!runtime->inherits_cgroups && strcmp(cgroups, "join") != 0)
		return fail(failure, "field runtime.cgroups is neither inherit nor join");
	if (runtime->path[0] != '/' || runtime->root[0] != '/')
		return fail(failure, "fields path and root of runtime must be absolute paths");
	return 0;
}

static int check_rules(const struct json *rules, struct failure *failure)
{
	int64_t code;
	for (const struct json *rule = rules->child; rule; rule = rule->next) {
		if (rule->type != JSON_ARRAY || !rule->child ||
		    (rule->child->type != JSON_TRUE && rule->child->type != JSON_FALSE))
			return fail(failure, "a rule is true or false, and exit codes");
		for (const struct json *item = rule->child->next; item; item = item->next)
			if (!json_in_range(item, INT32_MIN, INT32_MAX, &code))
				return fail(failure, "a rule's exit code is no number");
	}
	return 0;
}

static int read_member(struct member *member, const struct json *value, struct failure *failure)
{
	static const char *const known[] = { "name", "role", "restart", "rules", NULL };
	static const char *const roles[] = { "init", "sidecar", "main" };
	static const char *const policies[] = { "Always", "OnFailure", "Never" };
	unsigned role, policy;
	if (value->type != JSON_OBJECT)
		return fail(failure, "a container is not an object");
	if (json_only(value, known, failure) < 0 || json_text(value, "name", &member->name, failure) < 0)
		return -1;
	if (!is_label(member->name))
		return fail(failure, "%.80s is not a name", member->name);
	if (read_choice(value, "role", roles, &role, failure) < 0 ||
	    read_choice(value, "restart", policies, &policy, failure) < 0 ||
	    json_list(value, "rules", &member->rules, failure) < 0)
		return -1;
	member->role = (enum role)role;
	member->restart = (enum restart_policy)policy;
	return check_rules(member->rules, failure);
}

static int read_members(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	const struct json *list;
	struct failure reason;
	if (json_list(root, "containers", &list, failure) < 0)
		return -1;
	if (list->count > MAX_CONTAINERS)
		return fail(failure, "more than %d containers", MAX_CONTAINERS);
	for (const struct json *item = list->child; item; item = item->next) {
		struct member *member = &plan->members[plan->count];
		if (read_member(member, item, &reason) < 0)
			return fail(failure, "containers[%zu]: %.400s", plan->count, reason.reason);
		for (size_t i = 0; i < plan->count; i++)
			if (strcmp(plan->members[i].name, member->name) == 0)
				return fail(failure, "containers: %s twice", member->name);
		plan->count++;
	}
	return 0;
}

static int read_backoff(struct backoff_plan *backoff, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "first", "last", "forgiven", NULL };
	const struct json *value = json_get(root, "backOff");
	if (!value || value->type != JSON_OBJECT)
		return fail(failure, "field backOff must be an object");
	if (json_only(value, known, failure) < 0 ||
	    json_integer(value, "first", 1, INT32_MAX, &backoff->first, failure) < 0 ||
	    json_integer(value, "last", backoff->first, INT32_MAX, &backoff->last, failure) < 0)
		return -1;
	return json_integer(value, "forgiven", 1, INT32_MAX, &backoff->forgiven, failure);
}

static int check_memory_volumes(const struct json *volumes, struct failure *failure)
{
	static const char *const known[] = { "path", "size", "content", "group", NULL };
	for (const struct json *item = volumes->child; item; item = item->next) {
		const char *path;
		int64_t size, group;
		if (json_only(item, known, failure) < 0 || json_text(item, "path", &path, failure) < 0 ||
		    json_integer(item, "size", 0, INT64_MAX, &size, failure) < 0 ||
		    (json_get(item, "group") && json_integer(item, "group", 0, INT32_MAX, &group, failure) < 0))
			return -1;
		if (strncmp(path, "volumes/", 8) != 0 || !is_label(path + 8))
			return fail(failure, "memoryVolumes: %.80s is not a volume's folder", path);
	}
	return 0;
}

// Only what the pod's own network and IPC namespaces have for themselves.
static bool is_sysctl(const struct json *row)
{
	const struct json *path = row->child;
	if (row->type != JSON_ARRAY || row->count != 2 || path->type != JSON_STRING || path->next->type != JSON_STRING)
		return false;
	if (strstr(path->string, "..") || strlen(path->string) > MAX_SYSCTL)
		return false;
	return strncmp(path->string, "net/", 4) == 0 || strncmp(path->string, "kernel/", 7) == 0 ||
		strncmp(path->string, "fs/mqueue/", 10) == 0;
}

static int read_sysctls(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	if (json_list(root, "sysctls", &plan->sysctls, failure) < 0)
		return -1;
	for (const struct json *row = plan->sysctls->child; row; row = row->next)
		if (!is_sysctl(row))
			return fail(failure, "sysctls: one is no path of a pod's with a value");
	return 0;
}

static bool is_share(const struct json *row)
{
	const struct json *name = row->child;
	if (row->type != JSON_ARRAY || row->count != 3 || name->type != JSON_STRING || !is_label(name->string) ||
	    name->next->type != JSON_STRING || name->next->string[0] != '/' || name->next->next->type != JSON_STRING)
		return false;
	return strcmp(name->next->next->string, "host") == 0 || strcmp(name->next->next->string, "pod") == 0;
}

static int read_shared(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	if (json_list(root, "sharedVolumes", &plan->shared, failure) < 0)
		return -1;
	bool good = plan->shared->count <= MAX_SHARED;
	for (const struct json *row = plan->shared->child; good && row; row = row->next)
		good = is_share(row);
	return good ? 0 : fail(failure, "sharedVolumes: one is no volume with a path, or they are more than %d", MAX_SHARED);
}

static bool is_image(const struct json *row)
{
	const struct json *name = row->child;
	if (row->type != JSON_ARRAY || row->count != 2 || name->type != JSON_STRING || !is_label(name->string) ||
	    name->next->type != JSON_ARRAY)
		return false;
	for (const struct json *layer = name->next->child; layer; layer = layer->next)
		if (layer->type != JSON_STRING || layer->string[0] != '/')
			return false;
	return true;
}

static int read_images(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	if (json_list(root, "imageVolumes", &plan->images, failure) < 0)
		return -1;
	for (const struct json *row = plan->images->child; row; row = row->next)
		if (!is_image(row))
			return fail(failure, "imageVolumes: one is no name with the paths of layers");
	return 0;
}

static int read_sandbox_fields(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "version",	    "uid",     "name",	  "namespace", "hostname",   "backOff",
					     "gracePeriod", "cgroups", "shmSize", "network",   "containers", "runtime",
					     "memoryVolumes", "activeDeadline", "storage", "sysctls", "sharedVolumes",
					     "imageVolumes",
					     NULL };
	int64_t version;
	if (json_only(root, known, failure) < 0 ||
	    json_integer(root, "version", SANDBOX_VERSION, SANDBOX_VERSION, &version, failure) < 0 ||
	    json_text(root, "uid", &plan->uid, failure) < 0 || json_text(root, "name", &plan->name, failure) < 0 ||
	    json_text(root, "namespace", &plan->namespace, failure) < 0 ||
	    json_text(root, "hostname", &plan->hostname, failure) < 0 || read_backoff(&plan->backoff, root, failure) < 0 ||
	    json_integer(root, "gracePeriod", 0, MAX_GRACE, &plan->grace, failure) < 0 ||
	    json_integer(root, "activeDeadline", 0, (int64_t)INT32_MAX * 1000, &plan->deadline, failure) < 0 ||
	    json_integer(root, "shmSize", 4096, INT64_MAX, &plan->shm_size, failure) < 0 ||
	    json_texts(root, "cgroups", &plan->cgroups, failure) < 0 || read_network(plan, root, failure) < 0 ||
	    read_members(plan, root, failure) < 0 ||
	    json_list(root, "memoryVolumes", &plan->memory_volumes, failure) < 0 ||
	    check_memory_volumes(plan->memory_volumes, failure) < 0 || read_sysctls(plan, root, failure) < 0 ||
	    read_images(plan, root, failure) < 0 || read_shared(plan, root, failure) < 0 ||
	    storage_plan_read(&plan->storage, root, failure) < 0)
		return -1;
	return read_runtime(&plan->runtime, root, failure);
}

int sandbox_plan_read(struct sandbox_plan *plan, int pod_dir, struct failure *failure)
{
	struct failure reason;
	*plan = (struct sandbox_plan){ 0 };
	if (json_read_file(&plan->document, pod_dir, "sandbox.json", failure) < 0)
		return -1;
	if (read_sandbox_fields(plan, plan->document.root, &reason) == 0)
		return 0;
	json_free(&plan->document);
	return fail(failure, "sandbox.json: %.400s", reason.reason);
}
