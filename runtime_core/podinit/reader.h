// SPDX-License-Identifier: Apache-2.0
// The bytes of a stream, read in big pieces.
#ifndef PODINIT_READER_H
#define PODINIT_READER_H

#include <stddef.h>

#include "failure.h"

struct reader {
	int fd;
	size_t start, end; // what is read but not consumed of buffer
	char buffer[256 * 1024];
};

// Makes at least one byte available: 1, 0 at the stream's end, -1.
int reader_fill(struct reader *reader, struct failure *failure);

// Takes up to limit of the available bytes: their number, and where they stand until the next call.
size_t reader_take(struct reader *reader, size_t limit, const char **bytes);

// Copies exactly size bytes: 1; 0 when the stream had ended before the first of them; -1.
int reader_copy(struct reader *reader, char *target, size_t size, struct failure *failure);

// Reads on to the stream's end: 0 or -1.
int reader_drain(struct reader *reader, struct failure *failure);

#endif
