// SPDX-License-Identifier: Apache-2.0
// The state of one pod's supervisor, shared by the files of the `supervise` job.
#ifndef PODINIT_SUPERVISOR_H
#define PODINIT_SUPERVISOR_H

#include <sys/types.h>

#include "action.h"
#include "life.h"
#include "log.h"
#include "plan.h"
#include "restart.h"

struct supervisor;

// Something that epoll watches: embedded in what it belongs to. A handler may free itself, for the loop takes one event
// at a time.
struct source {
	int fd;
	void (*handle)(struct supervisor *, struct source *, uint32_t events);
};

enum phase {
	PHASE_WAITING,    // for start_at
	PHASE_STARTING,   // its first process lives, the program is not yet executed
	PHASE_RUNNING,
	PHASE_TERMINATED, // for good, unless an update comes
};

#define ID_SIZE 65

struct termination {
	bool set;
	int exit_code, signal;
	const char *reason;
	char message[4097]; // as much as the kubelet takes, and a NUL
	time_t started, finished;
	char id[ID_SIZE];
};

struct stream {
	struct source source; // first: the loop hands it back
	struct container *container;
	struct log_stream log;
};

struct probe {
	struct action_run run;	 // pid 0: none
	int64_t due, give_up_at; // monotonic ms
	bool late;		 // it was told to end for that
	unsigned errors;	 // tries in a row that say nothing about the container
	bool good;		 // the result that counts
	bool last;		 // the last one
	int64_t in_a_row;	 // how often it was that
	bool on_hold;		 // until the next start
};

struct hook {
	struct action_run run; // pid 0: none
	bool done;	       // well, or there is none
};

// The way to a container's end.
struct stop {
	bool wanted, signalled;
	int64_t by; // when its grace period is over, monotonic ms
};

// Of a container that an external runtime makes: see external.h.
struct external {
	pid_t helper; // drives the runtime while `pid` lives; before and after that it is `pid` itself
	bool created, ended;
	int code, status; // how the first process ended before the helper did
};

struct container {
	struct source report; // first: what the first process says before exec, or hang-up when it succeeded
	const char *name;
	const struct member *member;
	int base; // its folder
	enum phase phase;
	pid_t pid; // ours to reap, so the number cannot be reused under us
	struct external external;
	bool want_restart; // an update stops it in order to start it
	bool held;	   // not before the next update
	bool started_once;
	bool ran;     // its program was executed once
	bool settled; // its first start succeeded or failed: the next container's turn
	char *hash, *oom_file, *oom_key; // of the plan last started
	int stop_signal;
	struct stop stop;
	struct life_plan life;
	struct probe probes[PROBE_KINDS];
	struct hook hooks[HOOK_KINDS];
	bool unhealthy; // a probe ends it in order to start it again
	int64_t start_at, kill_at; // monotonic ms; kill_at 0: no deadline
	int64_t started_ms;
	time_t started;
	uint64_t oom_before;
	unsigned restart_count, attempt;
	struct backoff backoff;
	char id[ID_SIZE];
	char start_error[512];
	struct log log;
	struct stream out, err;
	struct termination last, previous;
};

struct storage {
	pid_t pid;	      // of the process that adds up; 0: none
	int64_t due;	      // when the next one starts, monotonic ms
	const char *exceeded; // what is said of it; NULL: nothing is
};

// Why no container of the pod is started any more, though its supervisor goes on.
enum ending {
	ENDING_NOT,
	ENDING_COMPLETE,    // all main containers ended for good
	ENDING_INIT_FAILED, // one of those before them did, and failed
	ENDING_DEADLINE,    // the pod lived for too long
	ENDING_EVICTED,	    // it took too much of the disk
};

struct supervisor {
	struct sandbox_plan plan;
	int epoll, pod_dir, run_dir, lock, ready;
	struct source signals, listener;
	pid_t pause;
	int pause_fd; // pidfd
	time_t started;
	int64_t deadline; // monotonic ms; INT64_MAX: none
	char oom_score_adj[16]; // before it was lowered
	size_t count;
	struct container *containers;
	struct client *clients;
	struct storage storage;
	enum ending ending;
	bool stopping, lost, dirty;
	struct failure stop_failure; // what a stop could not undo; empty: nothing
};

// Adds the source, or changes what it waits for (EPOLLIN…).
int source_watch(struct supervisor *supervisor, struct source *source, uint32_t events);
void source_close(struct supervisor *supervisor, struct source *source);

#endif
