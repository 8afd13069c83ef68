// SPDX-License-Identifier: Apache-2.0
#include "plan.h"

#include <signal.h>
#include <string.h>

#include "steps.h"

#define SANDBOX_VERSION 2

// A name becomes a file's name, so it is checked here too.
static bool is_label(const char *name)
{
	size_t length = strlen(name);
	return length > 0 && length < NAME_SIZE && name[0] != '-' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int read_policy(const struct json *root, enum restart_policy *policy, struct failure *failure)
{
	static const char *const names[] = { "Always", "OnFailure", "Never" };
	const char *name;
	if (json_text(root, "restartPolicy", &name, failure) < 0)
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0) {
			*policy = (enum restart_policy)i;
			return 0;
		}
	}
	return fail(failure, "field restartPolicy is none of Always, OnFailure, Never");
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

static int check_names(const struct json *containers, struct failure *failure)
{
	if (containers->count > MAX_CONTAINERS)
		return fail(failure, "more than %d containers", MAX_CONTAINERS);
	for (const struct json *item = containers->child; item; item = item->next) {
		if (!is_label(item->string))
			return fail(failure, "containers: %.80s is not a name", item->string);
		for (const struct json *other = containers->child; other != item; other = other->next)
			if (strcmp(other->string, item->string) == 0)
				return fail(failure, "containers: %s twice", item->string);
	}
	return 0;
}

static int check_memory_volumes(const struct json *volumes, struct failure *failure)
{
	static const char *const known[] = { "path", "size", "content", NULL };
	for (const struct json *item = volumes->child; item; item = item->next) {
		const char *path;
		int64_t size;
		if (json_only(item, known, failure) < 0 || json_text(item, "path", &path, failure) < 0 ||
		    json_integer(item, "size", 0, INT64_MAX, &size, failure) < 0)
			return -1;
		if (strncmp(path, "volumes/", 8) != 0 || !is_label(path + 8))
			return fail(failure, "memoryVolumes: %.80s is not a volume's folder", path);
	}
	return 0;
}

static int read_sandbox_fields(struct sandbox_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "version",	    "uid",     "name",	  "namespace", "hostname",   "restartPolicy",
					     "gracePeriod", "cgroups", "shmSize", "network",   "containers", "runtime",
					     "memoryVolumes",
					     NULL };
	int64_t version;
	if (json_only(root, known, failure) < 0 ||
	    json_integer(root, "version", SANDBOX_VERSION, SANDBOX_VERSION, &version, failure) < 0 ||
	    json_text(root, "uid", &plan->uid, failure) < 0 || json_text(root, "name", &plan->name, failure) < 0 ||
	    json_text(root, "namespace", &plan->namespace, failure) < 0 ||
	    json_text(root, "hostname", &plan->hostname, failure) < 0 || read_policy(root, &plan->restart, failure) < 0 ||
	    json_integer(root, "gracePeriod", 0, MAX_GRACE, &plan->grace, failure) < 0 ||
	    json_integer(root, "shmSize", 4096, INT64_MAX, &plan->shm_size, failure) < 0 ||
	    json_texts(root, "cgroups", &plan->cgroups, failure) < 0 || read_network(plan, root, failure) < 0 ||
	    json_texts(root, "containers", &plan->containers, failure) < 0 ||
	    json_list(root, "memoryVolumes", &plan->memory_volumes, failure) < 0 ||
	    check_memory_volumes(plan->memory_volumes, failure) < 0 ||
	    read_runtime(&plan->runtime, root, failure) < 0)
		return -1;
	return check_names(plan->containers, failure);
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
