// SPDX-License-Identifier: Apache-2.0
// The steps that mount something on a target in the container's root: each mount is made whole while it is mounted
// nowhere, and then moved onto the fd of its target.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "copyup.h"
#include "filesystem.h"
#include "idmap.h"
#include "kernel.h"
#include "paths.h"
#include "step.h"
#include "target.h"

#define ATTRIBUTES                                                                                            \
	(KERNEL_ATTR_RDONLY | KERNEL_ATTR_NOSUID | KERNEL_ATTR_NODEV | KERNEL_ATTR_NOEXEC | KERNEL_ATTR_ATIME | \
	 KERNEL_ATTR_NODIRATIME | KERNEL_ATTR_NOSYMFOLLOW)

#define MODE_SIZE 16

struct options {
	uint64_t set, clear, recursive_set, recursive_clear, propagation;
	bool recursive, copyup, no_symlinks;
	const struct json *idmap;
};

static int read_flag(const struct json *object, const char *key, bool *flag, struct failure *failure)
{
	const struct json *value = json_get(object, key);
	if (value && value->type != JSON_TRUE && value->type != JSON_FALSE)
		return fail(failure, "option %s is neither true nor false", key);
	*flag = value && value->type == JSON_TRUE;
	return 0;
}

static int read_bits(const struct json *object, const char *key, uint64_t allowed, uint64_t *bits,
		     struct failure *failure)
{
	const struct json *value = json_get(object, key);
	if (value && (value->type != JSON_NUMBER || value->negative || value->magnitude & ~allowed))
		return fail(failure, "option %s has bits that are not allowed", key);
	*bits = value ? value->magnitude : 0;
	return 0;
}

static int read_attributes(uint64_t given, uint64_t *attributes, struct failure *failure)
{
	if (given & ~(uint64_t)ATTRIBUTES)
		return fail(failure, "mount attributes %#llx are not allowed", (unsigned long long)given);
	*attributes = given;
	return 0;
}

static int read_shared_options(const struct json *object, struct options *options, struct failure *failure)
{
	const uint64_t types = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;
	if (read_bits(object, "propagation", types | MS_REC, &options->propagation, failure) < 0 ||
	    read_bits(object, "recursiveSet", ATTRIBUTES, &options->recursive_set, failure) < 0)
		return -1;
	return read_bits(object, "recursiveClear", ATTRIBUTES, &options->recursive_clear, failure);
}

static int read_mount(const struct step *step, struct options *options, struct failure *failure)
{
	static const char *const known[] = { "propagation", "copyup", "recursiveSet", "recursiveClear", NULL };
	const struct json *object = step->at[5];
	*options = (struct options){ 0 };
	for (const struct json *item = step->at[4]->child; item; item = item->next)
		if (item->type != JSON_STRING)
			return fail(failure, "a parameter is not a string");
	if (json_only(object, known, failure) < 0 || read_attributes(number(step, 3), &options->set, failure) < 0 ||
	    read_flag(object, "copyup", &options->copyup, failure) < 0)
		return -1;
	return read_shared_options(object, options, failure);
}

static int read_bind(const struct step *step, struct options *options, struct failure *failure)
{
	static const char *const known[] = { "recursive", "propagation", "recursiveSet", "recursiveClear",
					     "idmap",	  "noSymlinks",	 NULL };
	const struct json *object = step->at[4];
	*options = (struct options){ .idmap = json_get(object, "idmap") };
	if (json_only(object, known, failure) < 0 || read_attributes(number(step, 2), &options->set, failure) < 0 ||
	    read_attributes(number(step, 3), &options->clear, failure) < 0 ||
	    read_flag(object, "recursive", &options->recursive, failure) < 0 ||
	    read_flag(object, "noSymlinks", &options->no_symlinks, failure) < 0 ||
	    (options->idmap && idmap_check(options->idmap, failure) < 0))
		return -1;
	if (read_shared_options(object, options, failure) < 0)
		return -1;
	if (options->propagation == 0) // nothing travels between host and container unless it is asked for
		options->propagation = MS_PRIVATE | MS_REC;
	return 0;
}

int check_mount(const struct step *step, struct failure *failure)
{
	struct options options;
	return read_mount(step, &options, failure);
}

int check_bind(const struct step *step, struct failure *failure)
{
	struct options options;
	return read_bind(step, &options, failure);
}

static int change(int tree, unsigned recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct kernel_mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };
	if ((set | clear) & KERNEL_ATTR_ATIME) // one of three values, not bits: the old one goes as a whole
		attr.attr_clr |= KERNEL_ATTR_ATIME;
	return set | clear | propagation ? kernel_mount_setattr(tree, recursive, &attr) : 0;
}

static int set_attributes(int tree, const struct options *options, struct failure *failure)
{
	uint64_t type = options->propagation & ~(uint64_t)MS_REC;
	if (change(tree, 0, options->set, options->clear, 0) < 0 ||
	    change(tree, KERNEL_AT_RECURSIVE, options->recursive_set, options->recursive_clear, 0) < 0)
		return fail_at(failure, "set", "the mount's attributes");
	if (change(tree, options->propagation & MS_REC ? KERNEL_AT_RECURSIVE : 0, 0, 0, type) < 0)
		return fail_at(failure, "set", "the mount's propagation");
	return 0;
}

static int attach(int tree, int target, const char *path, struct failure *failure)
{
	return kernel_move_mount(tree, target) < 0 ? fail_at(failure, "mount on", path) : 0;
}

// A tmpfs is as open as the directory that it covers, unless a later parameter says a mode.
static bool read_covered_mode(int root, const char *path, char parameter[static MODE_SIZE])
{
	struct stat status;
	cleanup_fd int fd = open_in_root(root, path, O_DIRECTORY);
	if (fd < 0 || fstat(fd, &status) < 0)
		return false;
	snprintf(parameter, MODE_SIZE, "mode=%o", status.st_mode & 07777);
	return true;
}

static int make_mount(const struct step *step, const char *mode, int target, const struct options *options,
		      struct failure *failure)
{
	struct json parameters = *step->at[4];
	struct json first = { .type = JSON_STRING, .string = mode, .next = parameters.child };
	struct options later = *options;
	unsigned now = (unsigned)options->set & ~(options->copyup ? KERNEL_ATTR_RDONLY : 0U);
	if (mode)
		parameters.child = &first;
	later.set &= ~(uint64_t)now;
	cleanup_fd int tree = filesystem_new(text(step, 0), text(step, 1), &parameters, now, failure);
	if (tree < 0 || (options->copyup && copy_up(target, tree, step->at[4], failure) < 0))
		return -1;
	return set_attributes(tree, &later, failure) < 0 ? -1 : steal_fd(&tree);
}

int run_mount(struct jail *jail, const struct step *step, struct failure *failure)
{
	char mode[MODE_SIZE];
	struct options options;
	const char *type = text(step, 0), *path = text(step, 2);
	bool proc = strcmp(type, "proc") == 0, view = proc || strcmp(type, "sysfs") == 0;
	if (read_mount(step, &options, failure) < 0)
		return -1;
	bool covers = strcmp(type, "tmpfs") == 0 && read_covered_mode(jail->root, path, mode);
	// CVE-2019-19921: the kernel's own views are never mounted through a link.
	cleanup_fd int target =
		open_mount_target(jail->root, path, view ? TARGET_NO_SYMLINKS : TARGET_DIRECTORY, proc, failure);
	cleanup_fd int tree = target < 0 ? -1 : make_mount(step, covers ? mode : NULL, target, &options, failure);
	return tree < 0 ? -1 : attach(tree, target, path, failure);
}

// Attributes last but one: an ID mapping needs a tree that nobody has written through yet.
int prepare_bind(const struct step *step, struct failure *failure)
{
	struct options options;
	if (read_bind(step, &options, failure) < 0)
		return -1;
	unsigned recursive = options.recursive ? KERNEL_AT_RECURSIVE : 0;
	cleanup_fd int tree = kernel_open_tree(AT_FDCWD, text(step, 0), KERNEL_OPEN_TREE_CLONE | recursive);
	if (tree < 0)
		return fail_at(failure, "source", text(step, 0));
	if (options.idmap && idmap_tree(tree, options.idmap, failure) < 0)
		return -1;
	if (set_attributes(tree, &options, failure) < 0)
		return -1;
	return steal_fd(&tree);
}

int run_bind(struct jail *jail, const struct step *step, struct failure *failure)
{
	struct stat status;
	struct options options;
	const char *path = text(step, 1);
	if (read_bind(step, &options, failure) < 0)
		return -1;
	cleanup_fd int opened = step->source < 0 ? prepare_bind(step, failure) : -1;
	int tree = step->source < 0 ? opened : step->source;
	if (tree < 0)
		return -1;
	if (fstat(tree, &status) < 0)
		return fail_at(failure, "source", text(step, 0));
	bool proc = is_procfs_root(tree);
	unsigned kind = (S_ISDIR(status.st_mode) ? TARGET_DIRECTORY : TARGET_FILE) |
		(options.no_symlinks || proc ? TARGET_NO_SYMLINKS : 0U);
	cleanup_fd int target = open_mount_target(jail->root, path, kind, proc, failure);
	return target < 0 ? -1 : attach(tree, target, path, failure);
}
