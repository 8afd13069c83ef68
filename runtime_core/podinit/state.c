// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <fcntl.h>

#include "probe.h"

// Of all that podwright and this program tell each other: state.json, the plans, the agent's answers. Goes up when a
// podwright of one form cannot drive a supervisor of another (pods/supervisor.py has it too).
#define FORM 2

static void print_text(struct buffer *out, const char *key, const char *text)
{
	buffer_print(out, "\"%s\":", key);
	json_add_string(out, text ? text : "");
}

static void print_time(struct buffer *out, const char *key, time_t seconds)
{
	char text[TIME_TEXT];
	time_text(seconds, text);
	buffer_print(out, "\"%s\":\"%s\"", key, text);
}

static void print_terminated(struct buffer *out, const struct termination *end)
{
	buffer_print(out, "{\"terminated\":{\"exitCode\":%d,", end->exit_code);
	if (end->signal)
		buffer_print(out, "\"signal\":%d,", end->signal);
	print_text(out, "reason", end->reason);
	if (end->message[0]) {
		buffer_add(out, ",", 1);
		print_text(out, "message", end->message);
	}
	buffer_add(out, ",", 1);
	print_time(out, "startedAt", end->started);
	buffer_add(out, ",", 1);
	print_time(out, "finishedAt", end->finished);
	buffer_print(out, ",\"containerID\":\"podwright://%s\"}}", end->id);
}

static void print_waiting(const struct supervisor *supervisor, const struct container *container, struct buffer *out)
{
	char message[512], delay[16];
	const struct sandbox_plan *plan = &supervisor->plan;
	if (container->phase != PHASE_WAITING || container->backoff.delay == 0) {
		// the first ones of the plan are not main ones, if any is not
		bool initializes = supervisor->containers[0].member->role != ROLE_MAIN;
		buffer_print(out, "{\"waiting\":{\"reason\":\"%s\"}}",
			     initializes ? "PodInitializing" : "ContainerCreating");
		return;
	}
	backoff_text(container->backoff.delay, delay);
	snprintf(message, sizeof message, "back-off %s restarting failed container=%s pod=%s_%s(%s)", delay,
		 container->name, plan->name, plan->namespace, plan->uid);
	buffer_print(out, "{\"waiting\":{\"reason\":\"CrashLoopBackOff\",");
	print_text(out, "message", message);
	buffer_print(out, "}}");
}

static void print_container(const struct supervisor *supervisor, const struct container *container, struct buffer *out)
{
	const struct termination *before = &container->last;
	buffer_add(out, "{", 1);
	print_text(out, "name", container->name);
	buffer_add(out, ",", 1);
	print_text(out, "hash", container->hash);
	buffer_print(out, ",\"containerID\":\"%s\",\"pid\":%d", container->id, container->pid);
	buffer_print(out, ",\"started\":%s,\"ready\":%s", container_has_started(container) ? "true" : "false",
		     container_is_ready(container) ? "true" : "false");
	buffer_print(out, ",\"restartCount\":%u,\"attempt\":%u,\"state\":", container->restart_count, container->attempt);
	if (container->phase == PHASE_RUNNING) {
		buffer_print(out, "{\"running\":{");
		print_time(out, "startedAt", container->started);
		buffer_print(out, "}}");
	} else if (container->phase == PHASE_TERMINATED && container->last.set) {
		print_terminated(out, &container->last);
		before = &container->previous;
	} else {
		print_waiting(supervisor, container, out);
	}
	buffer_print(out, ",\"lastState\":");
	if (before->set)
		print_terminated(out, before);
	else
		buffer_print(out, "{}");
	buffer_add(out, "}", 1);
}

void state_print(const struct supervisor *supervisor, struct buffer *out)
{
	buffer_print(out, "{\"version\":%d,\"supervisorPid\":%d,\"pausePid\":%d,", FORM, getpid(), supervisor->pause);
	print_time(out, "startedAt", supervisor->started);
	if (supervisor->ending == ENDING_DEADLINE)
		buffer_print(out, ",\"reason\":\"DeadlineExceeded\"");
	if (supervisor->ending == ENDING_EVICTED) {
		buffer_print(out, ",\"reason\":\"Evicted\",");
		print_text(out, "message", supervisor->storage.exceeded);
	}
	buffer_print(out, ",\"containers\":[");
	for (size_t i = 0; i < supervisor->count; i++) {
		if (i > 0)
			buffer_add(out, ",", 1);
		print_container(supervisor, &supervisor->containers[i], out);
	}
	buffer_print(out, "]}");
}

int state_write(const struct supervisor *supervisor, struct failure *failure)
{
	struct buffer out = { 0 };
	int result = 0;
	state_print(supervisor, &out);
	buffer_add(&out, "\n", 1);
	cleanup_fd int fd = openat(supervisor->run_dir, ".state.json.tmp",
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || out.failed || write_all(fd, out.data, out.length) < 0 ||
	    renameat(supervisor->run_dir, ".state.json.tmp", supervisor->run_dir, "state.json") < 0)
		result = fail_at(failure, "write", "state.json");
	buffer_free(&out);
	return result;
}
