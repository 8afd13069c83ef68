// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kernel.h"
#include "net.h"
#include "overlay.h"
#include "share.h"

#define PAUSE_TIMEOUT 30 // seconds for one answer of pause
#define SYNC_FD 3

static int enter_cgroups(const struct sandbox_plan *plan, struct failure *failure)
{
	for (const struct json *item = plan->cgroups->child; item; item = item->next) {
		cleanup_fd int dir = open(item->string, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || write_file(dir, "cgroup.procs", "0", failure) < 0)
			return fail_at(failure, "enter cgroup", item->string);
	}
	return 0;
}

// Mounts a tmpfs on a folder of the pod.
static int mount_memory(const struct supervisor *supervisor, const char *name, unsigned long flags,
			const char *options, struct failure *failure)
{
	char path[32];
	cleanup_fd int folder = openat(supervisor->pod_dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", folder);
	if (folder < 0 || mount("shm", path, "tmpfs", flags, options) < 0)
		return fail_at(failure, "mount tmpfs on", name);
	return 0;
}

// No size (0) leaves it to the kernel, which gives half of the memory. What is made in a group's volume is the group's.
static int mount_volume(const struct supervisor *supervisor, const struct json *volume, struct failure *failure)
{
	const char *path;
	char options[96];
	int64_t size, group = 0;
	bool owned = json_get(volume, "group");
	if (json_text(volume, "path", &path, failure) < 0 ||
	    json_integer(volume, "size", 0, INT64_MAX, &size, failure) < 0 ||
	    (owned && json_integer(volume, "group", 0, INT32_MAX, &group, failure) < 0))
		return -1;
	int length = snprintf(options, sizeof options, owned ? "mode=3777,gid=%lld" : "mode=1777", (long long)group);
	if (size)
		snprintf(options + length, sizeof options - (size_t)length, ",size=%lld", (long long)size);
	return mount_memory(supervisor, path, MS_NOSUID | MS_NODEV, options, failure);
}

static int mount_image(const struct supervisor *supervisor, const struct json *row, struct failure *failure)
{
	char path[sizeof "volumes/" + NAME_SIZE];
	struct failure reason;
	snprintf(path, sizeof path, "volumes/%.63s", row->child->string);
	cleanup_fd int folder = openat(supervisor->pod_dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return fail_at(failure, "open", path);
	if (overlay_mount_image(folder, row->child->next, &reason) < 0)
		return fail(failure, "%s: %.400s", path, reason.reason);
	return 0;
}

static int mount_shared(const struct supervisor *supervisor, struct failure *failure)
{
	char options[64];
	const struct sandbox_plan *plan = &supervisor->plan;
	snprintf(options, sizeof options, "mode=1777,size=%lld", (long long)plan->shm_size);
	if (mount_memory(supervisor, "shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, options, failure) < 0)
		return -1;
	for (const struct json *item = plan->memory_volumes->child; item; item = item->next)
		if (mount_volume(supervisor, item, failure) < 0)
			return -1;
	for (const struct json *row = plan->images->child; row; row = row->next)
		if (mount_image(supervisor, row, failure) < 0)
			return -1;
	return 0;
}

// One message each way: an empty answer (one NUL) is success.
static int tell(int sync, const char *text)
{
	return send(sync, text, strlen(text) + 1, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int hear(int sync, struct failure *failure)
{
	char text[sizeof failure->reason];
	ssize_t got = recv(sync, text, sizeof text, 0);
	if (got <= 0 || text[got - 1] != '\0')
		return fail(failure, "the pause process ended or did not answer");
	return text[0] ? fail(failure, "%s", text) : 0;
}

// No pod has an IPv6 address, and with IPv6 every pod would take a router advertisement of any other for the truth
// (CVE-2020-10749). It is the default for interfaces to come: lo keeps ::1.
static int silence_ipv6(char *reason, size_t size)
{
	struct failure failure;
	if (write_file(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", &failure) == 0 || errno == ENOENT)
		return 0;
	snprintf(reason, size, "%s", failure.reason);
	return -1;
}

static int set_sysctls(const struct sandbox_plan *plan, char *reason, size_t size)
{
	char path[sizeof "/proc/sys/" + MAX_SYSCTL];
	struct failure failure;
	for (const struct json *row = plan->sysctls->child; row; row = row->next) {
		snprintf(path, sizeof path, "/proc/sys/%s", row->child->string);
		if (write_file(AT_FDCWD, path, row->child->next->string, &failure) < 0) {
			snprintf(reason, size, "%.400s", failure.reason);
			return -1;
		}
	}
	return 0;
}

static int pause_prepare(const struct sandbox_plan *plan, char *reason, size_t size)
{
	if (sethostname(plan->hostname, strlen(plan->hostname)) < 0) {
		snprintf(reason, size, "hostname %.64s: %s", plan->hostname, strerror(errno));
		return -1;
	}
	if (silence_ipv6(reason, size) < 0 || net_loopback_up(reason, size) < 0)
		return -1;
	return plan->networked ? 0 : set_sysctls(plan, reason, size);
}

static void pause_close_descriptors(int sync)
{
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < SYNC_FD; fd++)
		dup2(null, fd);
	// The lock among them: it is the supervisor's life that it stands for.
	dup2(sync, SYNC_FD);
	kernel_close_range(SYNC_FD + 1, KERNEL_LAST_FD);
}

_Noreturn static void pause_main(const struct sandbox_plan *plan, int sync)
{
	sigset_t none;
	struct failure failure = { 0 };
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigemptyset(&none);
	sigaction(SIGPIPE, &standard, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "pause", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setsid();
	pause_close_descriptors(sync);
	int result = pause_prepare(plan, failure.reason, sizeof failure.reason);
	if (tell(SYNC_FD, failure.reason) < 0 || result < 0)
		_exit(1);
	if (plan->networked) {
		if (hear(SYNC_FD, &failure) < 0) // the veth could not be made, or the supervisor died
			_exit(1);
		result = net_configure(&plan->network, failure.reason, sizeof failure.reason);
		if (result == 0) // some are an interface's
			result = set_sysctls(plan, failure.reason, sizeof failure.reason);
		if (tell(SYNC_FD, failure.reason) < 0 || result < 0)
			_exit(1);
	}
	close(SYNC_FD);
	for (;;)
		pause();
}

static int connect_network(struct supervisor *supervisor, int sync, struct failure *failure)
{
	const struct net_config *network = &supervisor->plan.network;
	if (!supervisor->plan.networked)
		return 0;
	// A pair of this name can only be what a killed supervisor of this pod left: we hold the pod's lock.
	if (net_detach(network->host_ifname, failure->reason, sizeof failure->reason) < 0 ||
	    net_attach(network, supervisor->pause, failure->reason, sizeof failure->reason) < 0)
		return -1;
	if (tell(sync, "") < 0)
		return fail_at(failure, "tell", "pause");
	return hear(sync, failure);
}

static int start_pause(struct supervisor *supervisor, struct failure *failure)
{
	int pair[2];
	struct timeval timeout = { .tv_sec = PAUSE_TIMEOUT };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_at(failure, "socketpair", "");
	cleanup_fd int ours = pair[0], theirs = pair[1];
	pid_t pid = kernel_clone(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, &supervisor->pause_fd);
	if (pid == 0)
		pause_main(&supervisor->plan, theirs);
	if (pid < 0)
		return fail_at(failure, "clone", "pause");
	supervisor->pause = pid;
	close(steal_fd(&theirs));
	setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	return hear(ours, failure) < 0 ? -1 : connect_network(supervisor, ours, failure);
}

int sandbox_start(struct supervisor *supervisor, struct failure *failure)
{
	if (enter_cgroups(&supervisor->plan, failure) < 0 || mount_shared(supervisor, failure) < 0 ||
	    share_own(&supervisor->plan, supervisor->pod_dir, failure) < 0)
		return -1;
	return start_pause(supervisor, failure);
}

int sandbox_end(struct supervisor *supervisor, struct failure *failure)
{
	int result = 0;
	if (supervisor->plan.networked)
		result = net_detach(supervisor->plan.network.host_ifname, failure->reason, sizeof failure->reason);
	if (supervisor->pause > 0) {
		kill(supervisor->pause, SIGKILL);
		waitpid(supervisor->pause, NULL, 0);
		supervisor->pause = 0;
	}
	return result;
}
