// SPDX-License-Identifier: Apache-2.0
// Volumes in the pod's memory that have a content: whoever starts the pod fills them before a container starts.
#ifndef PODINIT_FILL_H
#define PODINIT_FILL_H

#include "supervisor.h"

// Tells that the volumes are mounted, and waits on standard input for the word that they are filled. The other finds
// them below /proc/PID/cwd, in the mounts of this process, so that their content is in no file of the host's.
int fill_await(struct supervisor *supervisor, struct failure *failure);

#endif
