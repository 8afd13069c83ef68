// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_LINE 16384
#define BATCH 32768
#define MAX_FILE (10 << 20) // bytes, as the kubelet's containerLogMaxSize

// Lines gathered for one write. The loop has one thread, so one batch serves all logs.
static struct {
	char text[BATCH + MAX_LINE + 64];
	size_t length;
} batch;

int log_highest(int base)
{
	int highest = -1, fd = openat(base, "logs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		cleanup_close(&fd);
		return -1;
	}
	while ((entry = readdir(stream))) {
		char *end;
		long number = strtol(entry->d_name, &end, 10);
		if (end != entry->d_name && strcmp(end, ".log") == 0 && number > highest && number < 1000000000)
			highest = (int)number;
	}
	closedir(stream);
	return highest;
}

struct names {
	char newer[32], older[32];
};

static struct names names_of(unsigned number)
{
	struct names names;
	snprintf(names.newer, sizeof names.newer, "%u.log", number);
	snprintf(names.older, sizeof names.older, "%u.log.1", number);
	return names;
}

static int open_file(const struct log *log, const char *name)
{
	return openat(log->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
}

int log_open(struct log *log, int base, unsigned number, struct failure *failure)
{
	struct names names = names_of(number), old = names_of(number - 2);
	if (make_dir(base, "logs", failure) < 0)
		return -1;
	log->dir = openat(base, "logs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (number >= 2) { // the last one and its predecessor are kept, as the kubelet does
		unlinkat(log->dir, old.newer, 0);
		unlinkat(log->dir, old.older, 0);
	}
	log->number = number;
	log->size = 0;
	log->fd = log->dir < 0 ? -1 : open_file(log, names.newer);
	if (log->fd >= 0)
		return 0;
	fail_at(failure, "open log", names.newer);
	log_close(log);
	return -1;
}

void log_close(struct log *log)
{
	cleanup_close(&log->fd);
	cleanup_close(&log->dir);
	log->fd = log->dir = -1;
}

// Goes on in a new file and keeps one older; where no second one can be made, the only one starts anew.
static void rotate(struct log *log)
{
	struct names names = names_of(log->number);
	bool moved = renameat(log->dir, names.newer, log->dir, names.older) == 0;
	int fd = moved ? open_file(log, names.newer) : -1;
	if (fd >= 0) {
		close(log->fd);
		log->fd = fd;
	} else {
		if (moved)
			renameat(log->dir, names.older, log->dir, names.newer);
		(void)!ftruncate(log->fd, 0);
	}
	log->size = 0;
}

static void flush(struct log *log)
{
	if (log->fd >= 0 && batch.length > 0) {
		if (log->size >= MAX_FILE) // not before there is more to say: the newest file is what is shown
			rotate(log);
		if (write(log->fd, batch.text, batch.length) == (ssize_t)batch.length)
			log->size += (off_t)batch.length;
		else // a torn line would spoil the next one
			(void)!ftruncate(log->fd, log->size);
	}
	batch.length = 0;
}

// "2026-01-02T03:04:05.123456789Z stdout F "
static void put_prefix(const struct log_stream *stream, char tag)
{
	struct timespec now;
	char seconds[TIME_TEXT];
	clock_gettime(CLOCK_REALTIME, &now);
	time_text(now.tv_sec, seconds);
	batch.length += (size_t)snprintf(batch.text + batch.length, 64, "%.19s.%09ldZ %s %c ", seconds, now.tv_nsec,
					 stream->name, tag);
}

static void put_line(struct log *log, struct log_stream *stream, const char *data, size_t length, char tag)
{
	put_prefix(stream, tag);
	memcpy(batch.text + batch.length, stream->pending ? stream->pending : "", stream->length);
	batch.length += stream->length;
	memcpy(batch.text + batch.length, data, length);
	batch.length += length;
	batch.text[batch.length++] = '\n';
	free(stream->pending);
	stream->pending = NULL;
	stream->length = 0;
	if (batch.length >= BATCH)
		flush(log);
}

static void keep(struct log *log, struct log_stream *stream, const char *data, size_t length)
{
	char *grown = realloc(stream->pending, stream->length + length);
	if (!grown) { // no memory to wait in: a partial line now is better than none
		put_line(log, stream, data, length, 'P');
		return;
	}
	memcpy(grown + stream->length, data, length);
	stream->pending = grown;
	stream->length += length;
}

void log_write(struct log *log, struct log_stream *stream, const char *data, size_t length)
{
	while (length > 0) {
		const char *end = memchr(data, '\n', length);
		size_t line = end ? (size_t)(end - data) : length;
		bool full = stream->length + line > MAX_LINE;
		if (full)
			line = MAX_LINE - stream->length;
		if (full)
			put_line(log, stream, data, line, 'P');
		else if (end)
			put_line(log, stream, data, line, 'F');
		else
			keep(log, stream, data, line);
		line += !full && end;
		data += line;
		length -= line;
	}
	flush(log);
}

void log_end(struct log *log, struct log_stream *stream)
{
	if (stream->length > 0)
		put_line(log, stream, "", 0, 'P');
	flush(log);
}
