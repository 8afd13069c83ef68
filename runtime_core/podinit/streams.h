// SPDX-License-Identifier: Apache-2.0
// The descriptors of a container's program.
#ifndef PODINIT_STREAMS_H
#define PODINIT_STREAMS_H

#include "jail.h"

// Standard input the null device, output and error these FIFOs, as the user's.
int streams_use_fifos(int root, int out, int err, uid_t uid, gid_t gid, struct failure *failure);

// A standard stream that is the host's null device becomes the container's.
int streams_reopen_null(int root, struct failure *failure);

// Closes everything but the standard streams, the preserved descriptors (which become 3, 4, …) and these two, which
// move behind them and close at exec; -1 stays.
int streams_settle(int preserved, int *channel, int *listener, struct failure *failure);

// Before anything else: closes all but the standard streams, `kept` (-1: none) and the preserved ones.
void streams_close_others(const int *kept, size_t count, int preserved);

#endif
