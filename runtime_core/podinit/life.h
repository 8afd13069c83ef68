// SPDX-License-Identifier: Apache-2.0
// life.json: what the supervisor does for a container while it runs, besides starting and ending it.
#ifndef PODINIT_LIFE_H
#define PODINIT_LIFE_H

#include "json.h"

enum hook_kind { HOOK_POST_START, HOOK_PRE_STOP, HOOK_KINDS };
enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };

struct probe_plan {
	const struct json *action; // see action.h; NULL: there is no such probe
	int64_t delay, period, timeout; // ms
	int64_t success, failure; // this often in a row, before it counts
	int64_t grace; // seconds, of a container that it ends
};

struct life_plan {
	struct json_document document;
	struct probe_plan probes[PROBE_KINDS];
	const struct json *hooks[HOOK_KINDS]; // their actions; NULL: there is none
	bool message;		 // it may write one for its end
	bool message_falls_back; // to its log, after an error
};

int life_plan_read(struct life_plan *plan, int base, struct failure *failure); // from the container's folder
void life_plan_free(struct life_plan *plan);

#endif
