// SPDX-License-Identifier: Apache-2.0
// Hooks of the OCI runtime-spec (config.md, "POSIX-platform Hooks").
#ifndef PODINIT_HOOKS_H
#define PODINIT_HOOKS_H

#include <sys/types.h>

#include "json.h"

// The plan's hooks of one kind: paths, arguments, environments and timeouts. A missing kind is an empty list.
const struct json *hooks_of(const struct json *hooks, const char *kind);
int hooks_check(const struct json *hooks, struct failure *failure);

// Runs them one after another in the caller's namespaces. Each gets the container's state on its standard input: `state`
// (a JSON object that lacks its end), completed by the status "created" and the process ID. The first that fails, or
// overstays its timeout, ends it; what it said last is in the failure.
int hooks_run(const struct json *hooks, const char *kind, const char *state, pid_t pid, struct failure *failure);

#endif
