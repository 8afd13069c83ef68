// SPDX-License-Identifier: Apache-2.0
#include "privileges.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int read_mask(const struct json *sets, const char *name, uint64_t *mask, struct failure *failure)
{
	const struct json *value = json_get(sets, name);
	char *end = NULL;
	if (!value || value->type != JSON_STRING || !isxdigit((unsigned char)value->string[0]))
		return fail(failure, "%s must be a hexadecimal mask", name);
	errno = 0;
	*mask = strtoull(value->string, &end, 16);
	return errno || *end ? fail(failure, "%s must be a hexadecimal mask", name) : 0;
}

int privileges_read_sets(struct privileges *privileges, const struct json *sets, struct failure *failure)
{
	static const char *const known[] = { "bounding", "effective", "permitted", "inheritable", "ambient", NULL };
	if (json_only(sets, known, failure) < 0 || read_mask(sets, "bounding", &privileges->bounding, failure) < 0 ||
	    read_mask(sets, "effective", &privileges->effective, failure) < 0 ||
	    read_mask(sets, "permitted", &privileges->permitted, failure) < 0 ||
	    read_mask(sets, "inheritable", &privileges->inheritable, failure) < 0)
		return -1;
	return read_mask(sets, "ambient", &privileges->ambient, failure);
}

int privileges_read_filter(struct privileges *privileges, const char *path, struct failure *failure)
{
	struct stat status;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail_at(failure, "open", path);
	size_t size = (size_t)status.st_size;
	if (!S_ISREG(status.st_mode) || status.st_uid != 0 || status.st_mode & 022)
		return fail(failure, "%.300s must be a file of root that nobody else may write", path);
	if (size == 0 || size % sizeof(struct sock_filter) != 0 || size / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return fail(failure, "%.300s is not a filter: %zu bytes", path, size);
	privileges->filter.len = (unsigned short)(size / sizeof(struct sock_filter));
	privileges->filter.filter = malloc(size);
	if (!privileges->filter.filter || read(fd, privileges->filter.filter, size) != (ssize_t)size)
		return fail_at(failure, "read", path);
	return 0;
}

static int drop_bounding(uint64_t keep, struct failure *failure)
{
	for (unsigned capability = 0; capability < 64; capability++) {
		if (keep >> capability & 1 || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) // beyond the kernel's last
			break;
		return fail(failure, "drop capability %u: %s", capability, strerror(errno));
	}
	return 0;
}

static const char *capability_name(unsigned number)
{
	static const char *const names[] = {
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE",
	};
	return number < sizeof names / sizeof names[0] ? names[number] : "of an unknown number";
}

// Nobody has more to give than he has: the first that is asked for in vain.
static int capset_failed(const struct privileges *privileges, struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	int reason = errno;
	if (syscall(SYS_capget, &header, data) < 0)
		return fail_at(failure, "capget", "");
	uint64_t held = data[0].permitted | (uint64_t)data[1].permitted << 32;
	uint64_t wanted = privileges->permitted | privileges->effective | privileges->inheritable;
	for (unsigned capability = 0; capability < 64; capability++)
		if (wanted >> capability & 1 && !(held >> capability & 1))
			return fail(failure, "process.capabilities: this host has no CAP_%s to give",
				    capability_name(capability));
	return fail(failure, "process.capabilities: capset: %s", strerror(reason));
}

static int set_capabilities(const struct privileges *privileges, struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	for (unsigned i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(privileges->effective >> 32 * i),
			.permitted = (uint32_t)(privileges->permitted >> 32 * i),
			.inheritable = (uint32_t)(privileges->inheritable >> 32 * i),
		};
	if (syscall(SYS_capset, &header, data) < 0)
		return capset_failed(privileges, failure);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail_at(failure, "clear", "ambient capabilities");
	for (unsigned capability = 0; capability < 64; capability++)
		if (privileges->ambient >> capability & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			return fail(failure, "raise ambient capability %u: %s", capability, strerror(errno));
	return 0;
}

// CVE-2024-21626: a directory outside of the root has no absolute path in it.
static int check_directory(const char *cwd, struct failure *failure)
{
	char path[PATH_MAX];
	if (syscall(SYS_getcwd, path, sizeof path) < 0 || path[0] != '/')
		return fail(failure, "working directory %.300s is not inside the container", cwd);
	return 0;
}

static int set_user(const struct privileges *privileges, struct failure *failure)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail_at(failure, "prctl", "PR_SET_KEEPCAPS");
	if (!privileges->keep_groups && setgroups(privileges->group_count, privileges->groups) < 0)
		return fail_at(failure, "setgroups", "");
	if (setresgid(privileges->gid, privileges->gid, privileges->gid) < 0)
		return fail(failure, "setgid %u: %s", privileges->gid, strerror(errno));
	if (setresuid(privileges->uid, privileges->uid, privileges->uid) < 0)
		return fail(failure, "setuid %u: %s", privileges->uid, strerror(errno));
	return 0;
}

int privileges_apply(const struct privileges *privileges, const char *cwd, struct failure *failure)
{
	int listener = 0;
	// As root first, and again below as the user when root may not (a directory on NFS). The filter may deny the
	// check's getcwd(2), so the check comes before it where it can.
	bool again = chdir(cwd) < 0;
	if (!again && check_directory(cwd, failure) < 0)
		return -1;
	if (!privileges->no_new_privileges && (listener = privileges_load_filter(privileges, failure)) < 0)
		return -1;
	if (drop_bounding(privileges->bounding, failure) < 0 || set_user(privileges, failure) < 0 ||
	    set_capabilities(privileges, failure) < 0)
		return -1;
	// A changed user resets the parent-death signal and dumpable by itself; KEEPCAPS ends at execve.
	if (privileges->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail_at(failure, "prctl", "PR_SET_NO_NEW_PRIVS");
	if (again && chdir(cwd) < 0)
		return fail_at(failure, "working directory", cwd);
	if (again && check_directory(cwd, failure) < 0)
		return -1;
	return listener;
}

int privileges_load_filter(const struct privileges *privileges, struct failure *failure)
{
	unsigned flags = privileges->filter_flags;
	bool listen = privileges->listener_path && privileges->listener_path[0];
	if (!privileges->filter.filter)
		return 0;
	if (listen)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	if (listen && flags & SECCOMP_FILTER_FLAG_TSYNC) // both have a result to return; this has only the listener
		flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &privileges->filter);
	if (result < 0)
		return fail_at(failure, "seccomp", "(are the filter and its flags valid?)");
	return listen ? result : 0;
}
