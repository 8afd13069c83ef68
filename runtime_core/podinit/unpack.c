// SPDX-License-Identifier: Apache-2.0
// podinit unpack DIR: the tar of one layer on stdin becomes the content of DIR, an existing empty directory.
//
// The tar comes from the network, so it is handled in a jail: DIR is the root directory, every lookup stays beneath it
// (tree.c), and of root's capabilities and of all system calls only those remain that files need (confine.c). The caller checks the digest of what it
// writes to the pipe, and uses DIR only when both the digest and this program say yes.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"
#include "extract.h"
#include "podinit.h"

static int check_empty(int root, struct failure *failure)
{
	int copy = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *name;
	bool empty = true;

	if (!listing)
		return fail(failure, "cannot list the directory: %m");
	while ((name = readdir(listing)))
		empty = empty && (strcmp(name->d_name, ".") == 0 || strcmp(name->d_name, "..") == 0);
	closedir(listing);
	return empty ? 0 : fail(failure, "the directory is not empty");
}

// Makes directory the root of this process and returns a descriptor of it; -1. The shared lock on it tells whoever
// clears up after dead processes that this one is alive (podwright/images/layers.py).
static int enter(const char *directory, struct failure *failure)
{
	int root;

	confine_resources();
	root = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return fail(failure, "cannot open the directory: %m");
	if (flock(root, LOCK_SH | LOCK_NB) < 0)
		return fail(failure, "cannot lock the directory: %m");
	if (check_empty(root, failure) < 0)
		return -1;
	return confine_root(root, failure) < 0 || confine_powers(failure) < 0 ? -1 : root;
}

// One line, whatever bytes the name has; long names are cut.
static void report(const char *name, const struct failure *failure)
{
	for (int i = 0; name[i] && i < 200; i++) {
		unsigned char byte = (unsigned char)name[i];

		fprintf(stderr, byte < ' ' || byte == 0x7f || byte == '\\' ? "\\x%02x" : "%c", byte);
	}
	fprintf(stderr, ": %s\n", failure->reason);
}

static int extract_all(struct extract *extract, struct tar *tar, struct tar_entry *entry, struct failure *failure)
{
	int more;

	while ((more = tar_next(tar, entry, failure)) > 0)
		if (extract_entry(extract, tar, entry, failure) < 0)
			return -1;
	if (more == 0)
		entry->name = ""; // what fails from here on is not about an entry
	return more;
}

int unpack_main(int argc, char **argv)
{
	static struct tar tar;
	static struct tar_entry entry = { .name = "" };
	static struct extract extract;
	struct failure failure;
	int root, result;

	if (argc != 2) {
		fputs("usage: podinit unpack DIR < LAYER.tar\n", stderr);
		return 2;
	}
	umask(0);
	root = enter(argv[1], &failure);
	if (root < 0) {
		report(argv[1], &failure);
		return 1;
	}
	tar_open(&tar, STDIN_FILENO);
	result = extract_start(&extract, root, &failure);
	if (result == 0)
		result = extract_all(&extract, &tar, &entry, &failure);
	if (result == 0)
		result = tar_drain(&tar, &failure);
	if (result == 0)
		result = extract_finish(&extract, &failure);
	if (result < 0)
		report(entry.name[0] ? entry.name : "layer", &failure);
	return result < 0;
}
