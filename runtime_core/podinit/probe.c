// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <signal.h>
#include <sys/wait.h>

#include "container.h"
#include "event.h"
#include "lifecycle.h"

#define MAX_TRIES 3	   // of one that says nothing about the container, as in the kubelet
#define PATIENCE_MS 2000 // with a process that is told to end

static const char *const titles[PROBE_KINDS] = { "Startup", "Liveness", "Readiness" };

static bool is_there(const struct container *container, enum probe_kind kind)
{
	return container->life.probes[kind].action;
}

bool container_has_started(const struct container *container)
{
	const struct probe *startup = &container->probes[PROBE_STARTUP];
	return container->phase == PHASE_RUNNING && lifecycle_has_begun(container) &&
		(!is_there(container, PROBE_STARTUP) || startup->good);
}

bool container_is_ready(const struct container *container)
{
	const struct probe *readiness = &container->probes[PROBE_READINESS];
	return container_has_started(container) && (!is_there(container, PROBE_READINESS) || readiness->good);
}

// Startup comes before the others, and is over when it was good once.
static bool is_its_time(const struct container *container, enum probe_kind kind)
{
	const struct probe *probe = &container->probes[kind];
	if (!is_there(container, kind) || container->phase != PHASE_RUNNING || probe->on_hold ||
	    !lifecycle_has_begun(container))
		return false;
	if (container->stop.wanted && kind != PROBE_READINESS)
		return false;
	return (kind == PROBE_STARTUP) != container_has_started(container);
}

void probes_begin(struct container *container)
{
	int64_t now = monotonic_ms();
	for (size_t kind = 0; kind < PROBE_KINDS; kind++)
		container->probes[kind] = (struct probe){ .run.text = -1, .due = now + container->life.probes[kind].delay };
}

void probes_end(struct container *container)
{
	for (size_t kind = 0; kind < PROBE_KINDS; kind++)
		action_cancel(&container->probes[kind].run);
}

static void tell(const struct supervisor *supervisor, const struct container *container, enum probe_kind kind,
		 const char *reason, const char *what, const char *text)
{
	char message[ACTION_TEXT + 64];
	snprintf(message, sizeof message, "%s probe %s: %s", titles[kind], what, text);
	event_add(supervisor, container, "Warning", reason, message);
}

// A failure that counts: the container is ended, and starts again unless its policy is Never.
static void give_up(struct supervisor *supervisor, struct container *container, enum probe_kind kind)
{
	char message[128];
	container->probes[kind].on_hold = true;
	container->unhealthy = true;
	snprintf(message, sizeof message, "Container %.63s failed %s probe%s", container->name,
		 kind == PROBE_STARTUP ? "startup" : "liveness",
		 container->member->restart == RESTART_NEVER ? "" : ", will be restarted");
	event_add(supervisor, container, "Normal", "Killing", message);
	container_stop(supervisor, container, container->life.probes[kind].grace);
}

static void conclude(struct supervisor *supervisor, struct container *container, enum probe_kind kind, bool good,
		     const char *text)
{
	struct probe *probe = &container->probes[kind];
	const struct probe_plan *plan = &container->life.probes[kind];
	if (!good)
		tell(supervisor, container, kind, "Unhealthy", "failed", text);
	probe->errors = 0;
	probe->in_a_row = probe->last == good ? probe->in_a_row + 1 : 1;
	probe->last = good;
	if (probe->in_a_row < (good ? plan->success : plan->failure))
		return;
	supervisor->dirty |= probe->good != good;
	probe->good = good;
	container_note_start(container);
	if (!good && kind != PROBE_READINESS)
		give_up(supervisor, container, kind);
}

// It says nothing about the container, and is tried again at once, but not for ever.
static void count_error(struct supervisor *supervisor, struct container *container, enum probe_kind kind,
			const char *text)
{
	struct probe *probe = &container->probes[kind];
	if (++probe->errors < MAX_TRIES) {
		probe->due = monotonic_ms();
		return;
	}
	probe->errors = 0;
	tell(supervisor, container, kind, "Unhealthy", "errored and resulted in unknown state", text);
}

static void try(struct supervisor *supervisor, struct container *container, enum probe_kind kind, int64_t now)
{
	struct failure failure;
	struct probe *probe = &container->probes[kind];
	const struct probe_plan *plan = &container->life.probes[kind];
	const struct action_target target = { supervisor->pause_fd, container->base, container->pid };
	probe->due = now + plan->period;
	probe->late = false;
	probe->give_up_at = now + plan->timeout;
	if (action_start(&probe->run, plan->action, &target, &failure) < 0) {
		probe->errors = MAX_TRIES; // this host is short of something
		count_error(supervisor, container, kind, failure.reason);
	}
}

static void give_up_try(struct probe *probe, int64_t now)
{
	kill(probe->run.pid, probe->late ? SIGKILL : SIGTERM);
	probe->give_up_at = probe->late ? INT64_MAX : now + PATIENCE_MS;
	probe->late = true;
}

void probes_tick(struct supervisor *supervisor, struct container *container, int64_t now)
{
	for (enum probe_kind kind = 0; kind < PROBE_KINDS; kind++) {
		struct probe *probe = &container->probes[kind];
		if (probe->run.pid > 0 && now >= probe->give_up_at)
			give_up_try(probe, now);
		else if (probe->run.pid == 0 && now >= probe->due && is_its_time(container, kind))
			try(supervisor, container, kind, now);
	}
}

int64_t probes_next(const struct container *container)
{
	int64_t next = INT64_MAX;
	for (enum probe_kind kind = 0; kind < PROBE_KINDS; kind++) {
		const struct probe *probe = &container->probes[kind];
		int64_t at = INT64_MAX;
		if (probe->run.pid > 0)
			at = probe->give_up_at;
		else if (is_its_time(container, kind))
			at = probe->due;
		next = at < next ? at : next;
	}
	return next;
}

// What came of a try: `text` is what its process said.
static void weigh(struct supervisor *supervisor, struct container *container, enum probe_kind kind, int result,
		  char text[static ACTION_TEXT])
{
	if (container->probes[kind].late) {
		snprintf(text, ACTION_TEXT, "it took longer than %lld ms",
			 (long long)container->life.probes[kind].timeout);
		result = ACTION_BAD;
	}
	if (result == ACTION_WARNING)
		tell(supervisor, container, kind, "ProbeWarning", "warning", text);
	if (result == ACTION_GOOD || result == ACTION_BAD || result == ACTION_WARNING)
		conclude(supervisor, container, kind, result != ACTION_BAD, text);
	else
		count_error(supervisor, container, kind, text);
}

bool probes_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code, int status)
{
	char text[ACTION_TEXT];
	for (enum probe_kind kind = 0; kind < PROBE_KINDS; kind++) {
		struct probe *probe = &container->probes[kind];
		if (probe->run.pid != pid)
			continue;
		action_end(&probe->run, text);
		weigh(supervisor, container, kind, code == CLD_EXITED ? status : ACTION_ERROR, text);
		return true;
	}
	return false;
}
