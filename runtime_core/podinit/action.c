// SPDX-License-Identifier: Apache-2.0
#include "action.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "command.h"
#include "jail.h"
#include "kernel.h"
#include "request.h"
#include "starter.h"
#include "streams.h"

#define MAX_HELPER 64		  // arguments
#define CANCEL_MS 500		  // what an action that is told to end may take for it
#define FIRST_VICTIM "1000"	  // where the pod is short of memory
#define MAX_SLEEP (INT32_MAX - 1) // seconds

static int check_texts(const struct json *action, struct failure *failure)
{
	for (const struct json *item = action->child; item; item = item->next)
		if (item->type != JSON_STRING)
			return fail(failure, "action %s: an argument is no string", action->child->string);
	if (action->count < 2 || !action->child->next->string[0])
		return fail(failure, "action %s: wrong arguments", action->child->string);
	return 0;
}

static int check_sleep(const struct json *action, struct failure *failure)
{
	int64_t seconds;
	bool good = action->count == 2 && json_in_range(action->child->next, 0, MAX_SLEEP, &seconds);
	return good ? 0 : fail(failure, "action sleep: wrong arguments");
}

static struct json arguments_of(const struct json *action)
{
	return (struct json){ .type = JSON_ARRAY, .child = action->child->next, .count = action->count - 1 };
}

// What the process of an action has.
struct job {
	const struct json *action;
	const struct action_target *target;
	int64_t start_time; // of the target's process
	int text;
};

static int run_exec(const struct job *job)
{
	const struct action_target *target = job->target;
	const struct command command = { arguments_of(job->action), target->base, target->pid, job->start_time };
	return command_run(&command, job->text);
}

// Exit code and words are the program's.
static int become_helper(const struct json *arguments, int text)
{
	char *args[MAX_HELPER + 1] = { NULL };
	char *const env[] = { (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	size_t count = 0;
	struct failure ignored;
	for (const struct json *item = arguments->child; item && count < MAX_HELPER; item = item->next)
		args[count++] = (char *)item->string;
	write_file(AT_FDCWD, "/proc/self/oom_score_adj", FIRST_VICTIM, &ignored);
	// It reads what a container answers, and needs no rights of root's for that.
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (dup2(text, STDOUT_FILENO) >= 0)
		execve(args[0], args, env);
	action_say(text, "execute %s: %s", args[0], strerror(errno));
	return ACTION_ERROR;
}

static int run_helper(const struct job *job)
{
	const struct json arguments = arguments_of(job->action);
	return become_helper(&arguments, job->text);
}

static int run_request(const struct job *job)
{
	int result = request_run(job->action, job->text);
	if (result != REQUEST_LEADS_ELSEWHERE)
		return result;
	const struct json *port = job->action->child->next->next;
	return become_helper(port->next->next, job->text);
}

static int run_sleep(const struct job *job)
{
	int64_t seconds;
	if (!json_in_range(job->action->child->next, 0, MAX_SLEEP, &seconds))
		return ACTION_ERROR;
	struct timespec left = { .tv_sec = (time_t)seconds };
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return ACTION_GOOD;
}

static int run_fail(const struct job *job)
{
	return action_say(job->text, "%s", job->action->child->next->string);
}

static const struct kind {
	const char *name;
	bool networked; // from inside the pod's network
	int (*check)(const struct json *action, struct failure *failure);
	int (*run)(const struct job *job);
} kinds[] = {
	{ "tcp", true, request_check, run_request },   { "http", true, request_check, run_request },
	{ "send", true, request_check, run_request },  { "helper", true, check_texts, run_helper },
	{ "exec", false, check_texts, run_exec },      { "sleep", false, check_sleep, run_sleep },
	{ "fail", false, check_texts, run_fail },
};

static const struct kind *kind_of(const struct json *action)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, action->child->string) == 0)
			return &kinds[i];
	return NULL;
}

int action_check(const struct json *action, struct failure *failure)
{
	if (!action || action->type != JSON_ARRAY || !action->child || action->child->type != JSON_STRING)
		return fail(failure, "field action must be a list that begins with its kind");
	const struct kind *kind = kind_of(action);
	if (!kind)
		return fail(failure, "%.40s is no kind of action", action->child->string);
	return kind->check(action, failure);
}

int action_say(int text, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vdprintf(text, format, arguments);
	va_end(arguments);
	return ACTION_BAD;
}

_Noreturn static void action_main(const struct job *job)
{
	const struct kind *kind = kind_of(job->action);
	const int kept[] = { job->target->sandbox, job->target->base, job->text };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "action", 0, 0, 0);
	streams_close_others(kept, sizeof kept / sizeof kept[0], 0);
	jail_reset_signals();
	signal(SIGPIPE, SIG_IGN);
	if (kind->networked && setns(job->target->sandbox, CLONE_NEWNET) < 0)
		_exit(ACTION_ERROR);
	_exit(kind->run(job));
}

int action_start(struct action_run *run, const struct json *action, const struct action_target *target,
		 struct failure *failure)
{
	int ends[2];
	cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail_at(failure, "make", "a pipe");
	cleanup_fd int ours = ends[0], theirs = ends[1];
	// Here, where nobody else can get the target's number meanwhile.
	const struct job job = { action, target, starter_start_time(proc, target->pid), theirs };
	pid_t pid = kernel_clone(0, NULL);
	if (pid == 0)
		action_main(&job);
	if (pid < 0)
		return fail_at(failure, "clone", "a process for an action");
	*run = (struct action_run){ .pid = pid, .text = steal_fd(&ours) };
	return 0;
}

void action_end(struct action_run *run, char text[static ACTION_TEXT])
{
	ssize_t got = read(run->text, text, ACTION_TEXT - 1);
	text[got > 0 ? got : 0] = '\0';
	close(run->text);
	*run = (struct action_run){ .text = -1 };
}

void action_cancel(struct action_run *run)
{
	char text[ACTION_TEXT];
	if (run->pid <= 0)
		return;
	cleanup_fd int process = kernel_pidfd_open(run->pid);
	struct pollfd end = { .fd = process, .events = POLLIN };
	kill(run->pid, SIGTERM);
	if (process < 0 || poll(&end, 1, CANCEL_MS) <= 0)
		kill(run->pid, SIGKILL);
	waitpid(run->pid, NULL, 0);
	action_end(run, text);
}
