// SPDX-License-Identifier: Apache-2.0
// The numbers of tar headers, and the records of POSIX.1-2001 extended headers (pax(1), "pax Header Block").
#include "pax.h"

#include <string.h>

// ---- numbers ----

// Base-256: the first bit says so, the second is the sign, the rest is a big-endian two's complement number.
static bool binary_number(const unsigned char *field, size_t size, int64_t *value)
{
	unsigned char sign = field[0] & 0x40 ? 0xff : 0;
	uint64_t magnitude = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte = field[i] ^ sign;

		if (i == 0)
			byte &= 0x7f;
		if (magnitude >> 55)
			return false;
		magnitude = magnitude << 8 | byte;
	}
	*value = sign ? -1 - (int64_t)magnitude : (int64_t)magnitude;
	return true;
}

// An octal number, padded by spaces or NULs on either side; nothing at all counts as 0, as everywhere.
bool pax_number(const char *field, size_t size, int64_t *value)
{
	size_t i = 0;

	if (field[0] & 0x80)
		return binary_number((const unsigned char *)field, size, value);
	*value = 0;
	while (i < size && (field[i] == ' ' || field[i] == '\0'))
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		*value = *value * 8 + (field[i] - '0'); // at most 12 digits: 36 bits
	while (i < size && (field[i] == ' ' || field[i] == '\0'))
		i++;
	return i == size;
}

bool pax_decimal(const char *text, const char *end, int64_t *value)
{
	int64_t result = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(result, 10, &result) ||
		    __builtin_add_overflow(result, *text - '0', &result))
			return false;
	}
	*value = result;
	return true;
}

// Seconds with an optional sign and fraction, of which nine digits count.
static bool parse_time(const char *text, const char *end, struct timespec *time)
{
	bool negative = text < end && *text == '-';
	const char *point;
	int64_t seconds;
	long nanoseconds = 0, scale = 100000000;

	text += negative;
	point = memchr(text, '.', (size_t)(end - text));
	if (!pax_decimal(text, point ? point : end, &seconds))
		return false;
	for (const char *digit = point ? point + 1 : end; digit < end; digit++, scale /= 10) {
		if (*digit < '0' || *digit > '9')
			return false;
		nanoseconds += (*digit - '0') * scale;
	}
	time->tv_sec = negative ? -seconds - (nanoseconds > 0) : seconds;
	time->tv_nsec = negative && nanoseconds > 0 ? 1000000000 - nanoseconds : nanoseconds;
	return true;
}

// ---- pax records: "<length> <key>=<value>\n" ----

struct record {
	const char *key;   // NUL-terminated
	const char *value; // NUL-terminated, but may hold NULs itself
	size_t size;
};

// Cuts the next record out of the pax buffer: 1, 0 at its end, -1.
static int next_record(char *pax, size_t size, size_t *offset, struct record *record, struct failure *failure)
{
	char *start = pax + *offset;
	size_t left = size - *offset;
	char *space = memchr(start, ' ', left < 20 ? left : 20);
	char *equals;
	int64_t length;

	if (left == 0)
		return 0;
	if (!space || !pax_decimal(start, space, &length) || length > (int64_t)left ||
	    length < space - start + 3 || start[length - 1] != '\n')
		return fail(failure, "a pax record is malformed");
	equals = memchr(space + 1, '=', (size_t)(start + length - 1 - (space + 1)));
	if (!equals || equals == space + 1 || memchr(space + 1, '\0', (size_t)(equals - space)))
		return fail(failure, "a pax record is malformed");
	*equals = start[length - 1] = '\0';
	record->key = space + 1;
	record->value = equals + 1;
	record->size = (size_t)(start + length - 1 - record->value);
	*offset += (size_t)length;
	return 1;
}

// A path may be longer than the kernel takes at once, but not without bound, and holds no NUL.
static int check_path(const struct record *record, struct failure *failure)
{
	if (record->size >= TAR_MAX_PATH)
		return fail(failure, "a path of %zu bytes is over the limit of %d", record->size, TAR_MAX_PATH - 1);
	if (memchr(record->value, '\0', record->size))
		return fail(failure, "a path holds a NUL byte");
	return 0;
}

static int set_path(const char **path, const struct record *record, struct failure *failure)
{
	*path = record->value;
	return check_path(record, failure);
}

int pax_id(const char *what, int64_t number, unsigned int *id, struct failure *failure)
{
	if (number < 0 || number >= UINT32_MAX) // UINT32_MAX would tell chown(2) to change nothing
		return fail(failure, "the %s %lld is out of range", what, (long long)number);
	*id = (unsigned int)number;
	return 0;
}

static int add_xattr(struct tar_entry *entry, const char *name, const struct record *record, struct failure *failure)
{
	if (entry->xattr_count == TAR_MAX_XATTRS)
		return fail(failure, "more than %d extended attributes", TAR_MAX_XATTRS);
	entry->xattrs[entry->xattr_count++] = (struct tar_xattr){ name, record->value, record->size };
	return 0;
}

static int set_number(struct tar_entry *entry, const struct record *record, int64_t *size, struct failure *failure)
{
	int64_t number;

	if (!pax_decimal(record->value, record->value + record->size, &number))
		return fail(failure, "the pax %s is malformed", record->key);
	if (record->key[0] != 's')
		return pax_id(record->key, number, record->key[0] == 'u' ? &entry->uid : &entry->gid, failure);
	*size = number;
	return 0;
}

static int set_sparse(struct sparse *sparse, const struct record *record, const char *key, struct failure *failure)
{
	if (strcmp(key, "name") == 0 && check_path(record, failure) < 0)
		return -1;
	return sparse_record(sparse, key, record->value, record->size, failure);
}

// bsdtar writes each attribute twice, as SCHILY.xattr and in its own LIBARCHIVE.xattr: that the former are heeded is
// what Go does too.
static int apply_record(struct tar_entry *entry, const struct record *record, struct sparse *sparse, int64_t *size,
			struct failure *failure)
{
	static const char xattr[] = "SCHILY.xattr.", holes[] = "GNU.sparse.";
	const char *key = record->key;

	if (strncmp(key, xattr, sizeof xattr - 1) == 0)
		return add_xattr(entry, key + sizeof xattr - 1, record, failure);
	if (record->size == 0)
		return 0; // an empty value takes back what a global header had said
	if (strncmp(key, holes, sizeof holes - 1) == 0)
		return set_sparse(sparse, record, key + sizeof holes - 1, failure);
	if (strcmp(key, "path") == 0)
		return set_path(&entry->name, record, failure);
	if (strcmp(key, "linkpath") == 0)
		return set_path(&entry->link, record, failure);
	if (strcmp(key, "mtime") == 0)
		return parse_time(record->value, record->value + record->size, &entry->mtime)
			       ? 0 : fail(failure, "the pax mtime is malformed");
	if (strcmp(key, "size") == 0 || strcmp(key, "uid") == 0 || strcmp(key, "gid") == 0)
		return set_number(entry, record, size, failure);
	return 0; // atime, ctime, uname, comments: nothing that a layer keeps
}

int pax_apply(char *pax, size_t pax_size, struct tar_entry *entry, struct sparse *sparse, int64_t *size,
	      struct failure *failure)
{
	struct record record = { 0 };
	size_t offset = 0;
	int more;

	while ((more = next_record(pax, pax_size, &offset, &record, failure)) > 0)
		if (apply_record(entry, &record, sparse, size, failure) < 0)
			return -1;
	return more;
}
