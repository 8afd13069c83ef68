// SPDX-License-Identifier: Apache-2.0
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"
#include "paths.h"

#define MAX_ARGUMENTS 5
#define MAX_MAJOR 0xfff
#define MAX_MINOR 0xfffff

// A later phase never comes before an earlier one; only the two open phases may hold several steps.
enum phase { ROOT, TARGETS, PIVOT, INSIDE, CAPABILITIES, USER, NO_NEW_PRIVILEGES, SECCOMP };

struct arguments {
	const struct json *at[MAX_ARGUMENTS];
};

static const char *text(const struct arguments *arguments, unsigned index)
{
	return arguments->at[index]->string;
}

static unsigned long number(const struct arguments *arguments, unsigned index)
{
	return arguments->at[index]->magnitude;
}

static int run_overlay(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	(void)arguments;
	jail->root = mount_overlay(jail->base, jail->attempt, jail->lower, failure);
	return jail->root < 0 ? -1 : 0;
}

static int run_mount(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	if (!mount_type_allowed(text(arguments, 0)))
		return fail(failure, "file system type %.32s is not one of those that a plan may mount", text(arguments, 0));
	if (number(arguments, 3) & ~mount_flags_allowed)
		return fail(failure, "%.300s: flags %#lx not allowed", text(arguments, 2), number(arguments, 3));
	return mount_new(jail->root, text(arguments, 0), text(arguments, 1), text(arguments, 2), number(arguments, 3),
			 text(arguments, 4), failure);
}

static int run_bind(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	if (number(arguments, 2) & ~bind_flags_allowed)
		return fail(failure, "%.300s: flags %#lx not allowed", text(arguments, 1), number(arguments, 2));
	return mount_bind(jail->root, text(arguments, 0), text(arguments, 1), number(arguments, 2), failure);
}

static int run_device(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	struct stat status;
	const char *name, *path = text(arguments, 0);
	dev_t device = makedev((unsigned)number(arguments, 1), (unsigned)number(arguments, 2));
	mode_t mode = (mode_t)number(arguments, 3) & 0777;
	if (number(arguments, 1) > MAX_MAJOR || number(arguments, 2) > MAX_MINOR)
		return fail(failure, "%.300s: no such device number", path);
	cleanup_fd int parent = open_parent(jail->root, path, &name, failure);
	if (parent < 0)
		return -1;
	if (mknodat(parent, name, S_IFCHR | mode, device) < 0)
		return fail_at(failure, "mknod", path);
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(status.st_mode) ||
	    status.st_rdev != device)
		return fail(failure, "%.300s is not the device just made", path);
	return 0;
}

static int run_symlink(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	const char *name;
	cleanup_fd int parent = open_parent(jail->root, text(arguments, 1), &name, failure);
	if (parent < 0)
		return -1;
	return symlinkat(text(arguments, 0), parent, name) < 0 ? fail_at(failure, "symlink", text(arguments, 1)) : 0;
}

// The working directory is made here, while the root can still be written; if it cannot, entering it says so later.
static int run_pivot_root(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	struct failure ignored;
	(void)arguments;
	if (mount_pivot(jail->root, failure) < 0)
		return -1;
	cleanup_fd int cwd = open_in_root(jail->root, jail->cwd, O_DIRECTORY);
	if (cwd < 0 && errno == ENOENT)
		cwd = open_target(jail->root, jail->cwd, TARGET_DIRECTORY, &ignored);
	return 0;
}

static int run_sysctl(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	char path[256] = "sys/";
	const char *key = text(arguments, 0);
	(void)jail;
	if (strlen(key) > sizeof path - 8 || strstr(key, ".."))
		return fail(failure, "%.200s is not a name of a sysctl", key);
	strcat(path, key);
	for (char *sign = path; !strchr(key, '/') && *sign; sign++) // net.ipv4.x, or net/ipv4/x as it is
		if (*sign == '.')
			*sign = '/';
	return mount_proc_write(path, text(arguments, 1), failure);
}

static int run_readonly_path(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	return mount_readonly(jail->root, text(arguments, 0), failure);
}

static int run_mask_path(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	return mount_mask(jail->root, text(arguments, 0), failure);
}

static int run_root_readonly(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	(void)arguments;
	return mount_root_readonly(jail->root, failure);
}

static int run_rlimit(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	static const char *const names[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "RLIMIT_AS",	       [RLIMIT_CORE] = "RLIMIT_CORE",
		[RLIMIT_CPU] = "RLIMIT_CPU",	       [RLIMIT_DATA] = "RLIMIT_DATA",
		[RLIMIT_FSIZE] = "RLIMIT_FSIZE",       [RLIMIT_LOCKS] = "RLIMIT_LOCKS",
		[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",   [RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
		[RLIMIT_NICE] = "RLIMIT_NICE",	       [RLIMIT_NOFILE] = "RLIMIT_NOFILE",
		[RLIMIT_NPROC] = "RLIMIT_NPROC",       [RLIMIT_RSS] = "RLIMIT_RSS",
		[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",     [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
		[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING", [RLIMIT_STACK] = "RLIMIT_STACK",
	};
	(void)jail;
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		const struct json *soft = arguments->at[1], *hard = arguments->at[2];
		struct rlimit limit = {
			.rlim_cur = soft->negative ? RLIM_INFINITY : soft->magnitude,
			.rlim_max = hard->negative ? RLIM_INFINITY : hard->magnitude,
		};
		if (names[i] && strcmp(names[i], text(arguments, 0)) == 0)
			return setrlimit(i, &limit) < 0 ? fail_at(failure, "set", names[i]) : 0;
	}
	return fail(failure, "unknown limit %.64s", text(arguments, 0));
}

static int run_oom_score_adj(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	char value[24];
	(void)jail;
	snprintf(value, sizeof value, "%s%lu", arguments->at[0]->negative ? "-" : "", number(arguments, 0));
	return mount_proc_write("self/oom_score_adj", value, failure);
}

static int run_umask(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	(void)failure;
	jail->umask = (mode_t)number(arguments, 0) & 0777;
	return 0;
}

static int run_capabilities(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	return privileges_read_sets(&jail->privileges, arguments->at[0], failure);
}

static int run_user(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	struct privileges *privileges = &jail->privileges;
	int64_t group;
	if (number(arguments, 0) >= UINT32_MAX || number(arguments, 1) >= UINT32_MAX ||
	    arguments->at[2]->count > MAX_GROUPS)
		return fail(failure, "IDs are below 4294967295, and at most %d groups", MAX_GROUPS);
	privileges->uid = (uid_t)number(arguments, 0);
	privileges->gid = (gid_t)number(arguments, 1);
	for (const struct json *item = arguments->at[2]->child; item; item = item->next) {
		if (!json_in_range(item, 0, UINT32_MAX - 1, &group))
			return fail(failure, "a group is not a number below 4294967295");
		privileges->groups[privileges->group_count++] = (gid_t)group;
	}
	return 0;
}

static int run_no_new_privileges(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	(void)arguments;
	(void)failure;
	jail->privileges.no_new_privileges = true;
	return 0;
}

// The filter itself was read before pivot_root, by steps_run.
static int run_seccomp(struct jail *jail, const struct arguments *arguments, struct failure *failure)
{
	(void)arguments;
	return jail->privileges.filter.filter ? 0 : fail(failure, "the filter was not read");
}

// Arguments: s string, p absolute path, n number from 0 up, i number, l list, o object.
static const struct kind {
	const char *name, *arguments;
	enum phase phase;
	int (*run)(struct jail *, const struct arguments *, struct failure *);
} kinds[] = {
	{ "overlay", "", ROOT, run_overlay },
	{ "mount", "sspns", TARGETS, run_mount },
	{ "bind", "ppn", TARGETS, run_bind },
	{ "device", "pnnn", TARGETS, run_device },
	{ "symlink", "sp", TARGETS, run_symlink },
	{ "pivot_root", "", PIVOT, run_pivot_root },
	{ "sysctl", "ss", INSIDE, run_sysctl },
	{ "readonly_path", "p", INSIDE, run_readonly_path },
	{ "mask_path", "p", INSIDE, run_mask_path },
	{ "root_readonly", "", INSIDE, run_root_readonly },
	{ "rlimit", "sii", INSIDE, run_rlimit },
	{ "oom_score_adj", "i", INSIDE, run_oom_score_adj },
	{ "umask", "n", INSIDE, run_umask },
	{ "capabilities", "o", CAPABILITIES, run_capabilities },
	{ "user", "nnl", USER, run_user },
	{ "no_new_privileges", "", NO_NEW_PRIVILEGES, run_no_new_privileges },
	{ "seccomp", "p", SECCOMP, run_seccomp },
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

int steps_check(const struct json *steps, struct failure *failure)
{
	unsigned seen = 0, index = 0;
	const unsigned several = 1U << TARGETS | 1U << INSIDE;
	const unsigned needed = 1U << ROOT | 1U << PIVOT | 1U << CAPABILITIES | 1U << USER;
	for (const struct json *step = steps->child; step; step = step->next, index++) {
		const struct kind *kind = step->type == JSON_ARRAY ? find_kind(step) : NULL;
		if (!kind)
			return fail(failure, "step %u: unknown kind", index);
		if (!arguments_fit(kind, step))
			return fail(failure, "step %u %s: wrong arguments", index, kind->name);
		unsigned here = 1U << kind->phase;
		if (seen >= here << 1 || (seen & here && !(several & here)))
			return fail(failure, "step %u %s: out of order or given twice", index, kind->name);
		seen |= here;
	}
	if ((seen & needed) != needed)
		return fail(failure, "steps lack one of overlay, pivot_root, capabilities, user");
	return 0;
}

// The file lies on the host, which is out of sight after pivot_root.
static int read_filter(struct jail *jail, const struct json *steps, struct failure *failure)
{
	for (const struct json *step = steps->child; step; step = step->next)
		if (find_kind(step)->phase == SECCOMP)
			return privileges_read_filter(&jail->privileges, step->child->next->string, failure);
	return 0;
}

int steps_run(struct jail *jail, const struct json *steps, struct failure *failure)
{
	unsigned index = 0;
	struct failure reason;
	if (read_filter(jail, steps, &reason) < 0)
		return fail(failure, "step seccomp: %.400s", reason.reason);
	for (const struct json *step = steps->child; step; step = step->next, index++) {
		const struct kind *kind = find_kind(step);
		struct arguments arguments = { 0 };
		const struct json *value = step->child->next;
		for (unsigned i = 0; value; value = value->next)
			arguments.at[i++] = value;
		if (kind->run(jail, &arguments, &reason) < 0)
			return fail(failure, "step %u %s: %.400s", index, kind->name, reason.reason);
	}
	return 0;
}
