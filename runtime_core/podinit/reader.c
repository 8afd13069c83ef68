// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int reader_fill(struct reader *reader, struct failure *failure)
{
	ssize_t n;

	if (reader->start < reader->end)
		return 1;
	do
		n = read(reader->fd, reader->buffer, sizeof reader->buffer);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(failure, "cannot read the archive: %m");
	reader->start = 0;
	reader->end = (size_t)n;
	return n > 0;
}

size_t reader_take(struct reader *reader, size_t limit, const char **bytes)
{
	size_t available = reader->end - reader->start, n = available < limit ? available : limit;

	*bytes = reader->buffer + reader->start;
	reader->start += n;
	return n;
}

int reader_copy(struct reader *reader, char *target, size_t size, struct failure *failure)
{
	const char *bytes;
	size_t done = 0;

	while (done < size) {
		int more = reader_fill(reader, failure);

		if (more < 0)
			return -1;
		if (more == 0)
			return done == 0 ? 0 : fail(failure, "the archive is truncated");
		size_t n = reader_take(reader, size - done, &bytes);
		memcpy(target + done, bytes, n);
		done += n;
	}
	return 1;
}

int reader_drain(struct reader *reader, struct failure *failure)
{
	int more;

	do
		reader->start = reader->end;
	while ((more = reader_fill(reader, failure)) > 0);
	return more;
}
