// SPDX-License-Identifier: Apache-2.0
#include "lifecycle.h"

#include <sys/wait.h>

#include "container.h"
#include "event.h"

static const char *const titles[HOOK_KINDS] = { "PostStart", "PreStop" };

// What a hook leads to, whatever came of it.
static void conclude(struct supervisor *supervisor, struct container *container, enum hook_kind kind, const char *error)
{
	char reason[32], message[ACTION_TEXT + 64];
	supervisor->dirty = true;
	container->hooks[kind].done = !error;
	if (error) {
		snprintf(reason, sizeof reason, "Failed%sHook", titles[kind]);
		snprintf(message, sizeof message, "%sHook failed: %s", titles[kind], error);
		event_add(supervisor, container, "Warning", reason, message);
	}
	if (kind == HOOK_POST_START && !error) {
		container->settled = true;
		container_note_start(container);
	} else if (kind == HOOK_POST_START) {
		event_add(supervisor, container, "Normal", "Killing", "FailedPostStartHook");
		container_stop(supervisor, container, supervisor->plan.grace);
	}
}

static void run(struct supervisor *supervisor, struct container *container, enum hook_kind kind)
{
	struct failure failure;
	const struct json *action = container->life.hooks[kind];
	const struct action_target target = { supervisor->pause_fd, container->base, container->pid };
	if (action && action_start(&container->hooks[kind].run, action, &target, &failure) < 0)
		conclude(supervisor, container, kind, failure.reason);
}

void lifecycle_begin(struct supervisor *supervisor, struct container *container)
{
	for (size_t kind = 0; kind < HOOK_KINDS; kind++)
		container->hooks[kind] = (struct hook){ .run.text = -1, .done = !container->life.hooks[kind] };
	container->settled |= lifecycle_has_begun(container);
	run(supervisor, container, HOOK_POST_START);
}

void lifecycle_stop(struct supervisor *supervisor, struct container *container)
{
	action_cancel(&container->hooks[HOOK_POST_START].run);
	run(supervisor, container, HOOK_PRE_STOP);
}

void lifecycle_end(struct container *container)
{
	for (size_t kind = 0; kind < HOOK_KINDS; kind++)
		action_cancel(&container->hooks[kind].run);
}

bool lifecycle_has_begun(const struct container *container)
{
	return container->hooks[HOOK_POST_START].done;
}

bool lifecycle_delays_stop(const struct container *container)
{
	return container->hooks[HOOK_PRE_STOP].run.pid > 0;
}

bool lifecycle_reaped(struct supervisor *supervisor, struct container *container, pid_t pid, int code, int status)
{
	char text[ACTION_TEXT];
	for (enum hook_kind kind = 0; kind < HOOK_KINDS; kind++) {
		if (container->hooks[kind].run.pid != pid)
			continue;
		action_end(&container->hooks[kind].run, text);
		bool good = code == CLD_EXITED && (status == ACTION_GOOD || status == ACTION_WARNING);
		if (!good && text[0] == '\0')
			snprintf(text, sizeof text, "its process was killed");
		conclude(supervisor, container, kind, good ? NULL : text);
		return true;
	}
	return false;
}
