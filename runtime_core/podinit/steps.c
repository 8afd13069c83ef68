// SPDX-License-Identifier: Apache-2.0
#include "steps.h"

#include <errno.h>
#include <string.h>

#include "procfs.h"
#include "step.h"

// A later phase never comes before an earlier one; only the open phases may hold several steps.
enum phase { PROPAGATION, ROOT, TARGETS, HOOKS, PIVOT, INSIDE, CAPABILITIES, USER, NO_NEW_PRIVILEGES, SECCOMP };

int jail_procfs(struct jail *jail, struct failure *failure)
{
	if (jail->own.proc < 0)
		jail->own.proc = procfs_open(failure);
	return jail->own.proc;
}

static int run_hooks(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)step;
	return jail->hooks ? jail->hooks(jail, failure) : fail(failure, "nobody is there to run them");
}

static int run_capabilities(struct jail *jail, const struct step *step, struct failure *failure)
{
	return privileges_read_sets(&jail->privileges, step->at[0], failure);
}

// An unprivileged user namespace may drop no group: there setgroups(2) fails, and there is nothing to set.
static int read_setgroups(struct jail *jail, struct failure *failure)
{
	char answer[16];
	int proc = jail_procfs(jail, failure);
	if (proc < 0 || procfs_read(proc, "self/setgroups", answer, sizeof answer, failure) < 0)
		return -1;
	jail->privileges.keep_groups = strncmp(answer, "deny", 4) == 0;
	return 0;
}

static int run_user(struct jail *jail, const struct step *step, struct failure *failure)
{
	struct privileges *privileges = &jail->privileges;
	int64_t group;
	if (number(step, 0) >= UINT32_MAX || number(step, 1) >= UINT32_MAX ||
	    step->at[2]->count > MAX_GROUPS)
		return fail(failure, "IDs are below 4294967295, and at most %d groups", MAX_GROUPS);
	privileges->uid = (uid_t)number(step, 0);
	privileges->gid = (gid_t)number(step, 1);
	for (const struct json *item = step->at[2]->child; item; item = item->next) {
		if (!json_in_range(item, 0, UINT32_MAX - 1, &group))
			return fail(failure, "a group is not a number below 4294967295");
		privileges->groups[privileges->group_count++] = (gid_t)group;
	}
	return jail->user_namespace && privileges->group_count == 0 ? read_setgroups(jail, failure) : 0;
}

static int run_no_new_privileges(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)step;
	(void)failure;
	jail->privileges.no_new_privileges = true;
	return 0;
}

// The filter itself was read before the pivot, by steps_read_filter.
static int run_seccomp(struct jail *jail, const struct step *step, struct failure *failure)
{
	struct privileges *privileges = &jail->privileges;
	if (number(step, 1) > UINT32_MAX)
		return fail(failure, "no such flags");
	privileges->filter_flags = (unsigned)number(step, 1);
	privileges->listener_path = text(step, 2);
	privileges->listener_metadata = text(step, 3);
	return privileges->filter.filter ? 0 : fail(failure, "the filter was not read");
}

// Arguments: s string, p absolute path, n number from 0 up, i number, l list, o object.
static const struct kind {
	const char *name, *arguments;
	enum phase phase;
	bool exec; // of a process, so that an exec may have it too
	step_run *run;
	step_check *check;
	step_prepare *prepare;
} kinds[] = {
	{ "propagation", "n", PROPAGATION, false, run_propagation, NULL, NULL },
	{ "overlay", "", ROOT, false, run_overlay, NULL, NULL },
	{ "rootfs", "p", ROOT, false, run_rootfs, NULL, NULL },
	{ "mount", "sspnlo", TARGETS, false, run_mount, check_mount, NULL },
	{ "bind", "ppnno", TARGETS, false, run_bind, check_bind, prepare_bind },
	{ "device", "spnnnnn", TARGETS, false, run_device, check_device, prepare_device },
	{ "symlink", "sp", TARGETS, false, run_symlink, NULL, NULL },
	{ "hooks", "", HOOKS, false, run_hooks, NULL, NULL },
	{ "pivot_root", "", PIVOT, false, run_pivot_root, NULL, NULL },
	{ "move_root", "", PIVOT, false, run_move_root, NULL, NULL },
	{ "chroot", "", PIVOT, false, run_chroot, NULL, NULL },
	{ "root_propagation", "n", INSIDE, false, run_root_propagation, NULL, NULL },
	{ "attributes", "pnn", INSIDE, false, run_attributes, NULL, NULL },
	{ "hostname", "s", INSIDE, false, run_hostname, NULL, NULL },
	{ "domainname", "s", INSIDE, false, run_domainname, NULL, NULL },
	{ "apparmor", "s", INSIDE, true, run_apparmor, NULL, NULL },
	{ "selinux", "s", INSIDE, true, run_selinux, NULL, NULL },
	{ "sysctl", "ss", INSIDE, false, run_sysctl, NULL, NULL },
	{ "readonly_path", "p", INSIDE, false, run_readonly_path, NULL, NULL },
	{ "mask_path", "p", INSIDE, false, run_mask_path, NULL, NULL },
	{ "root_readonly", "", INSIDE, false, run_root_readonly, NULL, NULL },
	{ "rlimit", "sii", INSIDE, true, run_rlimit, check_rlimit, NULL },
	{ "oom_score_adj", "i", INSIDE, true, run_oom_score_adj, NULL, NULL },
	{ "umask", "n", INSIDE, true, run_umask, NULL, NULL },
	{ "scheduler", "ninnnnn", INSIDE, true, run_scheduler, NULL, NULL },
	{ "io_priority", "nn", INSIDE, true, run_io_priority, NULL, NULL },
	{ "personality", "n", INSIDE, true, run_personality, NULL, NULL },
	{ "memory_policy", "nnl", INSIDE, false, run_memory_policy, NULL, NULL },
	{ "capabilities", "o", CAPABILITIES, true, run_capabilities, NULL, NULL },
	{ "user", "nnl", USER, true, run_user, NULL, NULL },
	{ "no_new_privileges", "", NO_NEW_PRIVILEGES, true, run_no_new_privileges, NULL, NULL },
	{ "seccomp", "pnss", SECCOMP, true, run_seccomp, NULL, NULL },
};

static const struct kind *find_kind(const struct json *step)
{
	for (size_t i = 0; step->child && step->child->type == JSON_STRING && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, step->child->string) == 0)
			return &kinds[i];
	return NULL;
}

static bool argument_fits(const struct json *value, char expected)
{
	switch (expected) {
	case 's':
		return value->type == JSON_STRING;
	case 'p':
		return value->type == JSON_STRING && value->string[0] == '/';
	case 'n':
		return value->type == JSON_NUMBER && !value->negative;
	case 'i':
		return value->type == JSON_NUMBER;
	case 'l':
		return value->type == JSON_ARRAY;
	default:
		return value->type == JSON_OBJECT;
	}
}

static bool arguments_fit(const struct kind *kind, const struct json *step)
{
	const struct json *value = step->child->next;
	const char *expected = kind->arguments;
	for (; *expected && value; expected++, value = value->next)
		if (!argument_fits(value, *expected))
			return false;
	return !*expected && !value;
}

bool steps_have(const struct json *steps, const char *name)
{
	for (const struct json *step = steps->child; step; step = step->next)
		if (strcmp(step->child->string, name) == 0)
			return true;
	return false;
}

static struct step read_step(const struct json *steps, const struct json *step, int source)
{
	struct step read = { .steps = steps, .source = source };
	const struct json *value = step->child->next;
	for (unsigned i = 0; value; value = value->next)
		read.at[i++] = value;
	return read;
}

static int check_step(const struct json *steps, const struct json *step, bool exec, struct failure *failure)
{
	struct failure reason;
	const struct kind *kind = find_kind(step);
	if (!arguments_fit(kind, step))
		return fail(failure, "%s: wrong arguments", kind->name);
	if (exec && !kind->exec)
		return fail(failure, "%s: not in a plan for exec", kind->name);
	struct step read = read_step(steps, step, -1);
	if (kind->check && kind->check(&read, &reason) < 0)
		return fail(failure, "%s: %.400s", kind->name, reason.reason);
	return 0;
}

int steps_check(const struct json *steps, bool exec, struct failure *failure)
{
	unsigned seen = 0, index = 0;
	struct failure reason;
	const unsigned several = 1U << TARGETS | 1U << INSIDE, process = 1U << CAPABILITIES | 1U << USER;
	const unsigned needed = process | (exec ? 0 : 1U << ROOT | 1U << PIVOT);
	for (const struct json *step = steps->child; step; step = step->next, index++) {
		const struct kind *kind = step->type == JSON_ARRAY ? find_kind(step) : NULL;
		if (!kind)
			return fail(failure, "step %u: unknown kind", index);
		if (check_step(steps, step, exec, &reason) < 0)
			return fail(failure, "step %u %.400s", index, reason.reason);
		unsigned here = 1U << kind->phase;
		if (seen >= here << 1 || (seen & here && !(several & here)))
			return fail(failure, "step %u %s: out of order or given twice", index, kind->name);
		seen |= here;
	}
	if ((seen & needed) == needed)
		return 0;
	return fail(failure, "steps lack one of %scapabilities, user", exec ? "" : "overlay or rootfs, pivot_root, ");
}

int steps_prepare(const struct json *steps, int sources[], size_t count, struct failure *failure)
{
	size_t index = 0;
	struct failure reason;
	if (count != steps->count)
		return fail(failure, "%zu places for %zu steps", count, steps->count);
	for (size_t i = 0; i < count; i++)
		sources[i] = -1;
	for (const struct json *step = steps->child; step; step = step->next, index++) {
		const struct kind *kind = find_kind(step);
		struct step read = read_step(steps, step, -1);
		int fd = kind->prepare ? kind->prepare(&read, &reason) : NO_SOURCE;
		if (fd >= 0)
			sources[index] = fd;
		if (fd >= 0 || fd == NO_SOURCE)
			continue;
		for (size_t i = 0; i < count; i++)
			cleanup_close(&sources[i]);
		return fail(failure, "step %zu %s: %.400s", index, kind->name, reason.reason);
	}
	return 0;
}

int steps_read_filter(const struct json *steps, struct privileges *privileges, struct failure *failure)
{
	struct failure reason;
	if (privileges->filter.filter)
		return 0;
	for (const struct json *step = steps->child; step; step = step->next)
		if (find_kind(step)->phase == SECCOMP &&
		    privileges_read_filter(privileges, step->child->next->string, &reason) < 0)
			return fail(failure, "step seccomp: %.400s", reason.reason);
	return 0;
}

static int run_step(struct jail *jail, const struct json *steps, const struct json *step, size_t index,
		    struct failure *failure)
{
	struct failure reason;
	const struct kind *kind = find_kind(step);
	int source = jail->sources && index < jail->source_count ? jail->sources[index] : -1;
	struct step read = read_step(steps, step, source);
	if (kind->run(jail, &read, &reason) < 0)
		return fail(failure, "step %zu %s: %.400s", index, kind->name, reason.reason);
	return 0;
}

int steps_raise_limits(const struct json *steps, struct failure *failure)
{
	size_t index = 0;
	int result = 0;
	struct jail jail = { .own = { .proc = -1, .empty = -1 } };
	for (const struct json *step = steps->child; result == 0 && step; step = step->next, index++) {
		step_run *run = find_kind(step)->run;
		if (run == run_rlimit || run == run_oom_score_adj)
			result = run_step(&jail, steps, step, index, failure);
	}
	cleanup_close(&jail.own.proc);
	return result;
}

int steps_run(struct jail *jail, const struct json *steps, struct failure *failure)
{
	size_t index = 0;
	struct failure ignored;
	jail->own.proc = jail->own.empty = -1;
	if (jail->user_namespace) // the kernel may refuse it a new procfs; the host's is in sight only now
		jail_procfs(jail, &ignored);
	int result = steps_read_filter(steps, &jail->privileges, failure);
	for (const struct json *step = steps->child; result == 0 && step; step = step->next)
		result = run_step(jail, steps, step, index++, failure);
	cleanup_close(&jail->own.proc);
	cleanup_close(&jail->own.empty);
	return result;
}
