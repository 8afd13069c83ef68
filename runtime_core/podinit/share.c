// SPDX-License-Identifier: Apache-2.0
#include "share.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "kernel.h"

static const char *name_of(const struct json *row)
{
	return row->child->string;
}

static const char *source_of(const struct json *row)
{
	return row->child->next->string;
}

static bool with_host(const struct json *row)
{
	return strcmp(row->child->next->next->string, "host") == 0;
}

static int open_source(const struct json *row, struct failure *failure)
{
	int tree = kernel_open_tree(AT_FDCWD, source_of(row), KERNEL_OPEN_TREE_CLONE | KERNEL_AT_RECURSIVE);
	return tree < 0 ? fail_at(failure, "open the volume", source_of(row)) : tree;
}

// A tree of the host's stays in its group; any other begins one.
static int attach(int pod_dir, const struct json *row, int tree, struct failure *failure)
{
	const struct kernel_mount_attr attr = { .propagation = MS_SHARED };
	if (make_dir(pod_dir, "volumes", failure) < 0)
		return -1;
	cleanup_fd int volumes = openat(pod_dir, "volumes", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (volumes < 0 || make_dir(volumes, name_of(row), failure) < 0)
		return volumes < 0 ? fail_at(failure, "open", "volumes") : -1;
	cleanup_fd int target = openat(volumes, name_of(row), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 || kernel_mount_setattr(tree, KERNEL_AT_RECURSIVE, &attr) < 0 ||
	    kernel_move_mount(tree, target) < 0)
		return fail_at(failure, "share the volume", name_of(row));
	return 0;
}

int share_isolate(const struct sandbox_plan *plan, int pod_dir, struct failure *failure)
{
	int trees[MAX_SHARED], result = 0;
	size_t count = 0, index = 0;
	for (const struct json *row = plan->shared->child; result == 0 && row; row = row->next)
		if (with_host(row) && (trees[count++] = open_source(row, failure)) < 0)
			result = -1;
	if (result == 0 && mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		result = fail_at(failure, "set the propagation of", "/");
	for (const struct json *row = plan->shared->child; result == 0 && row; row = row->next)
		if (with_host(row))
			result = attach(pod_dir, row, trees[index++], failure);
	for (size_t i = 0; i < count; i++)
		cleanup_close(&trees[i]);
	return result;
}

int share_own(const struct sandbox_plan *plan, int pod_dir, struct failure *failure)
{
	for (const struct json *row = plan->shared->child; row; row = row->next) {
		cleanup_fd int tree = with_host(row) ? -1 : open_source(row, failure);
		if (!with_host(row) && (tree < 0 || attach(pod_dir, row, tree, failure) < 0))
			return -1;
	}
	return 0;
}
