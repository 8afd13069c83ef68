// SPDX-License-Identifier: Apache-2.0
// podinit settle LAYER...: brings layers to the disk in the background, and then takes the mark from each that says that
// it may not be there yet (podwright/images/layers.py). All lie on one file system.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "podinit.h"

static const char mark[] = "trusted.overlay.unsettled";

static int settle(const int *layers, size_t count)
{
	if (syncfs(layers[0]) < 0) // fails too when an earlier write of these files did
		return 1;
	for (size_t i = 0; i < count; i++)
		fremovexattr(layers[i], mark);
	return 0;
}

int settle_main(int argc, char **argv)
{
	int *layers = calloc((size_t)argc, sizeof *layers);
	size_t count = 0;
	pid_t pid;

	if (argc < 2 || !layers) {
		fputs("usage: podinit settle LAYER...\n", stderr);
		return 2;
	}
	// by descriptor from here on: a layer that is removed and made again meanwhile is another one
	for (int i = 1; i < argc; i++) {
		layers[count] = open(argv[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (layers[count] >= 0)
			count++;
		else if (errno != ENOENT)
			return fprintf(stderr, "cannot open %s: %s\n", argv[i], strerror(errno)), 1;
	}
	pid = count ? fork() : -1;
	if (pid == 0) {
		setsid(); // whoever ends the caller's terminal does not mean this
		return settle(layers, count);
	}
	free(layers);
	return count && pid < 0;
}
