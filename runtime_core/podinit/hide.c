// SPDX-License-Identifier: Apache-2.0
#include "hide.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "filesystem.h"
#include "kernel.h"
#include "paths.h"

#define MAX_TABLE (16 << 20)

// Of a line of mountinfo(5): "36 35 98:0 /root /where options - type source options".
struct entry {
	char *root, *where, *type;
};

// A blank, a line's end or a backslash stands there as \040, \012 or \134.
static void unescape(char *text)
{
	char *out = text;
	while (*text) {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

static bool read_entry(char *line, struct entry *entry)
{
	char *fields[5], *rest = strstr(line, " - ");
	if (!rest)
		return false;
	*rest = '\0';
	rest += strlen(" - ");
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (!(fields[i] = strsep(&line, " ")))
			return false;
	*entry = (struct entry){ .root = fields[3], .where = fields[4], .type = strsep(&rest, " ") };
	unescape(entry->where);
	return true;
}

static int hide(const char *where, struct failure *failure)
{
	cleanup_fd int fd = open(where, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) // below something else, so out of sight
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail_at(failure, "hide", where);
	// Private first: the host keeps its own.
	if (mount(NULL, where, NULL, MS_PRIVATE, NULL) == 0 && umount2(where, MNT_DETACH) == 0)
		return 0;
	cleanup_fd int cover = filesystem_empty(failure);
	if (cover < 0)
		return -1;
	return kernel_move_mount(cover, fd) < 0 ? fail_at(failure, "hide", where) : 0;
}

static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);
	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int hide_kernel_views(int root, struct failure *failure)
{
	int result = 0;
	size_t length;
	char own[PATH_MAX], *next;
	struct entry entry;
	ssize_t size = readlink(fd_path(root).text, own, sizeof own - 1);
	if (size < 0)
		return fail_at(failure, "find", "the rootfs");
	own[size] = '\0';
	cleanup_free char *table = read_file(AT_FDCWD, "/proc/self/mountinfo", MAX_TABLE, &length, failure);
	if (!table)
		return -1;
	for (char *line = table; result == 0 && (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (!read_entry(line, &entry) || strcmp(entry.root, "/") != 0 || is_below(entry.where, own))
			continue;
		if (strcmp(entry.type, "proc") == 0 || strcmp(entry.type, "sysfs") == 0)
			result = hide(entry.where, failure);
	}
	return result;
}
