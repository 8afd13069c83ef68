// SPDX-License-Identifier: Apache-2.0
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "affinity.h"
#include "channel.h"
#include "console.h"
#include "hooks.h"
#include "kernel.h"
#include "net.h"
#include "steps.h"
#include "streams.h"
#include "subpath.h"

#define EXIT_NOT_STARTED 128

void jail_reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		kernel_reset_signal(number); // KILL and STOP refuse, and are right as they are
	sigprocmask(SIG_SETMASK, &none, NULL);
}

// The caller's IDs may have no meaning in the user namespace, whose root the process is.
static int become_root(struct failure *failure)
{
	if (setgroups(0, NULL) < 0 && errno != EPERM) // EPERM: /proc/self/setgroups says deny
		return fail_at(failure, "setgroups", "in the user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail_at(failure, "become", "root of the user namespace (does it map ID 0?)");
	return 0;
}

static int enter_namespaces(const struct jail_start *start, struct failure *failure)
{
	if (channel_receive(start->channel, failure) != MESSAGE_GO)
		_exit(EXIT_NOT_STARTED); // who started it died
	if (start->user_namespace && become_root(failure) < 0)
		return -1;
	if (start->sandbox >= 0 && setns(start->sandbox, CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return fail_at(failure, "join", "the pod's namespaces");
	// Only now: the new namespace's root is the cgroup that the process is in.
	if (start->container && start->namespaces->create & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return fail_at(failure, "unshare", "cgroup namespace");
	if (start->container && start->namespaces->create & CLONE_NEWNET &&
	    net_loopback_up(failure->reason, sizeof failure->reason) < 0)
		return -1;
	if (start->process->keyring && kernel_new_session_keyring() < 0 && errno != ENOSYS)
		return fail_at(failure, "join", "a new session keyring");
	// The supervisor lowered its own; without a step of its own the container has what the caller had.
	if (start->oom_score_adj)
		return write_file(AT_FDCWD, "/proc/self/oom_score_adj", start->oom_score_adj, failure);
	return 0;
}

// Opened here: an fd of the supervisor's belongs to its mount namespace, in which this process cannot mount.
static int open_folder(const char *path, struct failure *failure)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return folder < 0 ? fail_at(failure, "open", path) : folder;
}

struct terminal {
	const struct jail_start *start;
	struct console console;
};

static int open_terminal(struct terminal *terminal, int root, struct failure *failure)
{
	const struct process_plan *process = terminal->start->process;
	if (!process->terminal)
		return 0;
	return console_open(&terminal->console, root, process->height, process->width, failure);
}

// Between the mounts and pivot_root: the image is in place, and the host still in sight.
static int on_mounted(struct jail *jail, struct failure *failure)
{
	struct terminal *terminal = jail->context;
	const struct container_plan *plan = terminal->start->container;
	if (open_terminal(terminal, jail->root, failure) < 0 ||
	    (terminal->start->process->terminal && console_mount(&terminal->console, jail->root, failure) < 0))
		return -1;
	if (hooks_of(plan->hooks, "prestart")->count + hooks_of(plan->hooks, "createRuntime")->count > 0 &&
	    channel_ask(terminal->start->channel, MESSAGE_MOUNTED, "", failure) < 0)
		return -1;
	return hooks_run(plan->hooks, "createContainer", plan->state, getpid(), failure);
}

static int set_streams(struct terminal *terminal, const struct jail *jail, struct failure *failure)
{
	const struct jail_start *start = terminal->start;
	const struct privileges *user = &jail->privileges;
	if (start->out >= 0)
		return streams_use_fifos(jail->root, start->out, start->err, user->uid, user->gid, failure);
	if (!start->process->terminal)
		return streams_reopen_null(jail->root, failure);
	if (console_attach(&terminal->console, user->uid, failure) < 0)
		return -1;
	return console_send(&terminal->console, start->console, failure);
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
static int find_program(const struct process_plan *plan, char program[static PATH_MAX], struct failure *failure)
{
	const char *name = plan->args[0], *path = search_path(plan->env);
	if (!name)
		return 0; // missed at the start
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

// The connection of who starts it: it learns what keeps the program from being executed.
static int wait_for_start(int listener, struct failure *failure)
{
	char byte;
	for (;;) {
		cleanup_fd int caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (caller < 0 && errno != EINTR && errno != ECONNABORTED)
			return fail_at(failure, "wait for", "the start");
		if (caller >= 0 && recv(caller, &byte, 1, 0) == 1)
			return steal_fd(&caller);
	}
}

// Somebody can still fetch the listener's descriptor from here.
static int give_listener(int listener, int channel, struct failure *failure)
{
	char number[12];
	if (listener <= 0)
		return listener;
	snprintf(number, sizeof number, "%d", listener);
	if (channel_ask(channel, MESSAGE_LISTENER, number, failure) < 0)
		return -1;
	close(listener);
	return 0;
}

// The last act before the program. A filter that somebody listens to is loaded earlier, while they can be told.
static bool filter_comes_last(const struct privileges *privileges)
{
	return privileges->no_new_privileges && !(privileges->listener_path && privileges->listener_path[0]);
}

static int become_user(const struct jail_start *start, const struct privileges *privileges, int channel,
		       struct failure *failure)
{
	int listener = privileges_apply(privileges, start->process->cwd, failure);
	if (give_listener(listener, channel, failure) < 0)
		return -1;
	if (!privileges->no_new_privileges || filter_comes_last(privileges))
		return 0;
	return give_listener(privileges_load_filter(privileges, failure), channel, failure);
}

// Who hears what goes wrong: the process that creates the container, later the one that starts it.
struct outlet {
	int fd;
	bool started;
};

// The created state.
static int wait_until_started(const struct jail_start *start, int listener, struct outlet *outlet,
			      struct failure *failure)
{
	const struct container_plan *plan = start->container;
	if (listener < 0)
		return 0;
	channel_send(outlet->fd, MESSAGE_READY, "");
	int caller = wait_for_start(listener, failure);
	if (caller < 0)
		return -1;
	close(outlet->fd);
	*outlet = (struct outlet){ .fd = caller, .started = true };
	return hooks_run(plan->hooks, "startContainer", plan->state, getpid(), failure);
}

// Returns only when it failed.
static int start_program(const struct jail_start *start, const struct privileges *privileges, struct outlet *outlet,
			 struct failure *failure)
{
	char program[PATH_MAX];
	int listener = start->listener;
	// Before the working directory is entered: no fd of the host may be reachable through it (CVE-2024-21626).
	if (streams_settle(start->preserved, &outlet->fd, &listener, failure) < 0)
		return -1;
	if (become_user(start, privileges, outlet->fd, failure) < 0 ||
	    find_program(start->process, program, failure) < 0 ||
	    wait_until_started(start, listener, outlet, failure) < 0)
		return -1;
	if (!start->process->args[0])
		return fail(failure, "process is missing in the configuration: there is nothing to start");
	if (start->affinity && affinity_set(start->affinity, failure) < 0)
		return -1;
	if (filter_comes_last(privileges) && privileges_load_filter(privileges, failure) < 0)
		return -1;
	execve(program, start->process->args, start->process->env);
	return fail_at(failure, "exec", program);
}

static int open_root(struct failure *failure)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? fail_at(failure, "open", "/") : root;
}

static int make_jail(struct terminal *terminal, struct jail *jail, struct failure *failure)
{
	const struct jail_start *start = terminal->start;
	umask(0);
	if (start->folder && (jail->base = open_folder(start->folder, failure)) < 0)
		return -1;
	if (start->container && subpaths_mount(jail->base, start->container->sub_paths, failure) < 0)
		return -1;
	if (!start->container && ((jail->root = open_root(failure)) < 0 || open_terminal(terminal, jail->root, failure) < 0))
		return -1;
	if (steps_run(jail, start->process->steps, failure) < 0 || set_streams(terminal, jail, failure) < 0)
		return -1;
	umask(jail->umask);
	return 0;
}

static void close_others(const struct jail_start *start)
{
	int kept[6 + MAX_SOURCES] = { start->channel, start->listener, start->console,
				      start->out,     start->err,      start->sandbox };
	size_t count = 6;
	for (size_t i = 0; i < start->source_count; i++)
		kept[count++] = start->sources[i];
	streams_close_others(kept, count, start->preserved);
}

_Noreturn void jail_main(const struct jail_start *start)
{
	struct failure failure;
	struct outlet outlet = { .fd = start->channel };
	struct terminal terminal = { .start = start, .console = { -1, -1 } };
	struct jail jail = { .base = -1,
			     .root = -1,
			     .attempt = start->attempt,
			     .umask = 022,
			     .cwd = start->process->cwd,
			     .user_namespace = start->user_namespace,
			     .sources = start->sources,
			     .source_count = start->source_count,
			     .hooks = on_mounted,
			     .context = &terminal };
	if (start->container)
		jail.lower = start->container->lower;
	if (start->filter)
		jail.privileges = *start->filter;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	close_others(start);
	jail_reset_signals();
	setsid();
	// Again: whoever connects is now told of this process (SO_PEERCRED), which can so be found without any record.
	if (start->listener >= 0)
		listen(start->listener, 8);
	if (enter_namespaces(start, &failure) == 0 && make_jail(&terminal, &jail, &failure) == 0)
		start_program(start, &jail.privileges, &outlet, &failure);
	if (outlet.started)
		send(outlet.fd, failure.reason, strlen(failure.reason), MSG_NOSIGNAL);
	else
		channel_send(outlet.fd, MESSAGE_FAILED, failure.reason);
	_exit(EXIT_NOT_STARTED);
}
