// SPDX-License-Identifier: Apache-2.0
// events.log in the pod's folder: one JSON object a line, of what happened to a container, or (NULL) to the pod.
#ifndef PODINIT_EVENT_H
#define PODINIT_EVENT_H

#include "supervisor.h"

// The words are Kubernetes': type Normal or Warning, reason "Unhealthy", "Killing"… What cannot be written is dropped.
void event_add(const struct supervisor *supervisor, const struct container *container, const char *type,
	       const char *reason, const char *message);

void event_end(const struct supervisor *supervisor, const struct container *container); // its last one
void event_back_off(const struct supervisor *supervisor, const struct container *container);

#endif
