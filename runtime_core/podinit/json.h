// SPDX-License-Identifier: Apache-2.0
// A strict JSON reader with bounds (RFC 8259; integers only, no duplicate keys, no NUL, valid UTF-8), a string writer.
#ifndef PODINIT_JSON_H
#define PODINIT_JSON_H

#include "util.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool negative;
	uint64_t magnitude; // of a number
	const char *string;
	const char *key; // of a member of an object
	struct json *child, *next;
	size_t count; // of children
};

// Owns the text, in which strings are unescaped in place, and all its values; root is the first of them.
struct json_document {
	char *text;
	struct json *root;
};

// Takes the text over, also when it fails.
int json_parse(struct json_document *document, char *text, size_t length, struct failure *failure);
int json_read_file(struct json_document *document, int dir, const char *path, struct failure *failure);
void json_free(struct json_document *document);

const struct json *json_get(const struct json *object, const char *key); // NULL when there is none

// Checks: each returns -1 with a sentence that names the key.
int json_only(const struct json *object, const char *const keys[], struct failure *failure); // keys end with NULL
int json_text(const struct json *object, const char *key, const char **out, struct failure *failure); // not empty
int json_integer(const struct json *object, const char *key, int64_t min, int64_t max, int64_t *out,
		 struct failure *failure);
int json_list(const struct json *object, const char *key, const struct json **out, struct failure *failure);
// A list of strings.
int json_texts(const struct json *object, const char *key, const struct json **out, struct failure *failure);
bool json_in_range(const struct json *value, int64_t min, int64_t max, int64_t *out);

void json_add_string(struct buffer *buffer, const char *text); // quoted; what is not UTF-8 becomes U+FFFD

#endif
