// SPDX-License-Identifier: Apache-2.0
#include "confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

void confine_resources(void)
{
	const struct rlimit none = { 0, 0 };

	kernel_close_range(STDERR_FILENO + 1, KERNEL_LAST_FD); // before Linux 5.9 they stay: the caller opens none for us
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NPROC, &none);
}

int confine_root(int directory, struct failure *failure)
{
	if (fchdir(directory) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return fail(failure, "cannot make the directory the root: %m");
	return 0;
}

// ---- capabilities ----

// CHOWN, FOWNER, FSETID, DAC_OVERRIDE: any owner and mode. MKNOD: devices. SETFCAP: security.capability.
// SYS_ADMIN: trusted.* attributes, of which overlay's opaque mark is one.
static const uint64_t needed = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
			       BIT(CAP_SYS_ADMIN) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP);

static int drop_capabilities(struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	// The bounding set only matters to programs that are executed, and none will be: it may stay where it cannot go.
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (!(needed & BIT(capability)))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) < 0)
		return fail(failure, "cannot read the capabilities: %m");
	for (unsigned half = 0; half < 2; half++) {
		data[half].permitted &= (uint32_t)(needed >> 32 * half);
		data[half].effective = data[half].permitted;
		data[half].inheritable = 0;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
		return fail(failure, "cannot drop capabilities: %m");
	return 0;
}

// ---- system calls ----

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

// Not those that CAP_SYS_ADMIN would open: mount, setns, unshare, bpf and so on; and none that runs or reaches anything.
static const uint32_t allowed[] = {
	SYS_read, SYS_write, SYS_writev, SYS_pwrite64, SYS_close, SYS_fcntl, SYS_lseek,                // streams
	SYS_openat, SYS_openat2, SYS_getdents64, SYS_fchdir,                                           // looking up
	SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs, SYS_fgetxattr,                              // looking at
	SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_ftruncate,               // making
	SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_fchmodat, SYS_fsetxattr, SYS_lsetxattr, SYS_utimensat, // attributes
	SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,                          // memory
	SYS_geteuid, SYS_getegid, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall,
};

#if defined(ARCHITECTURE) && !defined(__SANITIZE_ADDRESS__) // the sanitizers make calls of their own

static int drop_calls(struct failure *failure)
{
	const unsigned count = LENGTH(allowed);
	struct sock_filter filter[LENGTH(allowed) + 6] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		[LENGTH(allowed) + 4] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		[LENGTH(allowed) + 5] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { LENGTH(filter), filter };

	for (unsigned i = 0; i < count; i++)
		filter[4 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
							     (unsigned char)(count - i), 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 && errno != ENOSYS && errno != EINVAL)
		return fail(failure, "cannot drop system calls: %m");
	return 0;
}

#else

static int drop_calls(struct failure *failure)
{
	(void)failure;
	(void)allowed;
	return 0;
}

#endif

int confine_powers(struct failure *failure)
{
	return drop_capabilities(failure) < 0 ? -1 : drop_calls(failure);
}
