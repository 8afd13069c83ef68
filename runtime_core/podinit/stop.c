// SPDX-License-Identifier: Apache-2.0
// The ends of container.h: signals, and for how long each container may take.
#include <signal.h>

#include "container.h"
#include "event.h"
#include "external.h"
#include "lifecycle.h"
#include "order.h"
#include "probe.h"

#define LEAST_GRACE_MS 2000 // from its stop signal on, however late that came; as the kubelet

// What a runtime that is creating the container needs to end well, and any container that was sent its signal late.
static int64_t least_patience(const struct supervisor *supervisor, const struct container *container)
{
	return external_creates(supervisor, container) ? EXTERNAL_PATIENCE_MS : LEAST_GRACE_MS;
}

static void kill_by(struct container *container, int64_t deadline)
{
	if (container->kill_at == 0 || deadline < container->kill_at)
		container->kill_at = deadline;
}

void container_stop(struct supervisor *supervisor, struct container *container, int64_t grace)
{
	struct stop *stop = &container->stop;
	int64_t now = monotonic_ms(), by = now + grace * 1000;
	if (container->pid == 0) {
		container->phase = PHASE_TERMINATED;
		supervisor->dirty = true;
		return;
	}
	bool first = !stop->wanted;
	if (first || by < stop->by)
		stop->by = by;
	stop->wanted = true;
	if (first && grace > 0 && container->phase == PHASE_RUNNING)
		lifecycle_stop(supervisor, container);
	if (grace == 0 && !external_creates(supervisor, container)) {
		stop->signalled = true;
		kill_by(container, now);
	} else if (stop->signalled) {
		by = now + least_patience(supervisor, container);
		kill_by(container, by > stop->by ? by : stop->by);
	}
}

// Before exec the signal would find no handler, and PID 1 of a namespace ignores what it does not handle.
static void send_stop_signal(struct supervisor *supervisor, struct container *container, int64_t now)
{
	int64_t least = now + least_patience(supervisor, container);
	container->stop.signalled = true;
	if (!external_creates(supervisor, container))
		kill(container->pid, container->phase == PHASE_STARTING ? SIGKILL : container->stop_signal);
	kill_by(container, container->stop.by > least ? container->stop.by : least);
}

// Once: a stop may be asked for again.
static void tell(const struct supervisor *supervisor, const struct container *container, const char *before,
		 const char *after)
{
	char message[128];
	if (container->pid == 0 || container->stop.wanted)
		return;
	snprintf(message, sizeof message, "%s %.63s%s", before, container->name, after);
	event_add(supervisor, container, "Normal", "Killing", message);
}

void containers_stop(struct supervisor *supervisor, int64_t grace)
{
	supervisor->dirty = true;
	for (size_t i = 0; i < supervisor->count; i++) {
		struct container *container = &supervisor->containers[i];
		container->want_restart = false;
		tell(supervisor, container, "Stopping container", "");
		container_stop(supervisor, container, grace);
	}
}

void container_update(struct supervisor *supervisor, struct container *container, int64_t grace, bool hold)
{
	container->backoff = (struct backoff){ 0 };
	supervisor->dirty = true; // whatever follows, somebody waits for it
	if (!container->started_once) // it will be, from the new plan
		return;
	order_reopen(supervisor);
	if (supervisor->ending != ENDING_NOT) // it shall not run any more
		return;
	container->want_restart = true;
	container->held = hold;
	tell(supervisor, container, "Container", " definition changed, will be restarted");
	container_stop(supervisor, container, grace);
	if (container->pid == 0) {
		container->phase = PHASE_WAITING;
		container->start_at = hold ? INT64_MAX : monotonic_ms();
	}
}

void container_tick(struct supervisor *supervisor, struct container *container, int64_t now)
{
	const struct stop *stop = &container->stop;
	if (container->pid > 0 && stop->wanted && !stop->signalled &&
	    (now >= stop->by || (!lifecycle_delays_stop(container) && order_ends_next(supervisor, container))))
		send_stop_signal(supervisor, container, now);
	probes_tick(supervisor, container, now);
	if (container->pid > 0 && container->kill_at > 0 && now >= container->kill_at) {
		kill(container->pid, SIGKILL);
		if (container->external.helper > 0)
			kill(container->external.helper, SIGKILL);
		container->kill_at = INT64_MAX;
	}
}
