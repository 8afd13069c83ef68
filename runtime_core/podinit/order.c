// SPDX-License-Identifier: Apache-2.0
#include "order.h"

#include "container.h"
#include "event.h"

#define EVICTION_GRACE 1 // seconds, as the kubelet's for a pod that has to go at once

static bool is_done(const struct container *container)
{
	return container->phase == PHASE_TERMINATED && container->last.set && container->last.exit_code == 0;
}

// Whether the next container may start.
static bool gives_way(const struct container *container)
{
	switch (container->member->role) {
	case ROLE_INIT:
		return is_done(container);
	case ROLE_SIDECAR:
		return container->ran;
	case ROLE_MAIN:
		break;
	}
	return container->settled;
}

bool order_start(struct supervisor *supervisor, int64_t now)
{
	bool turn = true, settled = true;
	for (size_t i = 0; i < supervisor->count && !supervisor->stopping && supervisor->ending == ENDING_NOT; i++) {
		struct container *container = &supervisor->containers[i];
		if (container->phase == PHASE_WAITING && now >= container->start_at && (turn || container->settled))
			container_start(supervisor, container);
		settled = settled && (container->settled || container->phase == PHASE_RUNNING || !turn);
		turn = turn && gives_way(container);
	}
	return settled;
}

static void end(struct supervisor *supervisor, enum ending ending)
{
	supervisor->ending = ending;
	if (ending == ENDING_EVICTED)
		event_add(supervisor, NULL, "Warning", "Evicted", supervisor->storage.exceeded);
	containers_stop(supervisor, ending == ENDING_EVICTED ? EVICTION_GRACE : supervisor->plan.grace);
}

void order_end(struct supervisor *supervisor, int64_t now)
{
	bool all_ended = true, failed = false;
	if (supervisor->stopping || supervisor->ending != ENDING_NOT)
		return;
	for (size_t i = 0; i < supervisor->count; i++) {
		const struct container *container = &supervisor->containers[i];
		bool ended = container->phase == PHASE_TERMINATED;
		failed |= container->member->role == ROLE_INIT && ended && container->last.exit_code != 0;
		all_ended &= container->member->role != ROLE_MAIN || ended;
	}
	if (failed)
		end(supervisor, ENDING_INIT_FAILED);
	else if (all_ended)
		end(supervisor, ENDING_COMPLETE);
	else if (now >= supervisor->deadline)
		end(supervisor, ENDING_DEADLINE);
	else if (supervisor->storage.exceeded)
		end(supervisor, ENDING_EVICTED);
}

bool order_ends_next(const struct supervisor *supervisor, const struct container *container)
{
	if (container->member->role != ROLE_SIDECAR || !(supervisor->stopping || supervisor->ending != ENDING_NOT))
		return true;
	for (const struct container *other = container + 1; other < supervisor->containers + supervisor->count; other++)
		if (other->pid > 0 && other->member->role != ROLE_INIT)
			return false;
	return true;
}

void order_reopen(struct supervisor *supervisor)
{
	if (supervisor->ending != ENDING_COMPLETE)
		return;
	supervisor->ending = ENDING_NOT;
	for (size_t i = 0; i < supervisor->count; i++) {
		struct container *container = &supervisor->containers[i];
		if (container->member->role == ROLE_SIDECAR && container->phase == PHASE_TERMINATED)
			container->phase = PHASE_WAITING;
	}
}
