// SPDX-License-Identifier: Apache-2.0
// What a tar header's number fields and its pax records mean. Used by tar.c and sparse.c alone.
#ifndef PODINIT_PAX_H
#define PODINIT_PAX_H

#include <stdbool.h>

#include "tar.h"

// Reads a number field: octal, or base-256 as GNU writes what octal cannot hold.
bool pax_number(const char *field, size_t size, int64_t *value);

// Checks that number can be a uid or gid (what names the field) and stores it: 0 or -1.
int pax_id(const char *what, int64_t number, unsigned int *id, struct failure *failure);

// Reads a decimal number that ends at end.
bool pax_decimal(const char *text, const char *end, int64_t *value);

// Applies the records in pax (which it cuts up; pax[pax_size] exists) to the entry, its size and its holes: 0 or -1.
int pax_apply(char *pax, size_t pax_size, struct tar_entry *entry, struct sparse *sparse, int64_t *size,
	      struct failure *failure);

#endif
