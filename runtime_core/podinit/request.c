// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "action.h"

#define MAX_ANSWER 10240 // bytes of a response, as the kubelet

static bool read_target(const struct json *action, struct sockaddr_in *address)
{
	int64_t port;
	const struct json *host = action->child->next, *number = host ? host->next : NULL;
	if (!number || host->type != JSON_STRING || !json_in_range(number, 1, 65535, &port))
		return false;
	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host->string, &address->sin_addr) == 1;
}

int request_check(const struct json *action, struct failure *failure)
{
	struct sockaddr_in address;
	const char *kind = action->child->string;
	bool tcp = strcmp(kind, "tcp") == 0;
	if (action->count != (tcp ? 3 : 5) || !read_target(action, &address))
		return fail(failure, "action %s: wrong arguments", kind);
	if (tcp)
		return 0;
	const struct json *request = action->child->next->next->next, *helper = request->next;
	if (request->type != JSON_STRING || helper->type != JSON_ARRAY || !helper->child)
		return fail(failure, "action %s: it needs a request and a helper", kind);
	for (const struct json *item = helper->child; item; item = item->next)
		if (item->type != JSON_STRING)
			return fail(failure, "action %s: the helper has an argument that is no string", kind);
	return 0;
}

static int connect_to(const struct sockaddr_in *address)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		return -1;
	return steal_fd(&fd);
}

static int check_status(int connection, bool any, int text)
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
		return action_say(text, "the answer is no HTTP response");
	if (status >= 300 && status < 400 && strcasestr(answer, "\nlocation:"))
		return REQUEST_LEADS_ELSEWHERE;
	if (!any && (status < 200 || status >= 400))
		return action_say(text, "HTTP probe failed with statuscode: %ld", status);
	return ACTION_GOOD;
}

int request_run(const struct json *action, int text)
{
	struct sockaddr_in address;
	if (!read_target(action, &address))
		return ACTION_ERROR;
	const struct json *host = action->child->next, *request = host->next->next;
	cleanup_fd int connection = connect_to(&address);
	if (connection < 0)
		return action_say(text, "dial tcp %s:%d: connect: %s", host->string, ntohs(address.sin_port),
				  strerror(errno));
	if (!request)
		return ACTION_GOOD;
	if (write_all(connection, request->string, strlen(request->string)) < 0)
		return action_say(text, "write tcp %s:%d: %s", host->string, ntohs(address.sin_port), strerror(errno));
	return check_status(connection, strcmp(action->child->string, "send") == 0, text);
}
