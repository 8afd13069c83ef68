// SPDX-License-Identifier: Apache-2.0
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "kernel.h"
#include "paths.h"
#include "steps.h"

#define EXIT_NOT_STARTED 128
#define REPORT_FD 3

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		kernel_reset_signal(number); // KILL and STOP refuse, and are right as they are
	sigprocmask(SIG_SETMASK, &none, NULL);
}

// Nothing else of the supervisor's: not its lock and its sockets, which stand for its life, nor the end of `go` that is
// written to. Standard error still leads to its log.
static void close_others(const struct jail_start *start)
{
	const int kept[] = { start->pause, start->go, start->report, start->out, start->err };
	unsigned first = STDERR_FILENO + 1, next;
	do {
		next = KERNEL_LAST_FD;
		for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
			if ((unsigned)kept[i] >= first && (unsigned)kept[i] < next)
				next = (unsigned)kept[i];
		if (next > first)
			kernel_close_range(first, next - 1);
		first = next + 1;
	} while (next != KERNEL_LAST_FD);
}

static int join_pod(const struct jail_start *start, struct failure *failure)
{
	char byte;
	if (read(start->go, &byte, 1) != 1)
		_exit(EXIT_NOT_STARTED); // the supervisor died
	if (setns(start->pause, CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return fail_at(failure, "join", "the pod's namespaces");
	// Only now: the new namespace's root is the cgroup that the process is in.
	if (unshare(CLONE_NEWCGROUP) < 0 && errno != EINVAL && errno != ENOSYS)
		return fail_at(failure, "unshare", "cgroup namespace");
	if (kernel_new_session_keyring() < 0 && errno != ENOSYS)
		return fail_at(failure, "join", "a new session keyring");
	return 0;
}

// The supervisor lowered its own; without a step of its own the container has what the caller had.
static int reset_oom_score(const struct jail_start *start, struct failure *failure)
{
	return write_file(AT_FDCWD, "/proc/self/oom_score_adj", start->oom_score_adj, failure);
}

// Files that the image's user may open again as /dev/stdout; a FIFO of ours, never a device (a host's /dev/null).
static int give_fifo(int fd, int as, const struct privileges *privileges, struct failure *failure)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode))
		return fail(failure, "standard stream %d is not a FIFO", as);
	if (fchown(fd, privileges->uid, privileges->gid) < 0 || dup2(fd, as) < 0)
		return fail_at(failure, "set up", "standard streams");
	return 0;
}

static int set_streams(const struct jail_start *start, const struct jail *jail, struct failure *failure)
{
	cleanup_fd int path = open_in_root(jail->root, "/dev/null", O_NOFOLLOW);
	if (path < 0 || !is_null_device(path))
		return fail(failure, "/dev/null is missing or not the null device");
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (null < 0 || !is_null_device(null) || dup2(null, STDIN_FILENO) < 0)
		return fail_at(failure, "open", "/dev/null");
	if (give_fifo(start->out, STDOUT_FILENO, &jail->privileges, failure) < 0)
		return -1;
	return give_fifo(start->err, STDERR_FILENO, &jail->privileges, failure);
}

static bool is_program(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return false;
	errno = EACCES;
	return S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static const char *search_path(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return NULL;
}

// Looks argv[0] up as the container's user, before the filter: a strict one leaves nothing but execve.
static int find_program(const struct container_plan *plan, char program[static PATH_MAX], struct failure *failure)
{
	const char *name = plan->args[0], *path = search_path(plan->env);
	if (strchr(name, '/')) {
		snprintf(program, PATH_MAX, "%s", name);
		return is_program(program) ? 0 : fail_at(failure, "exec", name);
	}
	for (; path && *path; path += *path == ':') {
		int length = (int)strcspn(path, ":");
		int size = snprintf(program, PATH_MAX, "%.*s/%s", length, path, name);
		if (path[0] == '/' && size < PATH_MAX && is_program(program))
			return 0;
		path += length;
	}
	return fail(failure, "exec %.300s: executable file not found in $PATH", name);
}

// Opened here: an fd of the supervisor's belongs to its mount namespace, in which this process cannot mount.
static int open_folder(const struct container_plan *plan, struct failure *failure)
{
	char path[sizeof "containers/" + NAME_SIZE];
	snprintf(path, sizeof path, "containers/%.63s", plan->name);
	int base = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return base < 0 ? fail_at(failure, "open", path) : base;
}

static int start_program(const struct jail_start *start, struct jail *jail, struct failure *failure)
{
	char program[PATH_MAX];
	umask(0);
	jail->base = open_folder(start->plan, failure);
	if (jail->base < 0)
		return -1;
	if (steps_run(jail, start->plan->steps, failure) < 0 || set_streams(start, jail, failure) < 0)
		return -1;
	umask(jail->umask);
	// Before the working directory is entered: no fd of the host may be reachable through it (CVE-2024-21626).
	if (start->report != REPORT_FD && dup3(start->report, REPORT_FD, O_CLOEXEC) < 0)
		return fail_at(failure, "dup", "report");
	if (kernel_close_range(REPORT_FD + 1, KERNEL_LAST_FD) < 0)
		return fail_at(failure, "close", "descriptors");
	if (privileges_apply(&jail->privileges, start->plan->cwd, failure) < 0 ||
	    find_program(start->plan, program, failure) < 0)
		return -1;
	if (jail->privileges.no_new_privileges && privileges_load_filter(&jail->privileges, failure) < 0)
		return -1;
	execve(program, start->plan->args, start->plan->env);
	return fail_at(failure, "exec", program);
}

_Noreturn void jail_main(const struct jail_start *start)
{
	struct failure failure;
	struct jail jail = { .base = -1,
			     .root = -1,
			     .attempt = start->attempt,
			     .umask = 022,
			     .lower = start->plan->lower,
			     .cwd = start->plan->cwd };
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	close_others(start);
	reset_signals();
	setsid();
	if (join_pod(start, &failure) == 0 && reset_oom_score(start, &failure) == 0)
		start_program(start, &jail, &failure);
	// After start_program closed the original, the report is at its new place.
	if (write(start->report, failure.reason, strlen(failure.reason)) < 0)
		(void)!write(REPORT_FD, failure.reason, strlen(failure.reason));
	_exit(EXIT_NOT_STARTED);
}
