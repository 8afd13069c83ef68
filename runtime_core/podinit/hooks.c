// SPDX-License-Identifier: Apache-2.0
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel.h"

#define MAX_TIMEOUT 86400 // seconds
#define LAST_WORDS 200    // of a failed hook's output

static const char *const kinds[] = { "prestart", "createRuntime", "createContainer", "startContainer", NULL };

const struct json *hooks_of(const struct json *hooks, const char *kind)
{
	static const struct json none = { .type = JSON_ARRAY };
	const struct json *found = json_get(hooks, kind);
	return found ? found : &none;
}

int hooks_check(const struct json *hooks, struct failure *failure)
{
	static const char *const known[] = { "path", "args", "env", "timeout", NULL };
	const struct json *ignored;
	const char *path;
	int64_t timeout;
	if (json_only(hooks, kinds, failure) < 0)
		return -1;
	for (const struct json *list = hooks->child; list; list = list->next) {
		if (list->type != JSON_ARRAY)
			return fail(failure, "hooks.%s is no list", list->key);
		for (const struct json *hook = list->child; hook; hook = hook->next)
			if (json_only(hook, known, failure) < 0 || json_text(hook, "path", &path, failure) < 0 ||
			    json_texts(hook, "args", &ignored, failure) < 0 || json_texts(hook, "env", &ignored, failure) < 0 ||
			    json_integer(hook, "timeout", 0, MAX_TIMEOUT, &timeout, failure) < 0)
				return -1;
	}
	return 0;
}

static char **to_vector(const struct json *list)
{
	char **vector = calloc(list->count + 1, sizeof *vector), **next = vector;
	for (const struct json *item = list->child; vector && item; item = item->next)
		*next++ = (char *)item->string;
	return vector;
}

// In a file without a name, which a hook can also open anew as /dev/stdin, and which nobody waits for.
static int state_file(const char *state, pid_t pid, struct failure *failure)
{
	cleanup_fd int fd = (int)syscall(SYS_memfd_create, "state", 1 /* MFD_CLOEXEC */);
	if (fd < 0 || write_all(fd, state, strlen(state)) < 0 ||
	    dprintf(fd, ",\"status\":\"created\",\"pid\":%d}", pid) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fail_at(failure, "write", "the state for a hook");
	return steal_fd(&fd);
}

_Noreturn static void become(const struct json *hook, int in, int out)
{
	sigset_t none;
	char **args = to_vector(json_get(hook, "args")), **env = to_vector(json_get(hook, "env"));
	const char *path = json_get(hook, "path")->string;
	char *only_path[] = { (char *)path, NULL };
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	umask(022);
	if (!args || !env || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		_exit(127);
	kernel_close_range(STDERR_FILENO + 1, KERNEL_LAST_FD);
	execve(path, args[0] ? args : only_path, env);
	dprintf(STDERR_FILENO, "exec: %s", strerror(errno));
	_exit(127);
}

// Waits until the process has ended. False: it had not when the time was up, and its whole group was killed.
static bool wait_for(pid_t pid, int pidfd, int64_t seconds, int *status)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	int64_t deadline = seconds > 0 ? monotonic_ms() + seconds * 1000 : INT64_MAX;
	int ready = 0;
	while (ready <= 0) {
		int64_t left = deadline - monotonic_ms();
		if (left <= 0)
			break;
		ready = poll(&poll_fd, 1, left > 1000000 ? 1000000 : (int)left);
	}
	if (ready <= 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return ready > 0;
}

static void last_words(int out, char words[static LAST_WORDS + 4])
{
	off_t size = lseek(out, 0, SEEK_END);
	off_t from = size > LAST_WORDS ? size - LAST_WORDS : 0;
	strcpy(words, size > 0 ? ": " : "");
	ssize_t got = size > 0 ? pread(out, words + 2, LAST_WORDS, from) : 0;
	if (got <= 0)
		return;
	words[2 + got] = '\0';
	for (char *sign = words + 2; *sign; sign++)
		if ((unsigned char)*sign < ' ')
			*sign = ' ';
}

static int run_one(const struct json *hook, const char *state, pid_t pid, struct failure *failure)
{
	int status = 0, pidfd = -1;
	int64_t timeout;
	char words[LAST_WORDS + 4];
	const char *path = json_get(hook, "path")->string;
	cleanup_fd int in = state_file(state, pid, failure);
	cleanup_fd int out = (int)syscall(SYS_memfd_create, "output", 1 /* MFD_CLOEXEC */);
	if (in < 0 || out < 0 || json_integer(hook, "timeout", 0, MAX_TIMEOUT, &timeout, failure) < 0)
		return in < 0 ? -1 : fail_at(failure, "prepare hook", path);
	pid_t child = kernel_clone(0, &pidfd);
	if (child == 0)
		become(hook, in, out);
	if (child < 0)
		return fail_at(failure, "start hook", path);
	cleanup_fd int owned = pidfd;
	bool ended = wait_for(child, owned, timeout, &status);
	last_words(out, words);
	if (!ended)
		return fail(failure, "hook %.200s was killed after its timeout of %lld s%s", path, (long long)timeout, words);
	if (WIFSIGNALED(status))
		return fail(failure, "hook %.200s was ended by signal %d%s", path, WTERMSIG(status), words);
	return status == 0 ? 0 : fail(failure, "hook %.200s ended with %d%s", path, WEXITSTATUS(status), words);
}

int hooks_run(const struct json *hooks, const char *kind, const char *state, pid_t pid, struct failure *failure)
{
	struct failure reason;
	for (const struct json *hook = hooks_of(hooks, kind)->child; hook; hook = hook->next)
		if (run_one(hook, state, pid, &reason) < 0)
			return fail(failure, "%s %.450s", kind, reason.reason);
	return 0;
}
