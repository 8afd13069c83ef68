// SPDX-License-Identifier: Apache-2.0
// What the supervisor knows of its pod, as JSON: the file RUN_DIR/state.json and the answer to "status".
#ifndef PODINIT_STATE_H
#define PODINIT_STATE_H

#include "supervisor.h"

void state_print(const struct supervisor *supervisor, struct buffer *out);
int state_write(const struct supervisor *supervisor, struct failure *failure); // replaces the file

#endif
