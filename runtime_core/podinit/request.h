// SPDX-License-Identifier: Apache-2.0
// The actions tcp, http and send (action.h): one connection, one request.
#ifndef PODINIT_REQUEST_H
#define PODINIT_REQUEST_H

#include "json.h"

#define REQUEST_LEADS_ELSEWHERE (-1)

int request_check(const struct json *action, struct failure *failure);

// In the action's process, in the pod's network: the exit code, or REQUEST_LEADS_ELSEWHERE for a redirection.
int request_run(const struct json *action, int text);

#endif
