// SPDX-License-Identifier: Apache-2.0
#include "split.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"
#include "kernel.h"

// In memory that the new process does not inherit: what it could write to, it could also forge.
struct split {
	int told;
	pid_t outside, pid;
	struct failure failure;
};

static int stay_outside(struct split *split, struct starter *starter, int theirs, pid_t other, struct failure *failure)
{
	// Should the other be killed, nobody would wake this one up.
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != other)
		_exit(1);
	close(theirs);
	while (!__atomic_load_n(&split->told, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &split->told, FUTEX_WAIT, 0, NULL, NULL, 0);
	starter->pid = split->pid;
	if (split->pid > 0)
		return 1;
	*failure = split->failure;
	return -1;
}

int split_begin(struct split **split, struct starter *starter, int theirs, struct failure *failure)
{
	pid_t self = getpid();
	struct split *shared =
		mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return fail_at(failure, "map", "memory");
	pid_t outside = kernel_clone(0, NULL);
	if (outside < 0)
		return fail_at(failure, "clone", "a process that stays outside");
	if (outside == 0)
		return stay_outside(shared, starter, theirs, self, failure);
	shared->outside = outside;
	*split = shared;
	cleanup_close(&starter->channel);
	cleanup_close(&starter->proc);
	cleanup_close(&starter->listener);
	close(REPORT_FD);
	if (!starter->process->terminal)
		close(CONSOLE_FD); // the host's null device
	return madvise(shared, sizeof *shared, MADV_DONTFORK) < 0 ? fail_at(failure, "keep", "memory to itself") : 0;
}

int split_end(struct split *split, pid_t pid, const struct failure *failure)
{
	int status = 0;
	pid_t outside = split->outside;
	split->pid = pid;
	if (pid < 0)
		split->failure = *failure;
	__atomic_store_n(&split->told, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &split->told, FUTEX_WAKE, 1, NULL, NULL, 0);
	while (waitpid(outside, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
