// SPDX-License-Identifier: Apache-2.0
#include "sparse.h"

#include <stdlib.h>
#include <string.h>

#include "pax.h"

#define MAX_EXTENTS ((size_t)1 << 20) // 16 MB of memory

// The old header, from here on: extents, whether there are more, the size of the file.
#define OLD_EXTENTS 386
#define OLD_COUNT 4
#define MORE_COUNT 21 // in a block of nothing but extents
#define EXTENT_BYTES 24

void sparse_reset(struct sparse *sparse)
{
	sparse->count = 0;
	sparse->size = 0;
	sparse->name = NULL;
	sparse->used = sparse->in_data = false;
}

static int add_extent(struct sparse *sparse, int64_t offset, int64_t size, struct failure *failure)
{
	if (sparse->count == sparse->capacity) {
		size_t capacity = sparse->capacity ? sparse->capacity * 2 : 64;
		struct extent *grown;

		if (capacity > MAX_EXTENTS)
			return fail(failure, "a sparse file has more than %zu pieces", MAX_EXTENTS);
		grown = reallocarray(sparse->extents, capacity, sizeof *grown);
		if (!grown)
			return fail(failure, "out of memory");
		sparse->extents = grown;
		sparse->capacity = capacity;
	}
	sparse->extents[sparse->count++] = (struct extent){ offset, size };
	return 0;
}

static int malformed(struct failure *failure)
{
	return fail(failure, "the map of a sparse file is malformed");
}

// ---- pax records, versions 0.0, 0.1 and 1.0 ----

// "offset,size,offset,size": what version 0.0 had said in one record for each number.
static int parse_map(struct sparse *sparse, const char *text, const char *end, struct failure *failure)
{
	int64_t offset, size;

	sparse->count = 0;
	while (text < end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *next = comma ? memchr(comma + 1, ',', (size_t)(end - comma - 1)) : NULL;

		if (!comma || !pax_decimal(text, comma, &offset) || !pax_decimal(comma + 1, next ? next : end, &size))
			return malformed(failure);
		if (add_extent(sparse, offset, size, failure) < 0)
			return -1;
		text = next ? next + 1 : end;
	}
	return 0;
}

int sparse_record(struct sparse *sparse, const char *key, const char *value, size_t size, struct failure *failure)
{
	const char *end = value + size;
	int64_t number;

	sparse->used = true;
	if (strcmp(key, "name") == 0) {
		sparse->name = value;
		return 0;
	}
	if (strcmp(key, "map") == 0)
		return parse_map(sparse, value, end, failure);
	if (!pax_decimal(value, end, &number))
		return fail(failure, "the pax GNU.sparse.%.32s is malformed", key);
	if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0)
		sparse->size = number;
	else if (strcmp(key, "offset") == 0)
		return add_extent(sparse, number, -1, failure); // its size follows
	else if (strcmp(key, "numbytes") == 0 && sparse->count > 0 && sparse->extents[sparse->count - 1].size == -1)
		sparse->extents[sparse->count - 1].size = number;
	else if (strcmp(key, "major") == 0 && number <= 1)
		sparse->in_data = number == 1;
	else if (strcmp(key, "numblocks") != 0 && !(strcmp(key, "minor") == 0 && number <= 1))
		return fail(failure, "the pax record GNU.sparse.%.32s=%lld makes no sense", key, (long long)number);
	return 0;
}

// A decimal number and a newline, from blocks of the entry's data.
static int read_number(struct reader *reader, char block[TAR_BLOCK], size_t *at, int64_t *left, int64_t *number,
		       struct failure *failure)
{
	char text[20];

	for (size_t length = 0; length < sizeof text; length++) {
		if (*at == TAR_BLOCK) {
			if (*left < TAR_BLOCK)
				return malformed(failure);
			if (reader_copy(reader, block, TAR_BLOCK, failure) != 1)
				return fail(failure, "the archive is truncated");
			*left -= TAR_BLOCK;
			*at = 0;
		}
		text[length] = block[(*at)++];
		if (text[length] == '\n')
			return pax_decimal(text, text + length, number) ? 0 : malformed(failure);
	}
	return malformed(failure);
}

// Version 1.0: the number of extents and the extents, a number a line, padded to a whole block.
static int read_map(struct sparse *sparse, struct reader *reader, int64_t *stored, struct failure *failure)
{
	char block[TAR_BLOCK];
	size_t at = TAR_BLOCK;
	int64_t count, offset, size;

	sparse->count = 0;
	if (read_number(reader, block, &at, stored, &count, failure) < 0)
		return -1;
	for (; count > 0; count--)
		if (read_number(reader, block, &at, stored, &offset, failure) < 0 ||
		    read_number(reader, block, &at, stored, &size, failure) < 0 ||
		    add_extent(sparse, offset, size, failure) < 0)
			return -1;
	return 0;
}

// ---- the old GNU form ----

// Adds the extents that stand at from. A size of nothing at all is where they end.
static int old_extents(struct sparse *sparse, const char *from, size_t count, struct failure *failure)
{
	int64_t offset, size;

	for (; count > 0 && from[EXTENT_BYTES / 2] != '\0'; count--, from += EXTENT_BYTES) {
		if (!pax_number(from, EXTENT_BYTES / 2, &offset) ||
		    !pax_number(from + EXTENT_BYTES / 2, EXTENT_BYTES / 2, &size))
			return malformed(failure);
		if (add_extent(sparse, offset, size, failure) < 0)
			return -1;
	}
	return 0;
}

int sparse_header(struct sparse *sparse, const char *header, struct reader *reader, struct failure *failure)
{
	const char *after = header + OLD_EXTENTS + OLD_COUNT * EXTENT_BYTES;
	bool more = after[0] != '\0';
	char block[TAR_BLOCK];

	sparse->used = true;
	if (!pax_number(after + 1, 12, &sparse->size))
		return malformed(failure);
	if (old_extents(sparse, header + OLD_EXTENTS, OLD_COUNT, failure) < 0)
		return -1;
	while (more) {
		if (reader_copy(reader, block, TAR_BLOCK, failure) != 1)
			return fail(failure, "the archive is truncated");
		if (old_extents(sparse, block, MORE_COUNT, failure) < 0)
			return -1;
		more = block[MORE_COUNT * EXTENT_BYTES] != '\0';
	}
	return 0;
}

// ---- together ----

int sparse_settle(struct sparse *sparse, struct reader *reader, int64_t *stored, struct failure *failure)
{
	int64_t end = 0, sum = 0;

	if (sparse->in_data && read_map(sparse, reader, stored, failure) < 0)
		return -1;
	for (size_t i = 0; i < sparse->count; i++) {
		const struct extent *extent = &sparse->extents[i];

		if (extent->offset < end || extent->size < 0 ||
		    __builtin_add_overflow(extent->offset, extent->size, &end))
			return fail(failure, "the pieces of a sparse file are out of order");
		sum += extent->size; // no more than end
	}
	if (sum != *stored || end > sparse->size)
		return fail(failure, "a sparse file of %lld bytes does not fit its pieces", (long long)sparse->size);
	return 0;
}
