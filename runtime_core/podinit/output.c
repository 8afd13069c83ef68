// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#define CHUNK 16384
#define DRAIN_LIMIT 128 // chunks; a stream's FIFO can be filled by others for ever

static void fifo_name(const struct container *container, const struct stream *stream, char name[static NAME_SIZE + 8])
{
	snprintf(name, NAME_SIZE + 8, "%s.%s", container->name, stream == &container->out ? "out" : "err");
}

static bool pump(struct stream *stream)
{
	char chunk[CHUNK];
	ssize_t got = read(stream->source.fd, chunk, sizeof chunk);
	if (got <= 0)
		return false;
	if (stream->container->log.fd >= 0)
		log_write(&stream->container->log, &stream->log, chunk, (size_t)got);
	return true;
}

static void on_output(struct supervisor *supervisor, struct source *source, uint32_t events)
{
	(void)supervisor;
	(void)events;
	pump((struct stream *)source);
}

// Both ends are held open, here and in the container: nobody sees hang-up or SIGPIPE when the other dies.
int output_open(struct supervisor *supervisor, struct container *container, struct stream *stream,
		struct failure *failure)
{
	char name[NAME_SIZE + 8];
	fifo_name(container, stream, name);
	stream->container = container;
	stream->log.name = stream == &container->out ? "stdout" : "stderr";
	stream->source.handle = on_output;
	if (unlinkat(supervisor->run_dir, name, 0) < 0 && errno != ENOENT)
		return fail_at(failure, "unlink", name);
	if (mkfifoat(supervisor->run_dir, name, 0600) < 0)
		return fail_at(failure, "mkfifo", name);
	stream->source.fd = openat(supervisor->run_dir, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (stream->source.fd < 0 || source_watch(supervisor, &stream->source, EPOLLIN) < 0)
		return fail_at(failure, "open", name);
	return 0;
}

// A description of its own: the container must not be able to make ours block.
int output_open_for_child(struct supervisor *supervisor, struct container *container, struct stream *stream)
{
	char name[NAME_SIZE + 8];
	fifo_name(container, stream, name);
	return openat(supervisor->run_dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

void output_drain(struct stream *stream)
{
	for (unsigned i = 0; i < DRAIN_LIMIT && pump(stream); i++)
		;
	log_end(&stream->container->log, &stream->log);
}

void output_close(struct supervisor *supervisor, struct container *container, struct stream *stream)
{
	char name[NAME_SIZE + 8];
	if (!stream->container)
		return;
	source_close(supervisor, &stream->source);
	free(stream->log.pending);
	fifo_name(container, stream, name);
	unlinkat(supervisor->run_dir, name, 0);
}
