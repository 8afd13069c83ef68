// SPDX-License-Identifier: Apache-2.0
// Why something failed, in words for the user. A function that can fail takes a struct failure and returns -1 after
// fail() filled it; the caller adds what it was about (the entry's name) and decides what to do.
#ifndef PODINIT_FAILURE_H
#define PODINIT_FAILURE_H

#include <stdarg.h>
#include <stdio.h>

struct failure {
	char reason[512];
};

// Returns -1, so that a function can say `return fail(...)`. %m in the format is errno's text.
__attribute__((format(printf, 2, 3))) static inline int fail(struct failure *failure, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(failure->reason, sizeof failure->reason, format, arguments);
	va_end(arguments);
	return -1;
}

#endif
