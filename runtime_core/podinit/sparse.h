// SPDX-License-Identifier: Apache-2.0
// Files with holes: what GNU tar writes of them, in its old form and in the three of its pax records (tar's manual,
// "Storing Sparse Files"). Used by tar.c and pax.c alone.
#ifndef PODINIT_SPARSE_H
#define PODINIT_SPARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "reader.h"

struct extent {
	int64_t offset, size;
};

struct sparse {
	struct extent *extents; // where the stored data belongs, in its order
	size_t count, capacity;
	int64_t size;     // of the whole file
	const char *name; // the real one, when the records give it
	bool used;        // whether the present entry is such a file
	bool in_data;     // whether the extents stand before the data (version 1.0)
};

// The next entry is no sparse file until something says so. What extents holds is kept for the next one.
void sparse_reset(struct sparse *sparse);

// Takes the pax record GNU.sparse.<key>; value (size bytes and a NUL) stays where it is: 0 or -1.
int sparse_record(struct sparse *sparse, const char *key, const char *value, size_t size, struct failure *failure);

// Takes the extents of an old GNU header, one block, and of those that follow it in the stream: 0 or -1.
int sparse_header(struct sparse *sparse, const char *header, struct reader *reader, struct failure *failure);

// Once all of the header is known: reads the extents that stand before the data, and takes those bytes off *stored,
// the number of bytes that are. Checks that the extents can be. 0 or -1.
int sparse_settle(struct sparse *sparse, struct reader *reader, int64_t *stored, struct failure *failure);

#endif
