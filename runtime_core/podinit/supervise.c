// SPDX-License-Identifier: Apache-2.0
// podinit supervise: one pod, one loop, no threads. What can wait is a source of epoll or a deadline of its timeout.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "affinity.h"
#include "agent.h"
#include "container.h"
#include "fill.h"
#include "kernel.h"
#include "lifecycle.h"
#include "order.h"
#include "podinit.h"
#include "probe.h"
#include "sandbox.h"
#include "self.h"
#include "share.h"
#include "state.h"
#include "storage.h"

#define READY_FD 3
#define OOM_SCORE_ADJ "-999"
#define LOCK_PATIENCE_MS 1000
#define LOCK_PAUSE_MS 5

// True: it was a process of this container's.
static bool reaped(struct supervisor *supervisor, struct container *container, const siginfo_t *info)
{
	pid_t pid = info->si_pid;
	int code = info->si_code, status = info->si_status;
	if (probes_reaped(supervisor, container, pid, code, status) ||
	    lifecycle_reaped(supervisor, container, pid, code, status))
		return true;
	if (!container_owns(container, pid))
		return false;
	container_reaped(supervisor, container, pid, code, status);
	return true;
}

static void reap(struct supervisor *supervisor)
{
	siginfo_t info = { 0 };
	for (; waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid > 0; info.si_pid = 0) {
		if (info.si_code == CLD_TRAPPED) // a container may ask its parent to trace it; then its stops come unasked
			continue;
		if (info.si_pid == supervisor->pause) { // without it the next start would be in other namespaces
			supervisor->pause = 0;
			supervisor->lost = !supervisor->stopping;
			supervisor->stopping = true;
			containers_stop(supervisor, 0);
		}
		if (storage_reaped(supervisor, &info))
			continue;
		for (size_t i = 0; i < supervisor->count; i++)
			if (reaped(supervisor, &supervisor->containers[i], &info))
				break;
	}
}

static void on_signal(struct supervisor *supervisor, struct source *source, uint32_t events)
{
	struct signalfd_siginfo info;
	(void)events;
	if (read(source->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGCHLD) {
		reap(supervisor);
		return;
	}
	supervisor->stopping = true;
	containers_stop(supervisor, supervisor->plan.grace);
}

static void tell_ready(struct supervisor *supervisor, const char *error)
{
	struct buffer line = { 0 };
	if (supervisor->ready < 0)
		return;
	if (error) {
		buffer_print(&line, "{\"status\":\"error\",\"message\":");
		json_add_string(&line, error);
		buffer_print(&line, "}\n");
	} else {
		buffer_print(&line, "{\"status\":\"ok\"}\n");
	}
	(void)!write(supervisor->ready, line.data, line.length);
	buffer_free(&line);
	close(supervisor->ready);
	supervisor->ready = -1;
}

// Milliseconds until the next deadline, for epoll_wait; -1 when there is none.
static int next_timeout(const struct supervisor *supervisor, int64_t now)
{
	bool ends = supervisor->stopping || supervisor->ending != ENDING_NOT;
	int64_t next = ends ? INT64_MAX : supervisor->deadline;
	if (storage_next(supervisor) < next)
		next = storage_next(supervisor);
	for (size_t i = 0; i < supervisor->count; i++) {
		const struct container *container = &supervisor->containers[i];
		if (container->pid > 0 && container->kill_at > 0 && container->kill_at < next)
			next = container->kill_at;
		if (container->pid > 0 && container->stop.wanted && !container->stop.signalled && container->stop.by < next)
			next = container->stop.by;
		if (probes_next(container) < next)
			next = probes_next(container);
		if (container->phase == PHASE_WAITING && container->started_once && container->start_at < next)
			next = container->start_at;
	}
	if (next == INT64_MAX)
		return -1;
	return next <= now ? 0 : next - now > INT_MAX ? INT_MAX : (int)(next - now);
}

static bool all_gone(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (supervisor->containers[i].pid > 0)
			return false;
	return true;
}

// What follows from the last event: starts and kills that are due, answers, the state file.
static void act(struct supervisor *supervisor)
{
	struct failure failure;
	int64_t now = monotonic_ms();
	storage_tick(supervisor, now);
	order_end(supervisor, now);
	for (size_t i = 0; i < supervisor->count; i++)
		container_tick(supervisor, &supervisor->containers[i], now);
	bool settled = order_start(supervisor, now);
	if (!supervisor->dirty)
		return;
	supervisor->dirty = false;
	if (state_write(supervisor, &failure) < 0) // tried again at the next change: the pod matters more
		dprintf(STDERR_FILENO, "%s\n", failure.reason);
	if (settled && !supervisor->stopping)
		tell_ready(supervisor, NULL);
	agent_settle(supervisor);
}

static void loop(struct supervisor *supervisor)
{
	int64_t deadline = supervisor->plan.deadline;
	supervisor->deadline = deadline > 0 ? monotonic_ms() + deadline : INT64_MAX;
	supervisor->dirty = true;
	for (;;) {
		struct epoll_event event; // one at a time, for a handler may free what another event points to
		act(supervisor);
		if (supervisor->stopping && all_gone(supervisor))
			return;
		int count = epoll_wait(supervisor->epoll, &event, 1, next_timeout(supervisor, monotonic_ms()));
		if (count == 1) {
			struct source *source = event.data.ptr;
			source->handle(supervisor, source, event.events);
		}
	}
}

// Who only asks whether a supervisor lives holds the lock for a moment, so one refusal says nothing.
static int take_lock(struct supervisor *supervisor, struct failure *failure)
{
	supervisor->lock = openat(supervisor->run_dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (supervisor->lock < 0)
		return fail_at(failure, "open", "lock");
	for (int waited = 0; flock(supervisor->lock, LOCK_EX | LOCK_NB) < 0; waited += LOCK_PAUSE_MS) {
		if (errno != EWOULDBLOCK)
			return fail_at(failure, "take", "lock");
		if (waited >= LOCK_PATIENCE_MS)
			return fail(failure, "lock: the pod has a supervisor");
		poll(NULL, 0, LOCK_PAUSE_MS);
	}
	return 0;
}

// The caller may live long and must not have to wait for us: the process that it spawned ends here, well.
static int go_to_background(struct failure *failure)
{
	pid_t pid = fork();
	if (pid < 0)
		return fail_at(failure, "fork", "the supervisor");
	if (pid > 0)
		_exit(0);
	setsid();
	return 0;
}

// What a caller's shell or service may use up is no limit of the pod's: that is in its cgroups. Where root may not
// raise a hard limit, at least the soft one goes up to it.
static void drop_callers_limits(void)
{
	static const int kinds[] = { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_DATA };
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
		if (setrlimit(kinds[i], &limit) == 0 || getrlimit(kinds[i], &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(kinds[i], &limit);
	}
	affinity_reset();
}

// From here on SIGCHLD and SIGTERM come through the loop.
static int prepare_process(struct supervisor *supervisor, char **argv, struct failure *failure)
{
	sigset_t mask;
	struct stat status;
	supervisor->ready = fstat(READY_FD, &status) == 0 && S_ISFIFO(status.st_mode) ? READY_FD : -1;
	// Nothing of the caller's comes along.
	kernel_close_range(supervisor->ready < 0 ? READY_FD : READY_FD + 1, KERNEL_LAST_FD);
	char *args[] = { (char *)"podinit", argv[0], argv[1], argv[2], NULL };
	if (self_run_from_readonly_mount(args, failure) < 0 || go_to_background(failure) < 0)
		return -1;
	if (supervisor->ready >= 0)
		fcntl(supervisor->ready, F_SETFD, FD_CLOEXEC);
	umask(022);
	drop_callers_limits();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); // a log at the caller's limit of file size is like one on a full disk
	signal(SIGCHLD, SIG_DFL); // ignored, as a caller may have it, the kernel would reap without a word to us
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	supervisor->epoll = epoll_create1(EPOLL_CLOEXEC);
	supervisor->signals = (struct source){ signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK), on_signal };
	if (supervisor->epoll < 0 || source_watch(supervisor, &supervisor->signals, EPOLLIN) < 0)
		return fail_at(failure, "epoll", "and signalfd");
	return 0;
}

// A container's oom_score_adj is its own; ours shall be the last to go. Not every host permits that.
static int lower_oom_score(struct supervisor *supervisor, struct failure *failure)
{
	struct failure ignored;
	size_t length;
	cleanup_free char *before = read_file(AT_FDCWD, "/proc/self/oom_score_adj", 15, &length, failure);
	if (!before)
		return -1;
	memcpy(supervisor->oom_score_adj, before, length + 1);
	write_file(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE_ADJ, &ignored);
	return 0;
}

// The pod's folder becomes the working directory, which a clone finds again in its own copy of the mounts.
static int enter_folders(struct supervisor *supervisor, char **argv, struct failure *failure)
{
	// First of all: an fd opened before belongs to the host's namespace, where nothing may be mounted on it.
	if (unshare(CLONE_NEWNS) < 0) // share_isolate does the rest, with the plan at hand
		return fail_at(failure, "unshare", "mount namespace");
	supervisor->run_dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (supervisor->run_dir < 0)
		return fail_at(failure, "open", argv[2]);
	if (chdir(argv[1]) < 0)
		return fail_at(failure, "chdir", argv[1]);
	supervisor->pod_dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return supervisor->pod_dir < 0 ? fail_at(failure, "open", argv[1]) : 0;
}

static int load_containers(struct supervisor *supervisor, struct failure *failure)
{
	const struct sandbox_plan *plan = &supervisor->plan;
	if (plan->count > 0 && !(supervisor->containers = calloc(plan->count, sizeof(struct container))))
		return fail(failure, "out of memory");
	for (size_t i = 0; i < plan->count; i++)
		if (container_init(supervisor, &supervisor->containers[supervisor->count++], &plan->members[i], failure) < 0)
			return -1;
	return 0;
}

static int start_pod(struct supervisor *supervisor, struct failure *failure)
{
	if (share_isolate(&supervisor->plan, supervisor->pod_dir, failure) < 0)
		return -1;
	// What a runtime leaves behind when it ends, the container's first process, becomes a child of this one.
	if (supervisor->plan.runtime.path && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return fail_at(failure, "become", "a subreaper");
	if (lower_oom_score(supervisor, failure) < 0 || load_containers(supervisor, failure) < 0 ||
	    sandbox_start(supervisor, failure) < 0)
		return -1;
	return agent_listen(supervisor, failure) < 0 ? -1 : fill_await(supervisor, failure);
}

// In this order, so that an answered "stop" means that nothing but this process and state.json is left.
static void end_pod(struct supervisor *supervisor)
{
	struct failure failure;
	storage_end(supervisor);
	if (sandbox_end(supervisor, &supervisor->stop_failure) < 0)
		dprintf(STDERR_FILENO, "%s\n", supervisor->stop_failure.reason);
	if (supervisor->listener.fd >= 0 && state_write(supervisor, &failure) < 0) // no PID in it lives any more
		dprintf(STDERR_FILENO, "%s\n", failure.reason);
	for (size_t i = 0; i < supervisor->count; i++)
		container_free(supervisor, &supervisor->containers[i]);
	supervisor->count = 0;
	agent_end(supervisor);
	free(supervisor->containers);
}

int supervise_main(int argc, char **argv)
{
	struct failure failure = { 0 };
	struct supervisor supervisor = { .pod_dir = -1, .run_dir = -1, .lock = -1, .pause_fd = -1, .started = time(NULL) };
	supervisor.listener.fd = -1;
	if (argc != 3) {
		fputs("usage: podinit supervise POD_DIR RUN_DIR\n", stderr);
		return 2;
	}
	bool failed = prepare_process(&supervisor, argv, &failure) < 0 || enter_folders(&supervisor, argv, &failure) < 0 ||
		take_lock(&supervisor, &failure) < 0 ||
		sandbox_plan_read(&supervisor.plan, supervisor.pod_dir, &failure) < 0;
	if (!failed) {
		failed = start_pod(&supervisor, &failure) < 0;
		if (!failed)
			loop(&supervisor);
		end_pod(&supervisor);
		if (!failed) // nothing is said twice
			tell_ready(&supervisor, "the pod was stopped before all its containers had started");
	}
	if (failed) {
		dprintf(STDERR_FILENO, "%s\n", failure.reason);
		tell_ready(&supervisor, failure.reason);
	}
	json_free(&supervisor.plan.document);
	return failed || supervisor.lost ? 1 : 0;
}
