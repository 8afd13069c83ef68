// SPDX-License-Identifier: Apache-2.0
// A new tmpfs that starts with what the image has in its place (the mount option tmpcopyup).
#ifndef PODINIT_COPYUP_H
#define PODINIT_COPYUP_H

#include "json.h"

// Copies what is in `from` into `to`, both directories' fds: modes, owners, times, links and extended attributes. No
// link is followed and no other file system entered. The top takes mode and owner over unless the parameters of the
// file system say one. Needs the host's /proc.
int copy_up(int from, int to, const struct json *parameters, struct failure *failure);

#endif
