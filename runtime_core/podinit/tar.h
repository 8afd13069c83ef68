// SPDX-License-Identifier: Apache-2.0
// A tar stream, entry by entry: ustar, GNU (long names, base-256 numbers, sparse files), star and pax. Memory is bounded
// whatever comes in.
#ifndef PODINIT_TAR_H
#define PODINIT_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "failure.h"
#include "reader.h"
#include "sparse.h"

#define TAR_BLOCK 512
#define TAR_MAX_PATH (64 << 10) // bytes with the NUL: a tree may be deeper than the kernel's PATH_MAX
#define TAR_MAX_PAX (1 << 20)   // bytes of one pax header: what Go's archive/tar, and so Docker, accepts
#define TAR_MAX_XATTRS 256

enum tar_type {
	TAR_FILE = '0',
	TAR_HARDLINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHAR = '3',
	TAR_BLOCKDEV = '4',
	TAR_DIRECTORY = '5',
	TAR_FIFO = '6',
};

// Points into the reader's pax buffer: valid until the next tar_next().
struct tar_xattr {
	const char *name;
	const char *value;
	size_t size;
};

struct tar_entry {
	enum tar_type type;
	const char *name; // bytes as they stand in the archive, whatever their encoding; valid until the next tar_next()
	const char *link; // the same
	mode_t mode;      // permission bits only, 07777
	uid_t uid;
	gid_t gid;
	int64_t size; // of a file, holes included; 0 for everything else
	struct timespec mtime;
	unsigned int major, minor;
	size_t xattr_count;
	struct tar_xattr xattrs[TAR_MAX_XATTRS];
};

struct tar {
	int64_t data_left; // of the current entry
	size_t padding;    // zeros after the data, up to the next block
	int64_t offset;    // in the file, of the next data
	size_t extent;     // of a sparse file, the next one
	int64_t extent_left;
	struct sparse sparse;
	size_t pax_size; // of the header that waits for its entry; 0 when there is none
	char name[257], link[101];
	char long_name[TAR_MAX_PATH], long_link[TAR_MAX_PATH];
	char pax[TAR_MAX_PAX + 1];
	struct reader reader;
};

// Prepares a reader (too big for a stack: make it static) of the stream fd.
void tar_open(struct tar *tar, int fd);

// Goes to the next entry, over the rest of the present one's data: 1 = there is one, 0 = the archive ended well, -1.
// After an error in an entry's numbers or paths, entry->name says which one it was ("" when not known).
int tar_next(struct tar *tar, struct tar_entry *entry, struct failure *failure);

// Sets *chunk to the next bytes of the entry's data and *offset to their place in the file; between these are holes.
// Returns their number: 0 at its end, -1.
ssize_t tar_data(struct tar *tar, const char **chunk, int64_t *offset, struct failure *failure);

// Reads whatever follows the archive's end, so that the writer of the pipe never gets EPIPE: 0 or -1.
int tar_drain(struct tar *tar, struct failure *failure);

#endif
