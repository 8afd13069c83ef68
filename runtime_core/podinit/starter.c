// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "channel.h"
#include "console.h"
#include "hooks.h"
#include "jail.h"
#include "kernel.h"
#include "self.h"

#define MAX_PRESERVED 1024

int starter_begin(char **argv, int *preserved, struct failure *failure)
{
	char *end;
	unsigned long number = strtoul(argv[2], &end, 10);
	if (end == argv[2] || *end || number > MAX_PRESERVED)
		return fail(failure, "%.40s is no number of descriptors", argv[2]);
	*preserved = (int)number;
	kernel_close_range((unsigned)(PRESERVED_FD + *preserved), KERNEL_LAST_FD);
	char *args[] = { (char *)"podinit", argv[0], argv[1], argv[2], NULL };
	if (self_run_from_readonly_mount(args, failure) < 0)
		return -1;
	for (int fd = REPORT_FD; fd < PRESERVED_FD + *preserved; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	// Whoever is inside a container that is joined must not get at this process' descriptors (CVE-2016-9962).
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	return 0;
}

static int connect_listener(const char *path, struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof address.sun_path)
		return fail(failure, "linux.seccomp.listenerPath %.200s is too long for a socket", path);
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return fail_at(failure, "connect to linux.seccomp.listenerPath", path);
	return steal_fd(&fd);
}

int starter_open(struct starter *starter, struct failure *failure)
{
	starter->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (starter->proc < 0)
		return fail_at(failure, "open", "/proc");
	starter->listener = -1;
	if (starter->process->listener[0])
		starter->listener = connect_listener(starter->process->listener, failure);
	return starter->process->listener[0] && starter->listener < 0 ? -1 : 0;
}

int starter_enter_cgroups(const struct json *cgroups, pid_t pid, struct failure *failure)
{
	char text[16], path[PATH_MAX];
	snprintf(text, sizeof text, "%d", pid);
	for (const struct json *item = cgroups->child; item; item = item->next) {
		int length = snprintf(path, sizeof path, "%s/cgroup.procs", item->string);
		errno = ENAMETOOLONG;
		if (length >= (int)sizeof path || write_file(AT_FDCWD, path, text, failure) < 0)
			return fail_at(failure, "enter cgroup", item->string);
	}
	return 0;
}

int64_t starter_start_time(int proc, pid_t pid)
{
	char path[32];
	struct failure ignored;
	size_t length;
	snprintf(path, sizeof path, "%d/stat", pid);
	cleanup_free char *text = read_file(proc, path, 4096, &length, &ignored);
	char *field = text ? strrchr(text, ')') : NULL; // the name before may hold anything
	for (int i = 2; field && i < 22; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	return field ? strtoll(field, NULL, 10) : -1;
}

// The runtime-spec's "container process state", with the descriptor (config-linux.md, "listenerPath").
static int forward_listener(const struct starter *starter, const char *number, struct failure *failure)
{
	struct buffer text = { 0 };
	cleanup_fd int pidfd = kernel_pidfd_open(starter->pid);
	cleanup_fd int listener = pidfd < 0 ? -1 : kernel_pidfd_getfd(pidfd, (int)strtol(number, NULL, 10));
	if (listener < 0 || starter->listener < 0)
		return fail_at(failure, "fetch", "the listener of the filter");
	buffer_print(&text, "{\"ociVersion\":\"1.2.0\",\"fds\":[\"seccompFd\"],\"pid\":%d,\"metadata\":", starter->pid);
	json_add_string(&text, starter->process->listener_metadata);
	if (starter->container && starter->container->state[0]) {
		buffer_print(&text, ",\"state\":");
		buffer_add(&text, starter->container->state, strlen(starter->container->state));
		buffer_print(&text, ",\"status\":\"creating\",\"pid\":%d}", starter->pid);
	}
	buffer_print(&text, "}");
	int result = text.failed ? fail(failure, "out of memory") : 0;
	if (result == 0 && send_file(starter->listener, listener, text.data, text.length) < 0)
		result = fail_at(failure, "send the listener to", starter->process->listener);
	buffer_free(&text);
	return result;
}

static int run_hooks(const struct starter *starter, struct failure *failure)
{
	const struct container_plan *plan = starter->container;
	if (!plan)
		return fail(failure, "a process that joins a container has no hooks");
	if (hooks_run(plan->hooks, "prestart", plan->state, starter->pid, failure) < 0)
		return -1;
	return hooks_run(plan->hooks, "createRuntime", plan->state, starter->pid, failure);
}

// What it says ends after "ready" or its exec; before, it may be a container's own program that speaks (a hook has run).
static int serve(struct starter *starter, struct failure *failure)
{
	bool mounted = false, listened = false;
	struct failure text;
	for (;;) {
		enum message message = channel_receive(starter->channel, &text);
		int result = 0;
		if (message == MESSAGE_READY && starter->container)
			return 0;
		if (message == MESSAGE_END && !starter->container)
			return 0;
		if (message == MESSAGE_MOUNTED && !mounted)
			result = run_hooks(starter, failure);
		else if (message == MESSAGE_LISTENER && !listened)
			result = forward_listener(starter, text.reason, failure);
		else
			return fail(failure, "%s", message == MESSAGE_FAILED && text.reason[0] ?
							    text.reason :
							    "the container's first process ended before it was created");
		if (result < 0)
			return -1;
		mounted |= message == MESSAGE_MOUNTED;
		listened |= message == MESSAGE_LISTENER;
		if (channel_send(starter->channel, MESSAGE_GO, "") < 0)
			return fail(failure, "the container's first process ended before it was created");
	}
}

int starter_follow(struct starter *starter, struct failure *failure)
{
	if (channel_send(starter->channel, MESSAGE_GO, "") < 0)
		return fail(failure, "the container's first process ended at once");
	return serve(starter, failure);
}

int starter_report(const struct starter *starter, int result, const struct failure *failure)
{
	struct buffer text = { 0 };
	if (result == 0) {
		buffer_print(&text, "{\"status\":\"ok\",\"pid\":%d,\"startTime\":%lld}\n", starter->pid,
			     (long long)starter_start_time(starter->proc, starter->pid));
	} else {
		buffer_print(&text, "{\"status\":\"error\",\"message\":");
		json_add_string(&text, failure->reason);
		buffer_print(&text, "}\n");
	}
	int written = text.failed ? -1 : write_all(REPORT_FD, text.data, text.length);
	buffer_free(&text);
	return result == 0 && written == 0 ? 0 : 1;
}
