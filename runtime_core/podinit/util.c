// SPDX-License-Identifier: Apache-2.0
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int fail_at(struct failure *failure, const char *what, const char *path)
{
	return fail(failure, "%s %.300s: %s", what, path, strerror(errno));
}

static bool buffer_reserve(struct buffer *buffer, size_t more)
{
	if (buffer->failed || more > SIZE_MAX / 4)
		return false;
	if (buffer->length + more <= buffer->capacity)
		return true;
	size_t capacity = buffer->capacity ? buffer->capacity : 512;
	while (capacity < buffer->length + more)
		capacity *= 2;
	char *data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void buffer_add(struct buffer *buffer, const void *data, size_t length)
{
	if (length == 0 || !buffer_reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof text)
		buffer->failed = true;
	else
		buffer_add(buffer, text, (size_t)length);
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

char *read_file(int dir, const char *path, size_t limit, size_t *length, struct failure *failure)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		fail_at(failure, "open", path);
		return NULL;
	}
	struct buffer text = { 0 };
	char chunk[4096];
	ssize_t got;
	while ((got = read(fd, chunk, sizeof chunk)) > 0 && text.length <= limit)
		buffer_add(&text, chunk, (size_t)got);
	int reason = got < 0 ? errno : text.length > limit ? EFBIG : 0;
	buffer_add(&text, "", 1);
	if (reason == 0 && !text.failed) {
		*length = text.length - 1;
		return text.data;
	}
	errno = reason ? reason : ENOMEM;
	fail_at(failure, "read", path);
	buffer_free(&text);
	return NULL;
}

int write_all(int fd, const void *data, size_t length)
{
	const char *next = data;
	while (length > 0) {
		ssize_t put = write(fd, next, length);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		next += put;
		length -= (size_t)put;
	}
	return 0;
}

int write_file(int dir, const char *path, const char *text, struct failure *failure)
{
	cleanup_fd int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return fail_at(failure, "write", path);
	return 0;
}

int make_dir(int dir, const char *name, struct failure *failure)
{
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return fail_at(failure, "mkdir", name);
	return 0;
}

bool is_null_device(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void time_text(time_t seconds, char text[static TIME_TEXT])
{
	struct tm parts;
	if (!gmtime_r(&seconds, &parts) || strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		text[0] = '\0';
}
