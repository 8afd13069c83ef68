// SPDX-License-Identifier: Apache-2.0
#include "action.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "jail.h"
#include "kernel.h"
#include "streams.h"

#define EXIT_ERROR 2
#define MAX_ANSWER 10240 // bytes of a response, as the kubelet

static bool read_target(const struct json *action, struct sockaddr_in *address)
{
	int64_t port;
	const struct json *host = action->child->next, *number = host->next;
	if (!number || host->type != JSON_STRING || !json_in_range(number, 1, 65535, &port))
		return false;
	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host->string, &address->sin_addr) == 1;
}

int action_check(const struct json *action, struct failure *failure)
{
	struct sockaddr_in address;
	const struct json *kind = action && action->type == JSON_ARRAY ? action->child : NULL;
	if (!kind || kind->type != JSON_STRING)
		return fail(failure, "field action must be a list that begins with its kind");
	bool http = strcmp(kind->string, "http") == 0;
	if (!http && strcmp(kind->string, "tcp") != 0)
		return fail(failure, "%.40s is no kind of action", kind->string);
	if (action->count != (http ? 4 : 3) || !read_target(action, &address))
		return fail(failure, "action %s: wrong arguments", kind->string);
	if (http && kind->next->next->next->type != JSON_STRING)
		return fail(failure, "action http: the request is not a string");
	return 0;
}

static int say(int text, const char *format, ...) PRINTF_LIKE(2, 3);

static int say(int text, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vdprintf(text, format, arguments);
	va_end(arguments);
	return ACTION_BAD;
}

static int connect_to(const struct sockaddr_in *address)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		return -1;
	return steal_fd(&fd);
}

static int check_status(int connection, int text)
{
	char answer[MAX_ANSWER + 1];
	size_t length = 0;
	ssize_t got;
	while (length < MAX_ANSWER && (got = read(connection, answer + length, MAX_ANSWER - length)) > 0)
		length += (size_t)got;
	answer[length] = '\0';
	char *number = strncmp(answer, "HTTP/1.", 7) == 0 ? strchr(answer, ' ') : NULL;
	long status = number ? strtol(number, NULL, 10) : 0;
	if (status == 0)
		return say(text, "the answer is no HTTP response");
	if (status < 200 || status >= 400)
		return say(text, "HTTP probe failed with statuscode: %ld", status);
	return ACTION_GOOD;
}

static int carry_out(const struct json *action, int text)
{
	struct sockaddr_in address;
	if (!read_target(action, &address))
		return EXIT_ERROR;
	const struct json *host = action->child->next;
	cleanup_fd int connection = connect_to(&address);
	if (connection < 0)
		return say(text, "dial tcp %s:%d: connect: %s", host->string, ntohs(address.sin_port), strerror(errno));
	const struct json *request = host->next->next;
	if (!request)
		return ACTION_GOOD;
	if (write_all(connection, request->string, strlen(request->string)) < 0)
		return say(text, "write tcp %s:%d: %s", host->string, ntohs(address.sin_port), strerror(errno));
	return check_status(connection, text);
}

_Noreturn static void action_main(const struct json *action, int sandbox, int text)
{
	const int kept[] = { sandbox, text };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "probe", 0, 0, 0);
	streams_close_others(kept, sizeof kept / sizeof kept[0], 0);
	jail_reset_signals();
	signal(SIGPIPE, SIG_IGN);
	if (setns(sandbox, CLONE_NEWNET) < 0)
		_exit(EXIT_ERROR);
	_exit(carry_out(action, text));
}

int action_start(struct action_run *run, const struct json *action, int sandbox, struct failure *failure)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail_at(failure, "make", "a pipe");
	cleanup_fd int ours = ends[0], theirs = ends[1];
	pid_t pid = kernel_clone(0, NULL);
	if (pid == 0)
		action_main(action, sandbox, theirs);
	if (pid < 0)
		return fail_at(failure, "clone", "a probe");
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
