// SPDX-License-Identifier: Apache-2.0
// agent.sock: JSON objects, one a line, at most 1 MiB each, answered in order on every connection.
#ifndef PODINIT_AGENT_H
#define PODINIT_AGENT_H

#include "supervisor.h"

int agent_listen(struct supervisor *supervisor, struct failure *failure);
void agent_settle(struct supervisor *supervisor); // answers updates that are through; call when containers changed
void agent_end(struct supervisor *supervisor);    // removes the socket, answers those who wait for the stop, closes all

#endif
