// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <signal.h>
#include <sys/wait.h>

#include "container.h"
#include "event.h"

static const char *const titles[PROBE_KINDS] = { "Startup", "Liveness", "Readiness" };

static bool is_there(const struct container *container, enum probe_kind kind)
{
	return container->life.probes[kind].action;
}

bool container_has_started(const struct container *container)
{
	const struct probe *startup = &container->probes[PROBE_STARTUP];
	return container->phase == PHASE_RUNNING && (!is_there(container, PROBE_STARTUP) || startup->good);
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
	if (!is_there(container, kind) || container->phase != PHASE_RUNNING || probe->on_hold)
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
	container->ran |= container_has_started(container);
}

void probes_end(struct container *container)
{
	char text[ACTION_TEXT];
	for (size_t kind = 0; kind < PROBE_KINDS; kind++) {
		struct probe *probe = &container->probes[kind];
		if (probe->run.pid <= 0)
			continue;
		kill(probe->run.pid, SIGKILL);
		waitpid(probe->run.pid, NULL, 0);
		action_end(&probe->run, text);
	}
	life_plan_free(&container->life);
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
	char message[ACTION_TEXT + 64];
	if (!good) {
		snprintf(message, sizeof message, "%s probe failed: %s", titles[kind], text);
		event_add(supervisor, container, "Warning", "Unhealthy", message);
	}
	probe->in_a_row = probe->last == good ? probe->in_a_row + 1 : 1;
	probe->last = good;
	if (probe->in_a_row < (good ? plan->success : plan->failure))
		return;
	supervisor->dirty |= probe->good != good;
	probe->good = good;
	container->ran |= container_has_started(container);
	if (!good && kind != PROBE_READINESS)
		give_up(supervisor, container, kind);
}

static void try(const struct supervisor *supervisor, struct probe *probe, const struct probe_plan *plan, int64_t now)
{
	struct failure failure;
	probe->due = now + plan->period;
	if (action_start(&probe->run, plan->action, supervisor->pause_fd, &failure) < 0)
		dprintf(STDERR_FILENO, "%s\n", failure.reason); // says nothing about the container
	else
		probe->give_up_at = now + plan->timeout;
}

void probes_tick(struct supervisor *supervisor, struct container *container, int64_t now)
{
	for (enum probe_kind kind = 0; kind < PROBE_KINDS; kind++) {
		struct probe *probe = &container->probes[kind];
		if (probe->run.pid > 0 && now >= probe->give_up_at && !probe->late) {
			probe->late = true;
			kill(probe->run.pid, SIGKILL);
		} else if (probe->run.pid == 0 && now >= probe->due && is_its_time(container, kind)) {
			try(supervisor, probe, &container->life.probes[kind], now);
		}
	}
}

int64_t probes_next(const struct container *container)
{
	int64_t next = INT64_MAX;
	for (enum probe_kind kind = 0; kind < PROBE_KINDS; kind++) {
		const struct probe *probe = &container->probes[kind];
		int64_t at = INT64_MAX;
		if (probe->run.pid > 0)
			at = probe->late ? INT64_MAX : probe->give_up_at;
		else if (is_its_time(container, kind))
			at = probe->due;
		next = at < next ? at : next;
	}
	return next;
}

bool probes_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code, int status)
{
	for (enum probe_kind kind = 0; kind < PROBE_KINDS; kind++) {
		struct probe *probe = &container->probes[kind];
		char text[ACTION_TEXT];
		if (probe->run.pid != pid)
			continue;
		bool late = probe->late;
		probe->late = false;
		action_end(&probe->run, text);
		if (late)
			snprintf(text, sizeof text, "it took longer than %lld ms",
				 (long long)container->life.probes[kind].timeout);
		if (late || (code == CLD_EXITED && (status == ACTION_GOOD || status == ACTION_BAD)))
			conclude(supervisor, container, kind, !late && status == ACTION_GOOD, text);
		return true;
	}
	return false;
}
