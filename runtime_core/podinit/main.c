// SPDX-License-Identifier: Apache-2.0
// podinit: the C half of Podwright. One binary, one file a job.
#include <stdio.h>
#include <string.h>

#include "podinit.h"

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "unpack") == 0)
		return unpack_main(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "supervise") == 0)
		return supervise_main(argc - 1, argv + 1);
	fputs("usage: podinit supervise POD_DIR RUN_DIR | podinit unpack DIR\n", stderr);
	return 2;
}
