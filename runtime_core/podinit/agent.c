// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "container.h"
#include "state.h"

#define SOCKET_NAME "agent.sock"
#define PROTOCOL_VERSION 1
#define MAX_LINE (1 << 20)
#define MAX_UNSENT (1 << 20) // answers that a client does not fetch: it is not read from until it does
#define MAX_CLIENTS 32
#define CHUNK 16384
#define LAST_ANSWER_MS 1000 // how long the exit waits for a client to take its answer

enum waiting { WAITS_FOR_NOTHING, WAITS_FOR_UPDATE, WAITS_FOR_STOP };

struct client {
	struct source source; // first: the loop hands it back
	struct client *next;
	struct buffer in, out;
	enum waiting waiting;
	uint32_t updating; // bit n: container n
	char id[24];	   // of the request being answered
	bool ended;	   // it sends no more, or must not
};

static void client_free(struct supervisor *supervisor, struct client *client)
{
	struct client **link = &supervisor->clients;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	source_close(supervisor, &client->source);
	buffer_free(&client->in);
	buffer_free(&client->out);
	free(client);
}

static void answer(struct client *client, const char *body)
{
	buffer_print(&client->out, "{\"id\":%s,\"status\":\"ok\"%s}\n", client->id, body);
}

static void answer_error(struct client *client, const char *code, const char *message)
{
	buffer_print(&client->out, "{\"id\":%s,\"status\":\"error\",\"code\":\"%s\",\"message\":", client->id, code);
	json_add_string(&client->out, message);
	buffer_print(&client->out, "}\n");
}

static struct container *find_container(struct supervisor *supervisor, const char *name)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (strcmp(supervisor->containers[i].name, name) == 0)
			return &supervisor->containers[i];
	return NULL;
}

static struct container *require_container(struct supervisor *supervisor, struct client *client, const char *name)
{
	struct failure failure;
	struct container *container = find_container(supervisor, name);
	if (!container) {
		fail(&failure, "the pod has no container %.80s", name);
		answer_error(client, "NotFound", failure.reason);
	}
	return container;
}

static int do_hello(struct supervisor *supervisor, struct client *client, const struct json *request,
		    struct failure *failure)
{
	(void)supervisor;
	(void)request;
	(void)failure;
	answer(client, ",\"version\":1");
	return 0;
}

static int do_status(struct supervisor *supervisor, struct client *client, const struct json *request,
		     struct failure *failure)
{
	(void)request;
	(void)failure;
	buffer_print(&client->out, "{\"id\":%s,\"status\":\"ok\",\"pod\":", client->id);
	state_print(supervisor, &client->out);
	buffer_print(&client->out, "}\n");
	return 0;
}

static int do_signal(struct supervisor *supervisor, struct client *client, const struct json *request,
		     struct failure *failure)
{
	int64_t number;
	const char *name;
	if (json_text(request, "container", &name, failure) < 0 ||
	    json_integer(request, "signal", 1, SIGRTMAX, &number, failure) < 0)
		return -1;
	struct container *container = require_container(supervisor, client, name);
	if (!container)
		return 0;
	if (container->phase != PHASE_RUNNING)
		answer_error(client, "NotRunning", "the container is not running");
	else if (kill(container->pid, (int)number) < 0)
		answer_error(client, "Internal", strerror(errno));
	else
		answer(client, "");
	return 0;
}

static int read_grace(const struct supervisor *supervisor, const struct json *request, int64_t *grace,
		      struct failure *failure)
{
	*grace = supervisor->plan.grace;
	return json_get(request, "grace") ? json_integer(request, "grace", 0, MAX_GRACE, grace, failure) : 0;
}

// Stops the named containers, to start them again from their plans: at once, or when an update says so.
static int restart(struct supervisor *supervisor, struct client *client, const struct json *request, bool hold,
		   struct failure *failure)
{
	int64_t grace;
	uint32_t chosen = 0;
	const struct json *names;
	if (json_texts(request, "containers", &names, failure) < 0 ||
	    read_grace(supervisor, request, &grace, failure) < 0)
		return -1;
	for (const struct json *item = names->child; item; item = item->next) {
		struct container *container = require_container(supervisor, client, item->string);
		if (!container)
			return 0;
		chosen |= 1U << (container - supervisor->containers);
	}
	if (chosen == 0)
		return fail(failure, "field containers is empty");
	if (supervisor->stopping) {
		answer_error(client, "Stopping", "the pod is being stopped");
		return 0;
	}
	for (size_t i = 0; i < supervisor->count; i++)
		if (chosen >> i & 1)
			container_update(supervisor, &supervisor->containers[i], grace, hold);
	client->waiting = WAITS_FOR_UPDATE;
	client->updating = chosen;
	return 0;
}

static int do_update(struct supervisor *supervisor, struct client *client, const struct json *request,
		     struct failure *failure)
{
	return restart(supervisor, client, request, false, failure);
}

static int do_hold(struct supervisor *supervisor, struct client *client, const struct json *request,
		   struct failure *failure)
{
	return restart(supervisor, client, request, true, failure);
}

static int do_stop(struct supervisor *supervisor, struct client *client, const struct json *request,
		   struct failure *failure)
{
	int64_t grace;
	if (read_grace(supervisor, request, &grace, failure) < 0)
		return -1;
	client->waiting = WAITS_FOR_STOP;
	supervisor->stopping = true;
	containers_stop(supervisor, grace);
	return 0;
}

// Fields beyond id and action.
static const struct action {
	const char *name;
	const char *fields[5];
	int (*run)(struct supervisor *, struct client *, const struct json *, struct failure *);
} actions[] = {
	{ "hello", { "id", "action", NULL }, do_hello },
	{ "status", { "id", "action", NULL }, do_status },
	{ "signal", { "id", "action", "container", "signal", NULL }, do_signal },
	{ "update", { "id", "action", "containers", "grace", NULL }, do_update },
	{ "hold", { "id", "action", "containers", "grace", NULL }, do_hold },
	{ "stop", { "id", "action", "grace", NULL }, do_stop },
};

static int run_action(struct supervisor *supervisor, struct client *client, const struct json *request,
		      struct failure *failure)
{
	int64_t id;
	const char *name;
	if (json_integer(request, "id", INT64_MIN, INT64_MAX, &id, failure) < 0)
		return -1;
	snprintf(client->id, sizeof client->id, "%lld", (long long)id);
	if (json_text(request, "action", &name, failure) < 0)
		return -1;
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(actions[i].name, name) != 0)
			continue;
		if (json_only(request, actions[i].fields, failure) < 0)
			return -1;
		return actions[i].run(supervisor, client, request, failure);
	}
	return fail(failure, "unknown action %.64s", name);
}

static void handle_line(struct supervisor *supervisor, struct client *client, const char *line, size_t length)
{
	struct failure failure;
	struct json_document document = { 0 };
	char *copy = malloc(length + 1); // the reader writes into its text
	strcpy(client->id, "null");
	if (!copy) {
		answer_error(client, "Internal", "out of memory");
		return;
	}
	memcpy(copy, line, length);
	if (json_parse(&document, copy, length, &failure) < 0 ||
	    run_action(supervisor, client, document.root, &failure) < 0)
		answer_error(client, "InvalidArgument", failure.reason);
	json_free(&document);
}

static void refuse_long_line(struct client *client)
{
	strcpy(client->id, "null");
	answer_error(client, "InvalidArgument", "a line is longer than 1 MiB");
	buffer_free(&client->in);
	client->ended = true;
}

// Carries out one line, unless an earlier one waits or answers pile up. False: nothing to do now.
static bool handle_input(struct supervisor *supervisor, struct client *client)
{
	if (client->waiting != WAITS_FOR_NOTHING || client->out.length >= MAX_UNSENT || client->in.length == 0)
		return false;
	char *end = memchr(client->in.data, '\n', client->in.length);
	size_t length = end ? (size_t)(end - client->in.data) : client->in.length;
	if (length > MAX_LINE)
		refuse_long_line(client);
	if (!end || length > MAX_LINE)
		return false;
	handle_line(supervisor, client, client->in.data, length);
	client->in.length -= length + 1;
	if (client->in.length > 0)
		memmove(client->in.data, end + 1, client->in.length);
	else
		buffer_free(&client->in);
	return true;
}

static bool send_output(struct client *client)
{
	ssize_t sent = 0;
	if (client->out.length > 0)
		sent = send(client->source.fd, client->out.data, client->out.length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN;
	client->out.length -= (size_t)sent;
	if (client->out.length == 0)
		buffer_free(&client->out);
	else
		memmove(client->out.data, client->out.data + sent, client->out.length);
	return true;
}

// After every change of a client: input, output, what epoll shall report next; frees one that is done or broken.
static void client_continue(struct supervisor *supervisor, struct client *client)
{
	bool more, broken;
	do {
		more = handle_input(supervisor, client);
		broken = client->in.failed || client->out.failed || !send_output(client);
	} while (more && !broken);
	bool busy = client->waiting != WAITS_FOR_NOTHING || client->out.length > 0;
	if (broken || (client->ended && !busy)) {
		client_free(supervisor, client);
		return;
	}
	source_watch(supervisor, &client->source,
		     (busy || client->ended ? 0 : EPOLLIN) | (client->out.length > 0 ? EPOLLOUT : 0U));
}

static void on_client(struct supervisor *supervisor, struct source *source, uint32_t events)
{
	char chunk[CHUNK];
	struct client *client = (struct client *)source;
	if (events & (EPOLLHUP | EPOLLERR)) { // both directions are closed: nobody would read an answer
		client_free(supervisor, client);
		return;
	}
	if (events & EPOLLIN) {
		ssize_t got = recv(client->source.fd, chunk, sizeof chunk, MSG_DONTWAIT);
		if (got > 0)
			buffer_add(&client->in, chunk, (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			client->ended = true;
	}
	client_continue(supervisor, client);
}

static void on_connection(struct supervisor *supervisor, struct source *source, uint32_t events)
{
	size_t count = 0;
	cleanup_fd int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	(void)events;
	for (struct client *other = supervisor->clients; other; other = other->next)
		count++;
	struct client *client = fd >= 0 && count < MAX_CLIENTS ? calloc(1, sizeof *client) : NULL;
	if (!client)
		return;
	client->source = (struct source){ .fd = steal_fd(&fd), .handle = on_client };
	client->next = supervisor->clients;
	supervisor->clients = client;
	if (source_watch(supervisor, &client->source, EPOLLIN) < 0)
		client_free(supervisor, client);
}

int agent_listen(struct supervisor *supervisor, struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	// By the folder's fd: a socket's path has room for 107 bytes only.
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" SOCKET_NAME, supervisor->run_dir);
	unlinkat(supervisor->run_dir, SOCKET_NAME, 0);
	supervisor->listener.handle = on_connection;
	supervisor->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t before = umask(0177);
	int bound = supervisor->listener.fd < 0 ?
		-1 :
		bind(supervisor->listener.fd, (struct sockaddr *)&address, sizeof address);
	umask(before);
	if (bound < 0 || listen(supervisor->listener.fd, MAX_CLIENTS) < 0 ||
	    source_watch(supervisor, &supervisor->listener, EPOLLIN) < 0)
		return fail_at(failure, "listen on", SOCKET_NAME);
	return 0;
}

// Whether the update is through. A start that failed is the container's state then, as it is when a pod comes up.
static bool update_settled(const struct supervisor *supervisor, const struct client *client)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		const struct container *container = &supervisor->containers[i];
		bool changes = container->held ? container->pid > 0 : container->want_restart;
		if (client->updating >> i & 1 && (changes || container->phase == PHASE_STARTING))
			return false;
	}
	return true;
}

void agent_settle(struct supervisor *supervisor)
{
	struct client *next;
	for (struct client *client = supervisor->clients; client; client = next) {
		next = client->next;
		if (client->waiting != WAITS_FOR_UPDATE || !(supervisor->stopping || update_settled(supervisor, client)))
			continue;
		if (supervisor->stopping)
			answer_error(client, "Stopping", "the pod is being stopped");
		else
			answer(client, "");
		client->waiting = WAITS_FOR_NOTHING;
		client_continue(supervisor, client);
	}
}

static void send_last(struct client *client)
{
	int64_t deadline = monotonic_ms() + LAST_ANSWER_MS;
	struct pollfd ready = { .fd = client->source.fd, .events = POLLOUT };
	while (client->out.length > 0 && send_output(client) && client->out.length > 0 && monotonic_ms() < deadline)
		poll(&ready, 1, LAST_ANSWER_MS);
}

void agent_end(struct supervisor *supervisor)
{
	if (supervisor->listener.fd >= 0)
		unlinkat(supervisor->run_dir, SOCKET_NAME, 0);
	source_close(supervisor, &supervisor->listener);
	while (supervisor->clients) {
		struct client *client = supervisor->clients;
		if (client->waiting == WAITS_FOR_STOP && supervisor->stop_failure.reason[0])
			answer_error(client, "Internal", supervisor->stop_failure.reason);
		else if (client->waiting == WAITS_FOR_STOP)
			answer(client, "");
		send_last(client);
		client_free(supervisor, client);
	}
}
