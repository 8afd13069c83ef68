// SPDX-License-Identifier: Apache-2.0
#include "message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NAME "termination-log"
// Of a log, as the kubelet has it.
#define LOG_BYTES 2048
#define LOG_LINES 80
#define LOG_PREFIX 64 // at most, of a line: time, stream, tag

int message_prepare(const struct container *container, struct failure *failure)
{
	if (!container->life.message)
		return 0;
	cleanup_fd int fd = openat(container->base, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0 || fchmod(fd, 0666) < 0) // whoever the container runs as
		return fail_at(failure, "make", FILE_NAME);
	return 0;
}

// The last bytes of a file, with a NUL after them.
static size_t read_tail(int dir, const char *name, char *text, size_t size)
{
	struct stat status;
	cleanup_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = 0;
	if (fd >= 0 && fstat(fd, &status) == 0) {
		off_t most = (off_t)size - 1;
		got = pread(fd, text, size - 1, status.st_size > most ? status.st_size - most : 0);
	}
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

// "TIME stream tag text": where the text begins.
static const char *text_of(const char *line, const char *end)
{
	for (int spaces = 0; spaces < 3 && line < end; spaces++) {
		const char *space = memchr(line, ' ', (size_t)(end - line));
		line = space ? space + 1 : end;
	}
	return line;
}

// The texts of whole lines of a log, one after another.
static size_t strip(const char *from, const char *end, char *to)
{
	size_t length = 0;
	while (from < end) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));
		const char *next = newline ? newline + 1 : end, *text = text_of(from, next);
		memcpy(to + length, text, (size_t)(next - text));
		length += (size_t)(next - text);
		from = next;
	}
	return length;
}

static void read_log(const struct container *container, struct termination *end)
{
	char name[32], raw[LOG_BYTES + LOG_LINES * LOG_PREFIX + 1], text[sizeof raw];
	cleanup_fd int logs = openat(container->base, "logs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(name, sizeof name, "%u.log", container->restart_count);
	size_t length = logs < 0 ? 0 : read_tail(logs, name, raw, sizeof raw);
	const char *start = raw + length;
	for (int lines = 0; start > raw; start--)
		if (start[-1] == '\n' && start < raw + length && ++lines == LOG_LINES)
			break;
	if (start == raw && length == sizeof raw - 1) { // that line's beginning is missing
		const char *newline = memchr(raw, '\n', length);
		start = newline ? newline + 1 : raw + length;
	}
	length = strip(start, raw + strlen(raw), text);
	size_t skipped = length > LOG_BYTES ? length - LOG_BYTES : 0;
	snprintf(end->message, sizeof end->message, "%.*s", (int)(length - skipped), text + skipped);
}

void message_read(const struct container *container, struct termination *end)
{
	if (!container->life.message)
		return;
	read_tail(container->base, FILE_NAME, end->message, sizeof end->message);
	if (end->message[0] == '\0' && end->exit_code != 0 && container->life.message_falls_back)
		read_log(container, end);
}
