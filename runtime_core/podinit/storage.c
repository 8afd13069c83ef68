// SPDX-License-Identifier: Apache-2.0
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kernel.h"
#include "usage.h"

#define POD_FD 3
#define EXIT_UNKNOWN 255 // else 0, or the number of the first bound that is exceeded, from 1
#define MAX_BOUNDS 254
#define NICE 19 // whoever waits for the processor comes first

// containers/<name>/… or volumes/<name>, and nothing that leads out of the pod's folder.
static bool is_inside(const char *path)
{
	bool known = strncmp(path, "containers/", 11) == 0 || strncmp(path, "volumes/", 8) == 0;
	return known && !strstr(path, "..");
}

static int read_bound(const struct json *bound, size_t paths, struct failure *failure)
{
	static const char *const known[] = { "limit", "message", "paths", NULL };
	int64_t limit, index;
	const char *message;
	const struct json *list;
	if (bound->type != JSON_OBJECT)
		return fail(failure, "a bound of storage is not an object");
	if (json_only(bound, known, failure) < 0 || json_integer(bound, "limit", 0, INT64_MAX, &limit, failure) < 0 ||
	    json_text(bound, "message", &message, failure) < 0 || json_list(bound, "paths", &list, failure) < 0)
		return -1;
	for (const struct json *item = list->child; item; item = item->next)
		if (!json_in_range(item, 0, (int64_t)paths - 1, &index))
			return fail(failure, "a bound of storage is of a path that is not there");
	return 0;
}

int storage_plan_read(struct storage_plan *plan, const struct json *root, struct failure *failure)
{
	static const char *const known[] = { "period", "paths", "bounds", NULL };
	const struct json *value = json_get(root, "storage");
	if (!value || value->type != JSON_OBJECT)
		return fail(failure, "field storage must be an object");
	if (json_only(value, known, failure) < 0 ||
	    json_integer(value, "period", 1, INT32_MAX, &plan->period, failure) < 0 ||
	    json_texts(value, "paths", &plan->paths, failure) < 0 ||
	    json_list(value, "bounds", &plan->bounds, failure) < 0)
		return -1;
	for (const struct json *item = plan->paths->child; item; item = item->next)
		if (!is_inside(item->string))
			return fail(failure, "storage: %.80s is no folder of the pod's", item->string);
	if (plan->bounds->count > MAX_BOUNDS)
		return fail(failure, "storage: more than %d bounds", MAX_BOUNDS);
	for (const struct json *item = plan->bounds->child; item; item = item->next)
		if (read_bound(item, plan->paths->count, failure) < 0)
			return -1;
	return 0;
}

// The sum of the bound's paths; more than any limit when one of them is.
static int64_t sum(const struct json *bound, const int64_t *used)
{
	int64_t total = 0, index;
	for (const struct json *item = json_get(bound, "paths")->child; item; item = item->next) {
		if (!json_in_range(item, 0, INT64_MAX, &index))
			continue;
		total = used[index] > USAGE_UNBOUNDED - total ? USAGE_UNBOUNDED : total + used[index];
	}
	return total;
}

static int measure(const struct storage_plan *plan)
{
	struct failure failure;
	int number = 0;
	int64_t *used = calloc(plan->paths->count + 1, sizeof *used), limit, *next = used;
	for (const struct json *item = plan->paths->child; item && used; item = item->next)
		if ((*next++ = usage_of(POD_FD, item->string)) < 0)
			return EXIT_UNKNOWN;
	for (const struct json *item = plan->bounds->child; item && used; item = item->next) {
		number++;
		if (json_integer(item, "limit", 0, INT64_MAX, &limit, &failure) == 0 && sum(item, used) > limit)
			return number;
	}
	return used ? 0 : EXIT_UNKNOWN;
}

// Nothing of the supervisor's stays open here: whoever waits for the end of a stream would wait for this process too.
_Noreturn static void measure_main(const struct supervisor *supervisor)
{
	struct rlimit files;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_NAME, "storage", 0, 0, 0);
	setpriority(PRIO_PROCESS, 0, NICE);
	if (dup2(supervisor->pod_dir, POD_FD) < 0 || kernel_close_range(POD_FD + 1, KERNEL_LAST_FD) < 0)
		_exit(EXIT_UNKNOWN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	_exit(measure(&supervisor->plan.storage));
}

static bool is_wanted(const struct supervisor *supervisor)
{
	return supervisor->plan.storage.bounds->count > 0 && !supervisor->stopping && supervisor->ending == ENDING_NOT;
}

void storage_tick(struct supervisor *supervisor, int64_t now)
{
	struct storage *storage = &supervisor->storage;
	if (!is_wanted(supervisor) || storage->pid > 0 || now < storage->due)
		return;
	bool first = storage->due == 0;
	storage->due = now + supervisor->plan.storage.period;
	if (first)
		return;
	pid_t pid = fork();
	if (pid == 0)
		measure_main(supervisor);
	storage->pid = pid < 0 ? 0 : pid; // without one, the next time may be better
}

int64_t storage_next(const struct supervisor *supervisor)
{
	return is_wanted(supervisor) && supervisor->storage.pid == 0 ? supervisor->storage.due : INT64_MAX;
}

bool storage_reaped(struct supervisor *supervisor, const siginfo_t *info)
{
	struct storage *storage = &supervisor->storage;
	int number = info->si_code == CLD_EXITED ? info->si_status : EXIT_UNKNOWN;
	if (info->si_pid != storage->pid)
		return false;
	storage->pid = 0;
	storage->due = monotonic_ms() + supervisor->plan.storage.period;
	for (const struct json *item = supervisor->plan.storage.bounds->child; item; item = item->next)
		if (--number == 0)
			storage->exceeded = json_get(item, "message")->string;
	return true;
}

void storage_end(struct supervisor *supervisor)
{
	if (supervisor->storage.pid <= 0)
		return;
	kill(supervisor->storage.pid, SIGKILL);
	waitpid(supervisor->storage.pid, NULL, 0);
	supervisor->storage.pid = 0;
}
