// SPDX-License-Identifier: Apache-2.0
// podinit unpack DIR: the tar of one layer on stdin becomes the content of DIR, an existing empty directory.
//
// The tar comes from the network, so it is handled in a jail: DIR is the root directory, every lookup stays beneath it
// (tree.c), and of root's capabilities only those remain that files need. The caller checks the digest of what it
// writes to the pipe, and uses DIR only when both the digest and this program say yes.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "extract.h"
#include "podinit.h"

#define BIT(capability) (1u << (capability))

// CHOWN, FOWNER, FSETID, DAC_OVERRIDE: any owner and mode. MKNOD: devices. SETFCAP: security.capability.
// SYS_ADMIN: trusted.* attributes, of which overlay's opaque mark is one.
static const uint32_t needed_low = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
				   BIT(CAP_SYS_ADMIN) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP);

// Gives up everything else. The bounding set does not matter: no_new_privs is set and nothing is ever executed.
static int drop_capabilities(struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return fail(failure, "cannot read the capabilities: %m");
	data[0].permitted &= needed_low;
	data[0].effective = data[0].permitted;
	data[1].permitted = data[1].effective = 0;
	data[0].inheritable = data[1].inheritable = 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
		return fail(failure, "cannot drop capabilities: %m");
	return 0;
}

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
static int confine(const char *directory, struct failure *failure)
{
	int root = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (root < 0)
		return fail(failure, "cannot open the directory: %m");
	if (flock(root, LOCK_SH | LOCK_NB) < 0)
		return fail(failure, "cannot lock the directory: %m");
	if (check_empty(root, failure) < 0)
		return -1;
	if (fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fail(failure, "cannot make the directory the root: %m");
	return drop_capabilities(failure) < 0 ? -1 : root;
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
		entry->name[0] = '\0'; // what fails from here on is not about an entry
	return more;
}

int unpack_main(int argc, char **argv)
{
	static struct tar tar;
	static struct tar_entry entry;
	struct extract extract = { .root = -1 };
	struct failure failure;
	int result;

	if (argc != 2) {
		fputs("usage: podinit unpack DIR < LAYER.tar\n", stderr);
		return 2;
	}
	umask(0);
	extract.root = confine(argv[1], &failure);
	if (extract.root < 0) {
		report(argv[1], &failure);
		return 1;
	}
	tar_open(&tar, STDIN_FILENO);
	result = extract_all(&extract, &tar, &entry, &failure);
	if (result == 0)
		result = tar_drain(&tar, &failure);
	if (result == 0)
		result = extract_finish(&extract, &failure);
	if (result == 0 && syncfs(extract.root) < 0) // before the caller's rename, so that a crash leaves all or nothing
		result = fail(&failure, "cannot sync: %m");
	if (result < 0)
		report(entry.name[0] ? entry.name : "layer", &failure);
	return result < 0;
}
