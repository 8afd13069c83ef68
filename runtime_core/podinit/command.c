// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "action.h"
#include "exec.h"
#include "jail.h"
#include "kernel.h"
#include "streams.h"

#define MAX_REPORT 4096
#define CHUNK 4096

// In a process that only joins the container, so that the program becomes a child of the action's.
_Noreturn static void starter_main(const struct command *command, int report, int output)
{
	struct failure failure;
	struct exec_plan plan;
	struct starter starter = { .process = &plan.process, .proc = -1, .channel = -1, .listener = -1 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	// Whoever is inside a container that is joined must not get at this process' descriptors (CVE-2016-9962).
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	int result = -1;
	int base = fcntl(command->base, F_DUPFD_CLOEXEC, PRESERVED_FD);
	int out = fcntl(output, F_DUPFD_CLOEXEC, PRESERVED_FD), told = fcntl(report, F_DUPFD_CLOEXEC, PRESERVED_FD);
	if (base < 0 || out < 0 || told < 0 || dup3(told, REPORT_FD, O_CLOEXEC) < 0)
		_exit(ACTION_ERROR);
	const int kept[] = { REPORT_FD, base, out };
	streams_close_others(kept, sizeof kept / sizeof kept[0], 0);
	if (command_plan_read(&plan, base, &command->args, &failure) == 0) {
		plan.pid = command->pid;
		plan.start_time = command->start_time;
		result = exec_start(&starter, &plan, 0, out, &failure);
	}
	_exit(result < 0 ? starter_report(&starter, -1, &failure) : result);
}

// What starter_report said: the program's process, or why there is none.
static pid_t read_report(int report, struct failure *failure)
{
	char *answer = calloc(1, MAX_REPORT + 1);
	size_t length = 0;
	ssize_t got;
	int64_t pid;
	const char *message;
	struct json_document document = { 0 };
	while (answer && length < MAX_REPORT && (got = read(report, answer + length, MAX_REPORT - length)) > 0)
		length += (size_t)got;
	if (!answer || length == 0)
		return fail(failure, "the process that joins the container ended");
	if (json_parse(&document, answer, length, failure) < 0)
		return -1;
	if (json_integer(document.root, "pid", 1, INT32_MAX, &pid, failure) < 0)
		pid = json_text(document.root, "message", &message, failure) < 0 ? -1 : fail(failure, "%s", message);
	json_free(&document);
	return (pid_t)pid;
}

static pid_t start(const struct command *command, int output, struct failure *failure)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_at(failure, "make", "a pipe");
	cleanup_fd int ours = ends[0];
	pid_t starter = kernel_clone(0, NULL);
	if (starter == 0)
		starter_main(command, ends[1], output);
	close(ends[1]);
	if (starter < 0)
		return fail_at(failure, "clone", "a process to join the container");
	pid_t pid = read_report(ours, failure);
	waitpid(starter, NULL, 0);
	return pid;
}

// The last bytes of what a program says.
struct tail {
	char text[ACTION_TEXT];
	size_t length;
};

static void tail_add(struct tail *tail, const char *data, size_t length)
{
	const size_t most = sizeof tail->text - 1;
	size_t new = length < most ? length : most, old = tail->length + new > most ? most - new : tail->length;
	memmove(tail->text, tail->text + tail->length - old, old);
	memcpy(tail->text + old, data + length - new, new);
	tail->length = old + new;
}

// False: there is no more, for now or for good.
static bool pump(struct tail *tail, int output)
{
	char chunk[CHUNK];
	ssize_t got = read(output, chunk, sizeof chunk);
	if (got > 0)
		tail_add(tail, chunk, (size_t)got);
	return got > 0;
}

// Until the program has ended, whoever else may hold its output. False: it was killed.
static bool follow(struct tail *tail, pid_t pid, int output, int signals)
{
	cleanup_fd int process = kernel_pidfd_open(pid);
	struct pollfd events[] = { { signals, POLLIN, 0 }, { process, POLLIN, 0 }, { output, POLLIN, 0 } };
	while (process >= 0 && poll(events, 3, -1) >= 0 && !events[0].revents) {
		bool more = events[2].revents && pump(tail, output);
		if (events[1].revents) {
			for (int i = 0; more && i < MAX_REPORT; i++)
				more = pump(tail, output);
			return true;
		}
		if (events[2].revents && !more)
			events[2].fd = -1; // closed
	}
	kill(-pid, SIGKILL);
	return false;
}

static int conclude(struct tail *tail, pid_t pid, int text)
{
	int status = 0;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return ACTION_GOOD;
	while (tail->length > 0 && tail->text[tail->length - 1] == '\n')
		tail->length--;
	if (tail->length > 0)
		return action_say(text, "%.*s", (int)tail->length, tail->text);
	if (WIFEXITED(status))
		return action_say(text, "the command ended with exit code %d", WEXITSTATUS(status));
	return action_say(text, "the command was ended by signal %d", WTERMSIG(status));
}

int command_run(const struct command *command, int text)
{
	int ends[2];
	sigset_t mask;
	struct failure failure;
	struct tail tail = { 0 };
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	cleanup_fd int signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return ACTION_ERROR;
	cleanup_fd int output = ends[0];
	pid_t pid = fcntl(output, F_SETFL, O_NONBLOCK) < 0 ? -1 : start(command, ends[1], &failure);
	close(ends[1]);
	if (pid < 0)
		action_say(text, "%s", failure.reason);
	int result = pid > 0 && follow(&tail, pid, output, signals) ? conclude(&tail, pid, text) : ACTION_ERROR;
	// A container's first process cannot end before everybody in its pid namespace is reaped.
	while (waitpid(-1, NULL, 0) > 0)
		;
	return result;
}
