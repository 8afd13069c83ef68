// SPDX-License-Identifier: Apache-2.0
// A container's process, from its clone to the exec of the container's program.
#ifndef PODINIT_JAIL_H
#define PODINIT_JAIL_H

#include "namespaces.h"
#include "plan.h"

struct jail_start {
	const struct process_plan *process;
	const struct container_plan *container;	  // NULL: a process for a container that runs
	const struct namespaces *namespaces;	  // of the container
	int channel;				  // to who starts it
	int listener;				  // where it waits for the start; -1: it starts at once
	int console;				  // where the other end of its terminal goes; -1
	int out, err;				  // FIFOs; -1: the standard streams stay
	int preserved;				  // how many descriptors from PRESERVED_FD on become its 3, 4, …
	int sandbox;				  // pidfd of the process that holds the pod's namespaces; -1
	bool user_namespace;			  // it is in another than the host's
	unsigned attempt;			  // a pod's container: its writable layer…
	const char *folder;			  // …in this folder; NULL
	const char *oom_score_adj;		  // what it starts with; NULL: as it is
	const char *affinity;			  // list of processors at its exec; NULL
	int *sources;				  // see struct jail
	size_t source_count;
	const struct privileges *filter;	  // read beforehand, when the host's files are out of reach; NULL
};

#define MAX_SOURCES 1024
#define REPORT_FD 3	// of podinit create and exec
#define CONSOLE_FD 4
#define PRESERVED_FD 5

void jail_reset_signals(void); // nothing ignored, caught or blocked

_Noreturn void jail_main(const struct jail_start *start);

#endif
