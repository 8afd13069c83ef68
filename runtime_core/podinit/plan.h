// SPDX-License-Identifier: Apache-2.0
// The plans that podinit carries out, read and checked whole before anything is done: an unknown field is refused.
#ifndef PODINIT_PLAN_H
#define PODINIT_PLAN_H

#include "json.h"
#include "net.h"
#include "util.h"

#define MAX_CONTAINERS 32 // 16 of each list of a Pod; the agent's "update" has a bit for each
#define MAX_GRACE 86400 // seconds
#define MAX_SYSCTL 253
#define NAME_SIZE 64    // an RFC 1123 label and its NUL

enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

enum role {
	ROLE_INIT,    // runs to its end before the next one starts
	ROLE_SIDECAR, // runs as long as the pod; the next one starts once it has started
	ROLE_MAIN,
};

// When one of the pod's containers is started again, and where it stands among them.
struct member {
	const char *name;
	enum role role;
	enum restart_policy restart;
	const struct json *rules; // [is it "In", exit codes…]…: the first that fits means a restart
};

// Milliseconds. The first restart is immediate, the second waits for `first`, each next one twice as long, at most
// `last`; a container that ran for more than `forgiven` starts anew.
struct backoff_plan {
	int64_t first, last, forgiven;
};

// An OCI runtime that creates the pod's containers from their config.json.
struct runtime_plan {
	const char *path; // NULL: there is none, podinit does it
	const char *root; // of its state
	const struct json *options;
	const struct json *hidden; // files that it must find empty, mounts that it must not find
	bool inherits_cgroups;	   // it leaves a container in its own cgroups; else it enters linux.cgroupsPath
};

// How much the pod's files may take, every `period` milliseconds.
struct storage_plan {
	int64_t period;
	const struct json *paths, *bounds; // a bound: its limit in bytes, indices of paths, and what exceeding it is called
};

// The strings of all belong to the document.
struct sandbox_plan {
	struct json_document document;
	const char *uid, *name, *namespace, *hostname;
	struct backoff_plan backoff;
	int64_t grace, shm_size;
	int64_t deadline; // ms of the pod's whole life; 0: none
	const struct json *cgroups, *memory_volumes;
	struct storage_plan storage;
	const struct json *images;  // name of a volume, and its layers
	const struct json *sysctls; // path below /proc/sys, and value
	const struct json *shared;  // name of a volume, its path, and with whom: host or pod
	struct member members[MAX_CONTAINERS]; // in the order in which they start
	size_t count;
	bool networked;
	struct net_config network;
	struct runtime_plan runtime;
};

// What a process becomes, in a new container or in one that runs.
struct process_plan {
	char **args, **env; // no args: of a container that can be created, but not started
	const char *cwd;
	const struct json *cgroups, *steps;
	bool keyring, terminal;
	uint16_t height, width; // of the terminal; 0: as it is
	const char *listener, *listener_metadata; // of the filter; "": none
};

struct container_plan {
	struct json_document document;
	struct process_plan process;
	const char *name, *hash;
	int64_t stop_signal;
	const struct json *lower, *namespaces, *uid_mappings, *gid_mappings, *time_offsets, *net_devices, *hooks,
		*sub_paths; // a volume and a path in it each
	const char *state;		// for hooks, without its end
	const char *oom_file, *oom_key; // NULL: nothing counts them
};

// A process for a container that runs.
struct exec_plan {
	struct json_document document;
	struct process_plan process;
	int64_t pid, start_time;	       // of the container's first process
	const char *initial_affinity, *affinity; // lists of processors; "": as it is
};

int sandbox_plan_read(struct sandbox_plan *plan, int pod_dir, struct failure *failure);
// The plan.json in the folder `base`; `name` NULL: any.
int container_plan_read(struct container_plan *plan, int base, const char *name, struct failure *failure);
void container_plan_free(struct container_plan *plan);
// Both live as long as the process.
int exec_plan_read(struct exec_plan *plan, const char *path, struct failure *failure);
// The exec.json in the folder `base`, which leaves program (`args`) and target to the caller.
int command_plan_read(struct exec_plan *plan, int base, const struct json *args, struct failure *failure);

#endif
