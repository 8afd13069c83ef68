// SPDX-License-Identifier: Apache-2.0
// Carries a plan's steps out as the runtime does, for tests of their interface: in a user namespace (the IDs 0 to 65535
// are those from 100000 on the host) with all other namespaces new too, or as an exec does, in the caller's namespaces.
//
// usage: steps_driver userns|exec PLAN; PLAN is {"steps", "args", "cwd", "deny", "hostPid"}
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel.h"
#include "steps.h"

static void die(const struct failure *failure)
{
	fprintf(stderr, "%s\n", failure->reason);
	_exit(125);
}

static void run(struct jail *jail, const struct json *plan, bool exec)
{
	struct failure failure;
	char *args[16] = { NULL }, *env[] = { "PATH=/bin", NULL };
	size_t count = 0;
	for (const struct json *item = json_get(plan, "args")->child; item && count < 15; item = item->next)
		args[count++] = (char *)item->string;
	umask(0);
	if (steps_run(jail, json_get(plan, "steps"), &failure) < 0)
		die(&failure);
	umask(jail->umask);
	if (!exec)
		kernel_close_range(3, KERNEL_LAST_FD);
	int listener = privileges_apply(&jail->privileges, jail->cwd, &failure);
	if (listener == 0 && jail->privileges.no_new_privileges)
		listener = privileges_load_filter(&jail->privileges, &failure);
	if (listener < 0)
		die(&failure);
	if (listener > 0)
		printf("listener %s %s\n", jail->privileges.listener_path, jail->privileges.listener_metadata);
	fflush(stdout);
	execve(args[0], args, env);
	fail_at(&failure, "exec", args[0]);
	die(&failure);
}

static void write_maps(pid_t pid, bool deny, struct failure *failure)
{
	const char *const files[][2] = { { "setgroups", deny ? "deny" : "allow" },
					 { "uid_map", "0 100000 65536\n" },
					 { "gid_map", "0 100000 65536\n" } };
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i][0]);
		if (write_file(AT_FDCWD, path, files[i][1], failure) < 0)
			die(failure);
	}
}

static int in_user_namespace(struct jail *jail, const struct json *plan)
{
	int ends[2], status;
	char byte;
	struct failure failure;
	const struct json *steps = json_get(plan, "steps");
	cleanup_free int *sources = calloc(steps->count, sizeof *sources);
	if (steps_raise_limits(steps, &failure) < 0 || steps_read_filter(steps, &jail->privileges, &failure) < 0 ||
	    steps_prepare(steps, sources, steps->count, &failure) < 0)
		die(&failure);
	jail->sources = sources;
	jail->source_count = steps->count;
	if (pipe(ends) < 0)
		return 125;
	const uint64_t always = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	pid_t pid = kernel_clone(always | (json_get(plan, "hostPid")->type == JSON_TRUE ? 0 : CLONE_NEWPID), NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, 9);
		close(ends[1]);
		if (read(ends[0], &byte, 1) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			_exit(125);
		run(jail, plan, false);
	}
	write_maps(pid, json_get(plan, "deny")->type == JSON_TRUE, &failure);
	close(ends[1]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char *args[])
{
	struct failure failure;
	struct json_document plan;
	bool exec = count == 3 && strcmp(args[1], "exec") == 0;
	if (count != 3)
		return 2;
	if (json_read_file(&plan, AT_FDCWD, args[2], &failure) < 0 ||
	    steps_check(json_get(plan.root, "steps"), exec, &failure) < 0)
		die(&failure);
	struct jail jail = { .base = -1, .root = -1, .umask = 022, .cwd = json_get(plan.root, "cwd")->string,
			     .user_namespace = !exec };
	if (exec)
		run(&jail, plan.root, true);
	return in_user_namespace(&jail, plan.root);
}
