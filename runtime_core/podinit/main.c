// SPDX-License-Identifier: Apache-2.0
// podinit: the C half of Podwright. One binary, one file a job.
#include <stdio.h>
#include <string.h>

#include "podinit.h"

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} jobs[] = {
	{ "supervise", supervise_main },
	{ "create", create_main },
	{ "exec", exec_main },
	{ "unpack", unpack_main },
	{ "settle", settle_main },
	{ "hold", hold_main },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < sizeof jobs / sizeof jobs[0]; i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			return jobs[i].main(argc - 1, argv + 1);
	fputs("usage: podinit supervise POD_DIR RUN_DIR | create DIR DESCRIPTORS | exec FILE DESCRIPTORS | unpack DIR | "
	      "settle LAYER... | hold SECONDS\n",
	      stderr);
	return 2;
}
