// SPDX-License-Identifier: Apache-2.0
// podinit exec FILE N: a further process in a container that runs, by the plan in FILE. It is a child of whoever runs
// this; the report comes when its program is executed.
#include "exec.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "affinity.h"
#include "channel.h"
#include "jail.h"
#include "kernel.h"
#include "podinit.h"
#include "split.h"
#include "steps.h"

// The namespaces of the container, and of nothing that got its first process' number after it.
static int open_process(const struct starter *starter, const struct exec_plan *plan, uint64_t *joined,
		       struct failure *failure)
{
	cleanup_fd int target = kernel_pidfd_open((pid_t)plan->pid);
	if (target < 0 || starter_start_time(starter->proc, (pid_t)plan->pid) != plan->start_time)
		return fail(failure, "the container's first process, %lld, has ended", (long long)plan->pid);
	failure->reason[0] = '\0';
	*joined = namespaces_of(starter->proc, (pid_t)plan->pid, failure);
	return *joined == 0 && failure->reason[0] ? -1 : steal_fd(&target);
}

static int join(int target, const struct exec_plan *plan, uint64_t joined, struct failure *failure)
{
	cleanup_fd int owned = target;
	if (affinity_set(plan->initial_affinity, failure) < 0)
		return -1;
	// Before foreign code may run beside it: its cgroups. This process pays for the moment that it lives.
	if (starter_enter_cgroups(plan->process.cgroups, 0, failure) < 0)
		return -1;
	if (joined && setns(owned, (int)joined) < 0)
		return fail_at(failure, "join", "the container's namespaces");
	return 0;
}

static pid_t clone_into(const struct jail_start *jail, struct failure *failure)
{
	pid_t pid = kernel_clone(KERNEL_CLONE_PARENT, NULL);
	if (pid == 0)
		jail_main(jail);
	return pid < 0 ? fail_at(failure, "clone", "a process in the container") : pid;
}

int exec_start(struct starter *starter, const struct exec_plan *plan, int preserved, int output,
	       struct failure *failure)
{
	int pair[2];
	uint64_t joined = 0;
	struct privileges filter = { 0 };
	struct split *split = NULL;
	static const struct namespaces none = { 0 };
	if (starter_open(starter, failure) < 0 || channel_pair(pair, failure) < 0 ||
	    steps_read_filter(plan->process.steps, &filter, failure) < 0)
		return -1;
	starter->channel = pair[0];
	int target = open_process(starter, plan, &joined, failure);
	if (target < 0)
		return -1;
	int side = split_begin(&split, starter, pair[1], failure);
	if (side > 0)
		_exit(starter_report(starter, starter_follow(starter, failure), failure));
	if (!split)
		return -1;
	struct jail_start jail = { .process = &plan->process,
				   .namespaces = &none,
				   .channel = pair[1],
				   .listener = -1,
				   .console = plan->process.terminal ? CONSOLE_FD : -1,
				   .out = output,
				   .err = output,
				   .preserved = preserved,
				   .sandbox = -1,
				   .user_namespace = joined & CLONE_NEWUSER,
				   .affinity = plan->affinity,
				   .filter = &filter };
	pid_t pid = side < 0 || join(target, plan, joined, failure) < 0 ? -1 : clone_into(&jail, failure);
	close(pair[1]); // or its end would not be noticed
	return split_end(split, pid, failure);
}

int exec_main(int argc, char **argv)
{
	struct failure failure = { 0 };
	struct exec_plan plan = { 0 };
	struct starter starter = { .process = &plan.process, .proc = -1, .channel = -1, .listener = -1 };
	int preserved = 0;
	if (argc != 3) {
		fputs("usage: podinit exec FILE DESCRIPTORS\n", stderr);
		return 2;
	}
	int result = starter_begin(argv, &preserved, &failure);
	if (result == 0)
		result = exec_plan_read(&plan, argv[1], &failure);
	if (result == 0)
		result = exec_start(&starter, &plan, preserved, -1, &failure);
	return result < 0 ? starter_report(&starter, -1, &failure) : result;
}
