// SPDX-License-Identifier: Apache-2.0
#include "overlay.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "paths.h"

int layers_open(struct layers *layers, const struct json *lower, struct buffer *options, struct failure *failure)
{
	layers->count = 0;
	if (lower->count == 0 || lower->count > MAX_LOWER)
		return fail(failure, "lower has %zu layers, 1 to %d are possible", lower->count, MAX_LOWER);
	buffer_print(options, "lowerdir=");
	for (const struct json *item = lower->child; item; item = item->next) {
		int layer = open(item->string, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (layer < 0)
			return fail_at(failure, "layer", item->string);
		layers->fds[layers->count++] = layer;
		buffer_print(options, "%s%s", item == lower->child ? "" : ":", fd_path(layer).text);
	}
	return 0;
}

void layers_close(struct layers *layers)
{
	for (size_t i = 0; i < layers->count; i++)
		cleanup_close(&layers->fds[i]);
}

// Overlayfs wants two layers when nothing is written: the lowest is the directory itself, which has nothing to add.
int overlay_mount_image(int target, const struct json *lower, struct failure *failure)
{
	struct layers layers;
	struct buffer options = { 0 };
	int result = layers_open(&layers, lower, &options, failure);
	buffer_print(&options, ":%s", fd_path(target).text);
	buffer_add(&options, "", 1);
	if (result == 0 && options.failed)
		result = fail(failure, "out of memory");
	if (result == 0 &&
	    mount("overlay", fd_path(target).text, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options.data) < 0)
		result = fail_at(failure, "mount", "the image's layers");
	layers_close(&layers);
	buffer_free(&options);
	return result;
}
