// SPDX-License-Identifier: Apache-2.0
// The steps that set what the container's program is as a process: limits, scheduling, the name that a security module
// knows it by.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "kernel.h"
#include "procfs.h"
#include "step.h"

#define MAX_NODES 1024
#define BITS (8 * sizeof(unsigned long))

// The security module reads it at execve. That it is missing, or refuses, is an error: never run unconfined instead.
int run_apparmor(struct jail *jail, const struct step *step, struct failure *failure)
{
	char command[PATH_MAX + sizeof "exec "];
	struct failure reason;
	const char *profile = text(step, 0);
	int proc = jail_procfs(jail, failure);
	if (proc < 0)
		return -1;
	if (snprintf(command, sizeof command, "exec %s", profile) >= (int)sizeof command)
		return fail(failure, "profile %.200s… is too long", profile);
	if (procfs_write(proc, "self/attr/apparmor/exec", command, &reason) < 0)
		return fail(failure, "profile %.200s: %.250s (is AppArmor on, and the profile loaded?)", profile,
			    reason.reason);
	return 0;
}

int run_selinux(struct jail *jail, const struct step *step, struct failure *failure)
{
	struct failure reason;
	int proc = jail_procfs(jail, failure);
	if (proc < 0)
		return -1;
	if (procfs_write(proc, "self/attr/exec", text(step, 0), &reason) < 0)
		return fail(failure, "label %.200s: %.250s (is SELinux on?)", text(step, 0), reason.reason);
	return 0;
}

static int find_limit(const char *name)
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
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return i;
	return -1;
}

int check_rlimit(const struct step *step, struct failure *failure)
{
	return find_limit(text(step, 0)) < 0 ? fail(failure, "unknown limit %.64s", text(step, 0)) : 0;
}

// A value that it has already is not set again: a user namespace may not raise a limit, not even to what it is.
int run_rlimit(struct jail *jail, const struct step *step, struct failure *failure)
{
	int which = find_limit(text(step, 0));
	const struct json *soft = step->at[1], *hard = step->at[2];
	struct rlimit now, limit = {
		.rlim_cur = soft->negative ? RLIM_INFINITY : soft->magnitude,
		.rlim_max = hard->negative ? RLIM_INFINITY : hard->magnitude,
	};
	(void)jail;
	if (getrlimit(which, &now) == 0 && now.rlim_cur == limit.rlim_cur && now.rlim_max == limit.rlim_max)
		return 0;
	if (setrlimit(which, &limit) == 0)
		return 0;
	return fail(failure, "soft %lld, hard %lld: %s (at present: %lld, %lld)", (long long)limit.rlim_cur,
		    (long long)limit.rlim_max, strerror(errno), (long long)now.rlim_cur, (long long)now.rlim_max);
}

int run_oom_score_adj(struct jail *jail, const struct step *step, struct failure *failure)
{
	char value[24], now[24];
	int proc = jail_procfs(jail, failure);
	if (proc < 0 || procfs_read(proc, "self/oom_score_adj", now, sizeof now, failure) < 0)
		return -1;
	snprintf(value, sizeof value, "%s%llu", step->at[0]->negative ? "-" : "", (unsigned long long)number(step, 0));
	now[strcspn(now, "\n")] = '\0';
	return strcmp(now, value) == 0 ? 0 : procfs_write(proc, "self/oom_score_adj", value, failure);
}

int run_umask(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)failure;
	jail->umask = (mode_t)number(step, 0) & 0777;
	return 0;
}

int run_scheduler(struct jail *jail, const struct step *step, struct failure *failure)
{
	const struct json *nice = step->at[1];
	struct kernel_sched_attr attr = {
		.size = sizeof attr,
		.policy = (uint32_t)number(step, 0),
		.nice = (int32_t)(nice->negative ? -(int64_t)nice->magnitude : (int64_t)nice->magnitude),
		.priority = (uint32_t)number(step, 2),
		.flags = number(step, 3),
		.runtime = number(step, 4),
		.deadline = number(step, 5),
		.period = number(step, 6),
	};
	(void)jail;
	if (number(step, 0) > UINT32_MAX || nice->magnitude > INT32_MAX || number(step, 2) > UINT32_MAX)
		return fail(failure, "no such policy, nice value or priority");
	return kernel_sched_setattr(&attr) < 0 ? fail_at(failure, "set", "the scheduling policy") : 0;
}

int run_io_priority(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)jail;
	if (number(step, 0) > 3 || number(step, 1) > 7)
		return fail(failure, "classes go to 3, priorities to 7");
	if (kernel_ioprio_set((int)(number(step, 0) << 13 | number(step, 1))) < 0)
		return fail_at(failure, "set", "the I/O priority");
	return 0;
}

int run_personality(struct jail *jail, const struct step *step, struct failure *failure)
{
	(void)jail;
	if (number(step, 0) >= UINT32_MAX) // 0xffffffff asks for the present one
		return fail(failure, "no such personality");
	return personality((unsigned long)number(step, 0)) < 0 ? fail_at(failure, "set", "the personality") : 0;
}

int run_memory_policy(struct jail *jail, const struct step *step, struct failure *failure)
{
	unsigned long nodes[MAX_NODES / BITS] = { 0 };
	int64_t node;
	(void)jail;
	if (number(step, 0) > 0xff || number(step, 1) > INT32_MAX)
		return fail(failure, "no such mode or flags");
	for (const struct json *item = step->at[2]->child; item; item = item->next) {
		if (!json_in_range(item, 0, MAX_NODES - 1, &node))
			return fail(failure, "a node is not a number below %d", MAX_NODES);
		nodes[(size_t)node / BITS] |= 1UL << (size_t)node % BITS;
	}
	bool any = step->at[2]->count > 0;
	int mode = (int)(number(step, 0) | number(step, 1));
	if (kernel_set_mempolicy(mode, any ? nodes : NULL, any ? MAX_NODES : 0) < 0)
		return fail_at(failure, "set", "the memory policy");
	return 0;
}
