// SPDX-License-Identifier: Apache-2.0
// One step: its arguments, and the function of each kind. The table in steps.c says which arguments a kind has.
#ifndef PODINIT_STEP_H
#define PODINIT_STEP_H

#include "steps.h"

#define MAX_ARGUMENTS 7

struct step {
	const struct json *at[MAX_ARGUMENTS];
	int source; // the tree that steps_prepare opened for it, or -1
	const struct json *steps; // all of them
};

static inline const char *text(const struct step *step, unsigned index)
{
	return step->at[index]->string;
}

static inline uint64_t number(const struct step *step, unsigned index)
{
	return step->at[index]->magnitude;
}

typedef int step_run(struct jail *jail, const struct step *step, struct failure *failure);
typedef int step_check(const struct step *step, struct failure *failure);
#define NO_SOURCE (-2)
// Opens the step's tree on the host: an fd, NO_SOURCE when it has none, or -1.
typedef int step_prepare(const struct step *step, struct failure *failure);

// rootfs.c
step_run run_propagation, run_overlay, run_rootfs, run_pivot_root, run_move_root, run_chroot;
// mounts.c
step_check check_mount, check_bind;
step_prepare prepare_bind;
step_run run_mount, run_bind;
// devices.c
step_check check_device;
step_prepare prepare_device;
step_run run_device, run_symlink;
// inside.c
step_run run_root_propagation, run_attributes, run_readonly_path, run_mask_path, run_root_readonly, run_hostname,
	run_domainname, run_sysctl;
// process.c
step_check check_rlimit;
step_run run_apparmor, run_selinux, run_rlimit, run_oom_score_adj, run_umask, run_scheduler, run_io_priority,
	run_personality, run_memory_policy;

// The step "chroot" stands for a container without a mount namespace of its own.
bool steps_have(const struct json *steps, const char *kind);

// An fd that stays the jail's: a procfs of the caller's own namespaces, opened when it is needed first.
int jail_procfs(struct jail *jail, struct failure *failure);

#endif
