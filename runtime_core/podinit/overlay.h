// SPDX-License-Identifier: Apache-2.0
// Overlay mounts of an image's layers.
#ifndef PODINIT_OVERLAY_H
#define PODINIT_OVERLAY_H

#include "json.h"

#define MAX_LOWER 128

struct layers {
	int fds[MAX_LOWER + 1];
	size_t count;
};

// Opens the layers, topmost first, and adds them as the option lowerdir: mount(2)'s data is one page, and a layer's path
// 90 bytes, so each directory is named by its fd. layers_close is for a failure too.
int layers_open(struct layers *layers, const struct json *lower, struct buffer *options, struct failure *failure);
void layers_close(struct layers *layers);

// Mounts the layers, read-only, on an empty directory.
int overlay_mount_image(int target, const struct json *lower, struct failure *failure);

#endif
