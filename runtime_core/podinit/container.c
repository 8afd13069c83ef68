// SPDX-License-Identifier: Apache-2.0
#include "container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "channel.h"
#include "event.h"
#include "external.h"
#include "lifecycle.h"
#include "jail.h"
#include "kernel.h"
#include "message.h"
#include "output.h"
#include "probe.h"
#include "starter.h"

#define EXIT_START_ERROR 128

static unsigned next_attempt(int base)
{
	unsigned next = 0;
	struct dirent *entry;
	int fd = openat(base, "rw", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		cleanup_close(&fd);
		return 0;
	}
	while ((entry = readdir(stream))) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);
		if (end != entry->d_name && *end == '\0' && number >= next && number < 1000000000)
			next = (unsigned)number + 1;
	}
	closedir(stream);
	return next;
}

int container_init(struct supervisor *supervisor, struct container *container, const struct member *member,
		   struct failure *failure)
{
	char path[sizeof "containers/" + NAME_SIZE];
	snprintf(path, sizeof path, "containers/%.63s", member->name);
	container->name = member->name;
	container->member = member;
	container->report.fd = container->out.source.fd = container->err.source.fd = -1;
	container->log = (struct log){ .fd = -1, .dir = -1 };
	container->stop_signal = SIGTERM;
	container->base = openat(supervisor->pod_dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (container->base < 0)
		return fail_at(failure, "open", path);
	container->attempt = next_attempt(container->base);
	container->restart_count = (unsigned)(log_highest(container->base) + 1);
	if (output_open(supervisor, container, &container->out, failure) < 0)
		return -1;
	return output_open(supervisor, container, &container->err, failure);
}

static int new_id(char id[static ID_SIZE], struct failure *failure)
{
	unsigned char bytes[(ID_SIZE - 1) / 2];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return fail_at(failure, "getrandom", "");
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

// The counter of OOM kills in "key value" lines; 0 when it cannot be read.
static uint64_t oom_count(const struct container *container)
{
	struct failure ignored;
	size_t length, key = container->oom_key ? strlen(container->oom_key) : 0;
	cleanup_free char *text =
		container->oom_file ? read_file(AT_FDCWD, container->oom_file, 4096, &length, &ignored) : NULL;
	for (char *line = text; line && *line; line += strspn(line, "\n")) {
		if (strncmp(line, container->oom_key, key) == 0 && line[key] == ' ')
			return strtoull(line + key + 1, NULL, 10);
		line += strcspn(line, "\n");
	}
	return 0;
}

static char *replace(char *old, const char *text)
{
	free(old);
	return text ? strdup(text) : NULL;
}

static void remember_plan(struct container *container, const struct container_plan *plan)
{
	container->hash = replace(container->hash, plan->hash);
	container->oom_file = replace(container->oom_file, plan->oom_file);
	container->oom_key = replace(container->oom_key, plan->oom_key);
	if (!container->oom_key)
		container->oom_file = replace(container->oom_file, NULL);
	container->stop_signal = (int)plan->stop_signal;
	container->oom_before = oom_count(container);
}

// Once it is in its cgroups the first process may go on. A failure is kept for its end, which comes at once.
static void let_go(const struct supervisor *supervisor, struct container *container, const struct container_plan *plan)
{
	struct failure failure;
	if (!supervisor->plan.runtime.path && starter_enter_cgroups(plan->process.cgroups, container->pid, &failure) < 0)
		snprintf(container->start_error, sizeof container->start_error, "%s", failure.reason);
	else if (channel_send(container->report.fd, MESSAGE_GO, "") == 0)
		return;
	kill(container->pid, SIGKILL);
}

static void on_report(struct supervisor *supervisor, struct source *source, uint32_t events);

// Clones the first process. From then on its end brings the news of a failure.
static int spawn(struct supervisor *supervisor, struct container *container, const struct container_plan *plan,
		 struct failure *failure)
{
	int pair[2];
	char folder[sizeof "containers/" + NAME_SIZE];
	struct namespaces namespaces;
	cleanup_fd int out = output_open_for_child(supervisor, container, &container->out);
	cleanup_fd int err = output_open_for_child(supervisor, container, &container->err);
	if (out < 0 || err < 0)
		return fail_at(failure, "open", "standard streams");
	if (namespaces_open(&namespaces, plan->namespaces, failure) < 0 || channel_pair(pair, failure) < 0)
		return -1;
	cleanup_fd int theirs = pair[1];
	container->report = (struct source){ .fd = pair[0], .handle = on_report };
	snprintf(folder, sizeof folder, "containers/%.63s", container->name);
	struct jail_start start = { .process = &plan->process,
				    .container = plan,
				    .namespaces = &namespaces,
				    .channel = theirs,
				    .listener = -1,
				    .console = -1,
				    .out = out,
				    .err = err,
				    .sandbox = supervisor->pause_fd,
				    .attempt = container->attempt,
				    .folder = folder,
				    .oom_score_adj = supervisor->oom_score_adj };
	const struct runtime_plan *runtime = supervisor->plan.runtime.path ? &supervisor->plan.runtime : NULL;
	uint64_t flags = runtime ? 0 : namespaces.create & ~(uint64_t)CLONE_NEWCGROUP;
	pid_t pid = source_watch(supervisor, &container->report, EPOLLIN) < 0 ? -1 : kernel_clone(flags, NULL);
	if (pid == 0 && runtime)
		external_main(&start, runtime);
	if (pid == 0)
		jail_main(&start);
	if (pid < 0) {
		fail_at(failure, "clone", container->name);
		source_close(supervisor, &container->report);
		return -1;
	}
	container->pid = pid;
	container->phase = PHASE_STARTING;
	let_go(supervisor, container, plan);
	return 0;
}

static void record_end(struct supervisor *supervisor, struct container *container, struct termination end);

static void start_failed(struct supervisor *supervisor, struct container *container, const char *message)
{
	struct termination end = { .exit_code = EXIT_START_ERROR, .reason = "StartError" };
	snprintf(end.message, sizeof end.message, "%s", message);
	record_end(supervisor, container, end);
}

void container_start(struct supervisor *supervisor, struct container *container)
{
	struct failure failure;
	struct container_plan plan = { 0 };
	if (container->started_once) {
		container->restart_count++;
		container->attempt++;
	}
	container->started_once = true;
	container->want_restart = false;
	container->start_error[0] = '\0';
	container->kill_at = 0;
	container->stop = (struct stop){ 0 };
	container->unhealthy = false;
	container->external = (struct external){ 0 };
	container->started = time(NULL);
	container->started_ms = monotonic_ms();
	supervisor->dirty = true;
	if (new_id(container->id, &failure) == 0 &&
	    log_open(&container->log, container->base, container->restart_count, &failure) == 0 &&
	    life_plan_read(&container->life, container->base, &failure) == 0 &&
	    message_prepare(container, &failure) == 0 &&
	    container_plan_read(&plan, container->base, container->name, &failure) == 0) {
		remember_plan(container, &plan);
		int result = spawn(supervisor, container, &plan, &failure);
		container_plan_free(&plan);
		if (result == 0)
			return;
	}
	start_failed(supervisor, container, failure.reason);
}

static void start_failing(struct container *container, const char *message)
{
	snprintf(container->start_error, sizeof container->start_error, "%s", message);
	if (container->external.created && !container->external.ended)
		kill(container->pid, SIGKILL);
}

// Its end means that the program was executed, or that the process died, which is told elsewhere.
static void read_report(struct supervisor *supervisor, struct container *container)
{
	struct failure failure;
	enum message message = channel_receive(container->report.fd, &failure);
	bool external = supervisor->plan.runtime.path;
	if (external && message == MESSAGE_CREATED && external_adopt(container, &failure) == 0)
		return;
	if (message != MESSAGE_END)
		start_failing(container, failure.reason);
	else if (external && !container->external.created)
		start_failing(container, "the process that drives the runtime ended before the container was created");
	source_close(supervisor, &container->report);
}

static void on_report(struct supervisor *supervisor, struct source *source, uint32_t events)
{
	(void)events;
	struct container *container = (struct container *)source;
	read_report(supervisor, container);
	if (container->report.fd < 0 && container->start_error[0] == '\0') {
		container->phase = PHASE_RUNNING;
		event_add(supervisor, container, "Normal", "Started", "Container started");
		probes_begin(container);
		lifecycle_begin(supervisor, container);
		container_note_start(container);
	}
	supervisor->dirty = true;
}

void container_note_start(struct container *container)
{
	container->ran |= container_has_started(container);
}

static void schedule(struct supervisor *supervisor, struct container *container, const struct termination *end)
{
	int64_t now = monotonic_ms();
	container->phase = PHASE_TERMINATED;
	if (supervisor->stopping || supervisor->ending != ENDING_NOT)
		return;
	if (container->want_restart) {
		container->phase = PHASE_WAITING;
		container->start_at = container->held ? INT64_MAX : now;
	} else if (restart_wanted(container->member, end->exit_code) ||
		   (container->unhealthy && container->member->restart != RESTART_NEVER)) {
		container->phase = PHASE_WAITING;
		container->start_at = now + backoff_next(&container->backoff, &supervisor->plan.backoff,
							 now - container->started_ms);
		if (container->backoff.delay > 0)
			event_back_off(supervisor, container);
	}
}

static void end_actions(struct container *container)
{
	lifecycle_end(container);
	probes_end(container);
	life_plan_free(&container->life);
}

static void record_end(struct supervisor *supervisor, struct container *container, struct termination end)
{
	end.set = true;
	end.started = container->started;
	end.finished = time(NULL);
	memcpy(end.id, container->id, sizeof end.id);
	container->previous = container->last;
	container->last = end;
	container->pid = 0;
	container->kill_at = 0;
	container->settled = true;
	log_close(&container->log);
	end_actions(container);
	event_end(supervisor, container);
	schedule(supervisor, container, &end);
	supervisor->dirty = true;
}

bool container_owns(const struct container *container, pid_t pid)
{
	return container->pid == pid || container->external.helper == pid;
}

// Nobody waits for a report of a helper that may still take its time.
static void read_last_reports(struct supervisor *supervisor, struct container *container, pid_t pid)
{
	while (container->report.fd >= 0 && (container->external.helper == 0 || container->external.helper == pid))
		read_report(supervisor, container);
}

void container_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code, int status)
{
	struct termination end = { .reason = "Completed" };
	read_last_reports(supervisor, container, pid);
	supervisor->dirty = true;
	if (pid == container->external.helper && (code != CLD_EXITED || status != 0) && !container->start_error[0])
		start_failing(container, "the process that drives the runtime was killed");
	if (external_reaped(container, pid, &code, &status))
		return;
	output_drain(&container->out);
	output_drain(&container->err);
	if (container->start_error[0]) {
		start_failed(supervisor, container, container->start_error);
		return;
	}
	end.signal = code == CLD_EXITED ? 0 : status;
	end.exit_code = code == CLD_EXITED ? status : 128 + status;
	if (end.exit_code != 0)
		end.reason = oom_count(container) > container->oom_before ? "OOMKilled" : "Error";
	message_read(container, &end);
	if (supervisor->lost)
		snprintf(end.message, sizeof end.message, "the pod's sandbox was lost: its pause process ended");
	record_end(supervisor, container, end);
}

void container_free(struct supervisor *supervisor, struct container *container)
{
	output_close(supervisor, container, &container->out);
	output_close(supervisor, container, &container->err);
	source_close(supervisor, &container->report);
	log_close(&container->log);
	end_actions(container);
	cleanup_close(&container->base);
	free(container->hash);
	free(container->oom_file);
	free(container->oom_key);
}
