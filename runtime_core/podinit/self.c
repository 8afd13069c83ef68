// SPDX-License-Identifier: Apache-2.0
#include "self.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include "kernel.h"

int self_run_from_readonly_mount(char **argv, struct failure *failure)
{
	struct statvfs status;
	struct kernel_mount_attr attr = { .attr_set = KERNEL_ATTR_RDONLY };
	if (statvfs("/proc/self/exe", &status) < 0)
		return fail_at(failure, "statvfs", "/proc/self/exe");
	if (status.f_flag & ST_RDONLY)
		return 0;
	cleanup_fd int self = kernel_open_tree(AT_FDCWD, "/proc/self/exe", KERNEL_OPEN_TREE_CLONE);
	if (self >= 0 && kernel_mount_setattr(self, 0, &attr) == 0)
		kernel_fexecve(self, argv, environ);
	return fail_at(failure, "run from a read-only mount of", "/proc/self/exe");
}
