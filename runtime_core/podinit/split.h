// SPDX-License-Identifier: Apache-2.0
// Joining a container's namespaces takes two processes: one stays outside, with all that is the host's, and the other
// joins and clones. For the new process is a copy of the latter, and from its first moment on a hostile process in the
// joined pid namespace may look at what it has open (CVE-2016-9962).
#ifndef PODINIT_SPLIT_H
#define PODINIT_SPLIT_H

#include "starter.h"

struct split;

// Returns 0 in the process that joins: from then on it has no descriptor of the starter's any more, and cannot report.
// Returns 1 in the one outside, once the other has called split_end: the new process is starter->pid. `theirs` is the
// new process' end of the channel. -1: in either, and a reason.
int split_begin(struct split **split, struct starter *starter, int theirs, struct failure *failure);

// Tells the process outside the new process, or the reason why there is none (-1), and waits for its end; the exit code.
int split_end(struct split *split, pid_t pid, const struct failure *failure);

#endif
