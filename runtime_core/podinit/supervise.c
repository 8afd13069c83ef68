// SPDX-License-Identifier: Apache-2.0
#include "podinit.h"

int supervise_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 2;
}
