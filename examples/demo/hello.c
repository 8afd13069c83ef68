// SPDX-License-Identifier: Apache-2.0
// hello: the two programs of the demo's pod in one static file.
//   hello serve PORT           answer HTTP requests on 127.0.0.1 with $GREETING, the host's name and a count
//   hello ask URL SECONDS      ask that URL every SECONDS seconds and print each answer
// Each is process 1 of its container, for which the kernel ignores a signal without a handler: hence on_term.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_REQUEST 8192
#define PATIENCE 5 // seconds that a peer may keep us waiting

static void on_term(int number)
{
	(void)number;
	_exit(0);
}

static long number(const char *text, long most)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (*end == '\0' && value >= 1 && value <= most)
		return value;
	fprintf(stderr, "hello: %s is not a number from 1 to %ld\n", text, most);
	exit(2);
}

static void be_patient(int fd)
{
	const struct timeval limit = {.tv_sec = PATIENCE};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static int send_all(int fd, const char *text)
{
	ssize_t sent = 0;
	for (; *text != '\0' && sent >= 0; text += sent > 0 ? sent : 0)
		sent = send(fd, text, strlen(text), MSG_NOSIGNAL);
	return sent < 0 ? -1 : 0;
}

// Read until `end` was seen (NULL: until the peer closed) or the buffer is full. Returns 0, or -1 with errno.
static int receive(int fd, char *buffer, size_t size, const char *end)
{
	size_t length = 0;
	buffer[0] = '\0';
	while (length + 1 < size && (end == NULL || strstr(buffer, end) == NULL)) {
		ssize_t got = recv(fd, buffer + length, size - 1 - length, 0);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
		buffer[length] = '\0';
	}
	return 0;
}

static void answer(int fd, unsigned long count)
{
	char request[MAX_REQUEST], host[256] = "?", body[1024], head[256];
	const char *greeting = getenv("GREETING");
	be_patient(fd);
	if (receive(fd, request, sizeof request, "\r\n\r\n") < 0)
		return;
	gethostname(host, sizeof host - 1);
	snprintf(body, sizeof body, "%.500s from %s, answer %lu\n", greeting ? greeting : "Hello", host, count);
	snprintf(head, sizeof head,
		 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		 strlen(body));
	if (send_all(fd, head) == 0)
		send_all(fd, body);
}

static _Noreturn void serve(long port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((in_port_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (const struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
		fprintf(stderr, "hello: cannot listen on 127.0.0.1:%ld: %s\n", port, strerror(errno));
		exit(1);
	}
	printf("serving on 127.0.0.1:%ld\n", port);
	for (unsigned long count = 1;; count++) {
		int peer = accept(listener, NULL, NULL);
		answer(peer, count);
		close(peer);
	}
}

// Print the body of the answer; returns NULL, or what went wrong.
static const char *ask_once(const char *host, const char *port, const char *path)
{
	char request[1024], reply[MAX_REQUEST];
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int code = getaddrinfo(host, port, &hints, &found);
	if (code != 0)
		return gai_strerror(code);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	be_patient(fd);
	snprintf(request, sizeof request, "GET /%.500s HTTP/1.1\r\nHost: %.255s\r\nConnection: close\r\n\r\n", path, host);
	code = connect(fd, found->ai_addr, found->ai_addrlen);
	if (code == 0)
		code = send_all(fd, request);
	if (code == 0)
		code = receive(fd, reply, sizeof reply, NULL);
	const char *problem = code < 0 ? strerror(errno) : NULL, *body = code < 0 ? NULL : strstr(reply, "\r\n\r\n");
	if (body)
		fputs(body + 4, stdout);
	freeaddrinfo(found);
	close(fd);
	return problem != NULL || body != NULL ? problem : "not an HTTP answer";
}

static _Noreturn void ask(const char *url, long seconds)
{
	char host[256], port[6] = "80", path[512] = "";
	if (sscanf(url, "http://%255[^:/]:%5[0-9]/%511s", host, port, path) < 2 &&
	    sscanf(url, "http://%255[^:/]/%511s", host, path) < 1) {
		fprintf(stderr, "hello: %s is not http://HOST[:PORT]/PATH\n", url);
		exit(2);
	}
	for (;; sleep((unsigned)seconds)) {
		const char *problem = ask_once(host, port, path);
		if (problem)
			fprintf(stderr, "no answer from %s: %s\n", url, problem);
	}
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_term);
	setvbuf(stdout, NULL, _IOLBF, 0); // a log shows each line at once
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(number(argv[2], 65535));
	if (argc == 4 && strcmp(argv[1], "ask") == 0)
		ask(argv[2], number(argv[3], 86400));
	fputs("usage: hello serve PORT | hello ask URL SECONDS\n", stderr);
	return 2;
}
