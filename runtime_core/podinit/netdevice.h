// SPDX-License-Identifier: Apache-2.0
// Interfaces of the host that become a container's (config-linux.md, "Network Devices").
#ifndef PODINIT_NETDEVICE_H
#define PODINIT_NETDEVICE_H

#include <sys/types.h>

#include "json.h"

// Moves each ([name, name inside], …) from the caller's network namespace to that of the process, with its addresses of
// global scope, and brings it up there. The caller's own namespace stays; so does what an earlier one of them became.
int netdevices_move(const struct json *devices, pid_t pid, struct failure *failure);

#endif
