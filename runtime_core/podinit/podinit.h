// SPDX-License-Identifier: Apache-2.0
// The jobs of podinit: each takes its own argv (argv[0] is the job's name) and returns the exit code.
#ifndef PODINIT_H
#define PODINIT_H

int supervise_main(int argc, char **argv); // a pod
int create_main(int argc, char **argv);	   // a container of the OCI command line
int exec_main(int argc, char **argv);	   // a process in one
int unpack_main(int argc, char **argv); // an image's layer
int settle_main(int argc, char **argv); // layers on their way to the disk
int hold_main(int argc, char **argv); // a process that does nothing, while its parent lives

#endif
