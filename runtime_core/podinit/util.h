// SPDX-License-Identifier: Apache-2.0
// Ownership in the type, the failing path in the message, a growing buffer, small files, clocks.
//
// Convention: a function that can fail returns 0 (or an fd), or -1 with a sentence in *failure (see failure.h).
#ifndef PODINIT_UTIL_H
#define PODINIT_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"

#define cleanup_fd __attribute__((cleanup(cleanup_close)))
#define cleanup_free __attribute__((cleanup(cleanup_release)))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_release(void *pointer)
{
	free(*(void **)pointer);
}

static inline int steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -1;
	return stolen;
}

// Fills the failure with "what path: errno's text" and returns -1.
int fail_at(struct failure *failure, const char *what, const char *path);

struct buffer {
	char *data;
	size_t length, capacity;
	bool failed; // memory ran out: what is in it is not complete
};

void buffer_add(struct buffer *buffer, const void *data, size_t length);
void buffer_print(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_free(struct buffer *buffer);

// The whole file with a NUL after it, or NULL; a file of more than `limit` bytes is an error.
char *read_file(int dir, const char *path, size_t limit, size_t *length, struct failure *failure);
int write_file(int dir, const char *path, const char *text, struct failure *failure); // an existing file, one write
int write_all(int fd, const void *data, size_t length);
int make_dir(int dir, const char *name, struct failure *failure); // 0755, an existing one is right
bool is_null_device(int fd);                                  // the character device 1:3
int64_t monotonic_ms(void);

#define TIME_TEXT 32
void time_text(time_t seconds, char text[static TIME_TEXT]); // RFC 3339, UTC, whole seconds

#endif
