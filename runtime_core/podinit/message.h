// SPDX-License-Identifier: Apache-2.0
// What a container says when it ends: the tail of a file that it may write, or of its log (terminationMessagePath).
#ifndef PODINIT_MESSAGE_H
#define PODINIT_MESSAGE_H

#include "supervisor.h"

// Empties the file in the container's folder, which its plan binds into the container.
int message_prepare(const struct container *container, struct failure *failure);
void message_read(const struct container *container, struct termination *end);

#endif
