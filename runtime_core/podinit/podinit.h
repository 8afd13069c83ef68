// SPDX-License-Identifier: Apache-2.0
// The jobs of podinit: each takes its own argv (argv[0] is the job's name) and returns the exit code.
#ifndef PODINIT_H
#define PODINIT_H

int supervise_main(int argc, char **argv);
int unpack_main(int argc, char **argv);

#endif
