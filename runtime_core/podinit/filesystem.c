// SPDX-License-Identifier: Apache-2.0
#include "filesystem.h"

#include <errno.h>
#include <string.h>

#define MAX_LENGTH 255 // of a key and of a value: fsconfig(2) takes 256 bytes with the NUL

// What went wrong with `what`: the kernel's own words when the file system has some, else errno's.
static int fail_with_log(int fs, const char *type, const char *what, struct failure *failure)
{
	char log[256];
	int reason = errno;
	ssize_t length = read(fs, log, sizeof log - 1);
	if (length <= 2 || log[1] != ' ') // "e text": an error, a warning or an information
		return fail(failure, "file system %.64s: %.200s: %s", type, what, strerror(reason));
	log[length - (log[length - 1] == '\n')] = '\0';
	return fail(failure, "file system %.64s: %.200s: %s (%.150s)", type, what, strerror(reason), log + 2);
}

static int configure(int fs, const char *type, const char *parameter, struct failure *failure)
{
	char key[MAX_LENGTH + 1];
	const char *equals = strchr(parameter, '=');
	size_t length = equals ? (size_t)(equals - parameter) : strlen(parameter);
	if (length == 0 || length > MAX_LENGTH)
		return fail(failure, "file system %.64s: parameter %.200s has no usable name", type, parameter);
	if (equals && strlen(equals + 1) > MAX_LENGTH)
		return fail(failure, "file system %.64s: parameter %.200s… has more than the %d bytes that the kernel takes",
			    type, parameter, MAX_LENGTH);
	memcpy(key, parameter, length);
	key[length] = '\0';
	if (kernel_fsconfig(fs, equals ? KERNEL_FSCONFIG_SET_STRING : KERNEL_FSCONFIG_SET_FLAG, key,
			    equals ? equals + 1 : NULL) < 0)
		return fail_with_log(fs, type, parameter, failure);
	return 0;
}

int filesystem_new(const char *type, const char *source, const struct json *parameters, unsigned attributes,
		   struct failure *failure)
{
	cleanup_fd int fs = kernel_fsopen(type);
	if (fs < 0)
		return fail(failure, "file system %.64s: %s", type,
			    errno == ENODEV ? "the kernel does not know it" : strerror(errno));
	if (source && source[0] && kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_STRING, "source", source) < 0)
		return fail_with_log(fs, type, source, failure);
	for (const struct json *item = parameters ? parameters->child : NULL; item; item = item->next)
		if (configure(fs, type, item->string, failure) < 0)
			return -1;
	if (kernel_fsconfig(fs, KERNEL_FSCONFIG_CREATE, NULL, NULL) < 0)
		return fail_with_log(fs, type, "create", failure);
	int mount = kernel_fsmount(fs, attributes);
	return mount < 0 ? fail_with_log(fs, type, "mount", failure) : mount;
}

int filesystem_empty(struct failure *failure)
{
	struct json item = { .type = JSON_STRING, .string = "nr_inodes=1" };
	struct json parameters = { .type = JSON_ARRAY, .child = &item, .count = 1 };
	return filesystem_new("tmpfs", "tmpfs", &parameters, FILESYSTEM_CLOSED | KERNEL_ATTR_RDONLY, failure);
}
