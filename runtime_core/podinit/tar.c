// SPDX-License-Identifier: Apache-2.0
// The stream and its headers: POSIX.1-1988 ustar, and what GNU tar and star made of it.
#include "tar.h"

#include "pax.h"

#include <stdbool.h>
#include <string.h>

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a tar header is one block");

void tar_open(struct tar *tar, int fd)
{
	memset(tar, 0, sizeof *tar);
	tar->reader.fd = fd;
}

// ---- data ----

static int skip_padding(struct tar *tar, struct failure *failure)
{
	char ignored[TAR_BLOCK];

	if (tar->padding > 0 && reader_copy(&tar->reader, ignored, tar->padding, failure) != 1)
		return fail(failure, "the archive is truncated");
	tar->padding = 0;
	return 0;
}

static void set_data(struct tar *tar, int64_t size)
{
	tar->data_left = tar->extent_left = size;
	tar->padding = (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
	tar->offset = 0;
	tar->extent = 0;
	if (tar->sparse.used)
		tar->extent_left = 0;
}

ssize_t tar_data(struct tar *tar, const char **chunk, int64_t *offset, struct failure *failure)
{
	size_t n;
	int more;

	if (tar->data_left == 0)
		return skip_padding(tar, failure);
	while (tar->extent_left == 0) { // there is another one, since there is data left
		const struct extent *extent = &tar->sparse.extents[tar->extent++];

		tar->offset = extent->offset;
		tar->extent_left = extent->size;
	}
	more = reader_fill(&tar->reader, failure);
	if (more <= 0)
		return more < 0 ? -1 : fail(failure, "the archive is truncated");
	n = reader_take(&tar->reader, (uint64_t)tar->extent_left < SIZE_MAX ? (size_t)tar->extent_left : SIZE_MAX, chunk);
	*offset = tar->offset;
	tar->offset += (int64_t)n;
	tar->data_left -= (int64_t)n;
	tar->extent_left -= (int64_t)n;
	return (ssize_t)n;
}

int tar_drain(struct tar *tar, struct failure *failure)
{
	return reader_drain(&tar->reader, failure);
}

// ---- headers ----

static bool is_zero(const struct header *header)
{
	const char *byte = (const char *)header;

	return byte[0] == '\0' && memcmp(byte, byte + 1, TAR_BLOCK - 1) == 0;
}

// Old tars summed signed chars; both are accepted, as everywhere.
static bool checksum_matches(const struct header *header)
{
	const char *byte = (const char *)header;
	int64_t wanted, sum = 0, signed_sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool own = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);

		sum += own ? ' ' : (unsigned char)byte[i];
		signed_sum += own ? ' ' : (signed char)byte[i];
	}
	return pax_number(header->checksum, sizeof header->checksum, &wanted) &&
	       (wanted == sum || wanted == signed_sum);
}

// Reads one header: 1, 0 at the archive's end (two zero blocks, or the stream's end between entries), -1.
static int read_header(struct tar *tar, struct header *header, struct failure *failure)
{
	int got = reader_copy(&tar->reader, (char *)header, sizeof *header, failure);

	if (got == 1 && is_zero(header)) {
		got = reader_copy(&tar->reader, (char *)header, sizeof *header, failure);
		if (got == 1 && !is_zero(header))
			return fail(failure, "a lone zero block stands between entries");
		return got < 0 ? -1 : 0;
	}
	if (got == 1 && !checksum_matches(header))
		return fail(failure, "not a tar header: its checksum is wrong");
	return got;
}

// Reads the data of a header that describes the next entry: a long name, or pax records.
static int read_meta(struct tar *tar, char *target, size_t limit, int64_t size, struct failure *failure)
{
	if (size < 0 || size > (int64_t)limit)
		return fail(failure, "a header of %lld bytes is over the limit of %zu", (long long)size, limit);
	set_data(tar, size);
	tar->data_left = 0;
	if (size > 0 && reader_copy(&tar->reader, target, (size_t)size, failure) != 1)
		return fail(failure, "the archive is truncated");
	target[size] = '\0';
	return skip_padding(tar, failure);
}

// ustar keeps long names as prefix + "/" + name; star's variant gives the prefix's end to two times.
static void ustar_name(const struct header *header, char name[257])
{
	bool ustar = memcmp(header->magic, "ustar", 6) == 0;
	size_t room = memcmp(header->pad + 8, "tar", 4) == 0 ? 131 : sizeof header->prefix;
	size_t prefix = ustar ? strnlen(header->prefix, room) : 0;
	size_t base = strnlen(header->name, sizeof header->name);

	memcpy(name, header->prefix, prefix);
	if (prefix > 0)
		name[prefix++] = '/';
	memcpy(name + prefix, header->name, base);
	name[prefix + base] = '\0';
}

static int parse_devices(const struct header *header, struct tar_entry *entry, struct failure *failure)
{
	int64_t major, minor;

	if (!pax_number(header->major, sizeof header->major, &major) ||
	    !pax_number(header->minor, sizeof header->minor, &minor))
		return fail(failure, "the device number is malformed");
	if (major < 0 || major >= 1 << 12 || minor < 0 || minor >= 1 << 20) // the kernel's MKDEV
		return fail(failure, "the device number %lld:%lld is out of range", (long long)major, (long long)minor);
	entry->major = (unsigned int)major;
	entry->minor = (unsigned int)minor;
	return 0;
}

static int parse_header(struct tar *tar, const struct header *header, struct tar_entry *entry, int64_t *size,
			struct failure *failure)
{
	int64_t mode, uid, gid, mtime;

	memset(entry, 0, offsetof(struct tar_entry, xattrs));
	ustar_name(header, tar->name);
	memcpy(tar->link, header->link, sizeof header->link); // the byte after it is always zero
	entry->name = tar->name;
	entry->link = tar->link;
	if (!pax_number(header->mode, sizeof header->mode, &mode) ||
	    !pax_number(header->uid, sizeof header->uid, &uid) ||
	    !pax_number(header->gid, sizeof header->gid, &gid) ||
	    !pax_number(header->size, sizeof header->size, size) ||
	    !pax_number(header->mtime, sizeof header->mtime, &mtime))
		return fail(failure, "a number in the tar header is malformed");
	entry->mode = (mode_t)(mode & 07777);
	entry->mtime.tv_sec = mtime;
	if (pax_id("uid", uid, &entry->uid, failure) < 0 || pax_id("gid", gid, &entry->gid, failure) < 0)
		return -1;
	if (header->type == TAR_CHAR || header->type == TAR_BLOCKDEV)
		return parse_devices(header, entry, failure);
	return 0;
}

// Settles the entry's name, from what came before its own header.
static void settle_names(struct tar *tar, struct tar_entry *entry)
{
	if (tar->long_name[0])
		entry->name = tar->long_name;
	if (tar->long_link[0])
		entry->link = tar->long_link;
	if (tar->sparse.name)
		entry->name = tar->sparse.name; // the header has one made up, for tars that do not know of sparse files
}

// Settles the entry's type once its final name is known. Sockets have none: no layer can hold them.
static int settle_type(struct tar_entry *entry, char type, int64_t size, struct failure *failure)
{
	size_t length = strlen(entry->name);

	if (type == '\0' || type == '7' || type == 'S') // v7's regular file; a contiguous one; a sparse one
		type = TAR_FILE;
	if (type == TAR_FILE && length > 0 && entry->name[length - 1] == '/') {
		type = TAR_DIRECTORY; // v7 had no other sign for it
		if (size != 0)
			return fail(failure, "a directory of %lld bytes", (long long)size);
	}
	if (type < TAR_FILE || type > TAR_FIFO)
		return fail(failure, type > ' ' && type < 0x7f ? "an entry of the unknown type '%c'"
							       : "an entry of the unknown type 0x%02x", type & 0xff);
	entry->type = (enum tar_type)type;
	return 0;
}

// Settles where the entry's data ends, and what file it makes.
static int settle_data(struct tar *tar, struct tar_entry *entry, const struct header *header, int64_t size,
		       struct failure *failure)
{
	struct sparse *sparse = &tar->sparse;
	bool old = header->type == 'S';

	if (entry->type != TAR_FILE)
		size = 0; // nothing else has data, whatever its header says
	if (size < 0 || size > INT64_MAX - TAR_BLOCK)
		return fail(failure, "a size of %lld bytes is out of range", (long long)size);
	if ((old || sparse->used) && (entry->type != TAR_FILE || (old && memcmp(header->magic, "ustar  ", 8) != 0)))
		return fail(failure, "a sparse file of an unknown kind");
	if (old && sparse_header(sparse, (const char *)header, &tar->reader, failure) < 0)
		return -1;
	if (sparse->used && sparse_settle(sparse, &tar->reader, &size, failure) < 0)
		return -1;
	entry->size = sparse->used ? sparse->size : size;
	set_data(tar, size);
	return 0;
}

static int skip_entry(struct tar *tar, struct failure *failure)
{
	const char *ignored;
	int64_t offset;
	ssize_t n;

	while ((n = tar_data(tar, &ignored, &offset, failure)) > 0)
		;
	return (int)n;
}

// Reads a header that is not an entry itself: 1 when it was one, 0 when the header is an entry's, -1.
static int take_meta(struct tar *tar, const struct header *header, struct failure *failure)
{
	int64_t size;

	if (!strchr("LKxXg", header->type) || header->type == '\0')
		return 0;
	if (!pax_number(header->size, sizeof header->size, &size) || size < 0 || size > INT64_MAX - TAR_BLOCK)
		return fail(failure, "the size of an extended header is malformed");
	if (header->type == 'L' || header->type == 'K')
		return read_meta(tar, header->type == 'L' ? tar->long_name : tar->long_link, TAR_MAX_PATH - 1, size,
				 failure) < 0 ? -1 : 1;
	if (header->type == 'g') { // what a global header says of all entries, no reader of layers heeds: Go's skips it
		set_data(tar, size);
		return skip_entry(tar, failure) < 0 ? -1 : 1;
	}
	if (read_meta(tar, tar->pax, TAR_MAX_PAX, size, failure) < 0)
		return -1;
	tar->pax_size = (size_t)size;
	return 1;
}

// Forgets the entry before: 0 or -1.
static int leave_entry(struct tar *tar, struct tar_entry *entry, struct failure *failure)
{
	entry->name = "";
	if (skip_entry(tar, failure) < 0)
		return -1;
	sparse_reset(&tar->sparse);
	tar->pax_size = 0;
	tar->long_name[0] = tar->long_link[0] = '\0';
	return 0;
}

int tar_next(struct tar *tar, struct tar_entry *entry, struct failure *failure)
{
	struct header header;
	int64_t size;
	int got;

	if (leave_entry(tar, entry, failure) < 0)
		return -1;
	do {
		got = read_header(tar, &header, failure);
		if (got < 0)
			return -1;
		if (got == 0 && (tar->pax_size > 0 || tar->long_name[0] || tar->long_link[0]))
			return fail(failure, "the archive is truncated");
		if (got == 0)
			return 0;
	} while ((got = take_meta(tar, &header, failure)) > 0);
	if (got < 0 || parse_header(tar, &header, entry, &size, failure) < 0 ||
	    pax_apply(tar->pax, tar->pax_size, entry, &tar->sparse, &size, failure) < 0)
		return -1;
	settle_names(tar, entry);
	if (settle_type(entry, header.type, size, failure) < 0 || settle_data(tar, entry, &header, size, failure) < 0)
		return -1;
	return 1;
}
