// SPDX-License-Identifier: Apache-2.0
// podinit create DIR N: the container of DIR/plan.json up to where its program would be executed. Its first process is
// a child of whoever runs this, and waits at DIR/start.sock.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "affinity.h"
#include "channel.h"
#include "jail.h"
#include "kernel.h"
#include "netdevice.h"
#include "podinit.h"
#include "split.h"
#include "starter.h"
#include "steps.h"

struct creation {
	struct container_plan plan;
	struct namespaces namespaces;
	struct starter starter;
	struct privileges filter;
	int sources[MAX_SOURCES];
	size_t source_count;
	int folder, preserved, channel, listener;
	bool user_namespace;
};

// A path socket, which only root reaches, and never an abstract one (CVE-2020-15257).
static int listen_for_start(int folder, struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/start.sock", folder);
	mode_t before = umask(0177);
	bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 8) == 0;
	umask(before);
	return bound ? steal_fd(&fd) : fail_at(failure, "listen at", "start.sock");
}

static int load(struct creation *creation, const char *folder, struct failure *failure)
{
	int pair[2];
	creation->folder = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (creation->folder < 0)
		return fail_at(failure, "open", folder);
	if (container_plan_read(&creation->plan, creation->folder, NULL, failure) < 0 ||
	    namespaces_open(&creation->namespaces, creation->plan.namespaces, failure) < 0)
		return -1;
	creation->user_namespace = namespaces_has(&creation->namespaces, CLONE_NEWUSER);
	creation->starter.process = &creation->plan.process;
	creation->starter.container = &creation->plan;
	if (starter_open(&creation->starter, failure) < 0 || channel_pair(pair, failure) < 0)
		return -1;
	creation->starter.channel = pair[0];
	creation->channel = pair[1];
	creation->listener = listen_for_start(creation->folder, failure);
	return creation->listener < 0 ? -1 : 0;
}

// What the container's user namespace would forbid is done outside of it and inherited.
static int prepare(struct creation *creation, struct failure *failure)
{
	const struct json *steps = creation->plan.process.steps;
	umask(0);
	affinity_reset();
	if (!creation->user_namespace)
		return 0;
	if (steps->count > MAX_SOURCES)
		return fail(failure, "a plan with a user namespace has at most %d steps", MAX_SOURCES);
	creation->source_count = steps->count;
	if (steps_prepare(steps, creation->sources, steps->count, failure) < 0)
		return -1;
	if (steps_read_filter(steps, &creation->filter, failure) < 0)
		return -1;
	return steps_raise_limits(steps, failure);
}

static pid_t clone_first_process(struct creation *creation, struct failure *failure)
{
	struct jail_start start = { .process = &creation->plan.process,
				    .container = &creation->plan,
				    .namespaces = &creation->namespaces,
				    .channel = creation->channel,
				    .listener = creation->listener,
				    .console = creation->plan.process.terminal ? CONSOLE_FD : -1,
				    .out = -1,
				    .err = -1,
				    .preserved = creation->preserved,
				    .sandbox = -1,
				    .user_namespace = creation->user_namespace,
				    .sources = creation->source_count ? creation->sources : NULL,
				    .source_count = creation->source_count,
				    .filter = creation->user_namespace ? &creation->filter : NULL };
	// A time namespace is made before, for its offsets; a cgroup namespace after, when the process is in its cgroup.
	uint64_t flags = creation->namespaces.create & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME);
	if (creation->namespaces.create & CLONE_NEWTIME &&
	    namespaces_new_time(creation->plan.time_offsets, failure) < 0)
		return -1;
	pid_t pid = kernel_clone(flags | KERNEL_CLONE_PARENT, NULL);
	if (pid == 0)
		jail_main(&start);
	close(steal_fd(&creation->channel)); // or its end would not be noticed
	return pid < 0 ? namespaces_refused(flags, "the container's first process", failure) : pid;
}

// The outside's part, in the namespaces of whoever runs this.
static int follow(struct creation *creation, struct failure *failure)
{
	const struct container_plan *plan = &creation->plan;
	struct starter *starter = &creation->starter;
	cleanup_fd int pidfd = kernel_pidfd_open(starter->pid);
	int result = 0;
	if (plan->uid_mappings->count > 0)
		result = namespaces_map(starter->pid, plan->uid_mappings, plan->gid_mappings, failure);
	if (result == 0)
		result = starter_enter_cgroups(plan->process.cgroups, starter->pid, failure);
	if (result == 0)
		result = netdevices_move(plan->net_devices, starter->pid, failure);
	if (result == 0)
		result = starter_follow(starter, failure);
	if (result < 0 && pidfd >= 0)
		kernel_pidfd_send_signal(pidfd, SIGKILL);
	return starter_report(starter, result, failure);
}

// To join a namespace is not always to come back: so another process stays outside and does the outside's part.
static int join_and_clone(struct creation *creation, struct failure *failure)
{
	struct split *split = NULL;
	int side = split_begin(&split, &creation->starter, creation->channel, failure);
	if (side > 0)
		_exit(follow(creation, failure));
	if (!split)
		return -1;
	cleanup_close(&creation->folder);
	pid_t pid = side < 0 || namespaces_join(&creation->namespaces, failure) < 0 ?
		-1 : clone_first_process(creation, failure);
	return split_end(split, pid, failure);
}

static int create(struct creation *creation, const char *folder, struct failure *failure)
{
	if (load(creation, folder, failure) < 0 || prepare(creation, failure) < 0)
		return -1;
	if (namespaces_joins(&creation->namespaces) || creation->namespaces.create & CLONE_NEWTIME)
		return join_and_clone(creation, failure);
	creation->starter.pid = clone_first_process(creation, failure);
	return creation->starter.pid < 0 ? -1 : follow(creation, failure);
}

int create_main(int argc, char **argv)
{
	struct failure failure = { 0 };
	struct creation creation = { .folder = -1, .channel = -1, .listener = -1 };
	if (argc != 3) {
		fputs("usage: podinit create DIR DESCRIPTORS\n", stderr);
		return 2;
	}
	int result = starter_begin(argv, &creation.preserved, &failure);
	if (result == 0)
		result = create(&creation, argv[1], &failure);
	return result < 0 ? starter_report(&creation.starter, -1, &failure) : result;
}
