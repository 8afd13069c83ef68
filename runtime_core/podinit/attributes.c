// SPDX-License-Identifier: Apache-2.0
#include "attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

// Attributes that speak to a host and not about the file. Overlayfs would obey the first two; labels are given by the
// host's own policy; the seal of EVM is one machine's; NFS keeps its ACLs where no other file system can.
static bool is_host_xattr(const char *name)
{
	static const char *const prefixes[] = { "trusted.overlay.", "user.overlay.",     "security.selinux",
						"security.SMACK64", "security.apparmor", "security.evm",
						"system.nfs4_acl" };

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

// Says why an attribute could not be set. ext4 has room for little more than 4 KB of them in a file, and says ENOSPC
// when that is used up: on a disk that is not full, the layer is at fault.
static int explain(const struct place *place, const char *name, struct failure *failure)
{
	struct statvfs space;

	if (errno == ENOSPC && fstatvfs(place->parent, &space) == 0 && space.f_bavail > 0)
		return fail(failure, "the extended attribute %.100s has more than the file system has room for", name);
	return fail(failure, "cannot set the extended attribute %.100s: %m", name);
}

static int set_xattrs(const struct place *place, const struct tar_entry *entry, struct failure *failure)
{
	if (entry->xattr_count > 0 && place->fd < 0 && fchdir(place->parent) < 0) // see tree_set_opaque
		return fail(failure, "cannot enter its directory: %m");
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct tar_xattr *xattr = &entry->xattrs[i];
		int set;

		if (is_host_xattr(xattr->name))
			continue;
		set = place->fd < 0 ? lsetxattr(place->base, xattr->name, xattr->value, xattr->size, 0)
				    : fsetxattr(place->fd, xattr->name, xattr->value, xattr->size, 0);
		if (set < 0)
			return explain(place, xattr->name, failure);
	}
	return 0;
}

static int set_owner(const struct place *place, const struct tar_entry *entry)
{
	if (place->fd >= 0)
		return fchown(place->fd, entry->uid, entry->gid);
	return fchownat(place->parent, place->base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW);
}

static int set_mode(const struct place *place, const struct tar_entry *entry)
{
	if (place->fd >= 0)
		return fchmod(place->fd, entry->mode);
	return fchmodat(place->parent, place->base, entry->mode, 0);
}

static int set_time(const struct place *place, const struct tar_entry *entry)
{
	struct timespec times[2] = { entry->mtime, entry->mtime };

	if (place->fd >= 0)
		return futimens(place->fd, times);
	return utimensat(place->parent, place->base, times, AT_SYMLINK_NOFOLLOW);
}

// The order matters: chown(2) clears set-id bits and file capabilities, and everything moves the times.
int attributes_set(const struct place *place, const struct tar_entry *entry, struct failure *failure)
{
	bool has_mode = entry->type != TAR_SYMLINK;

	if (!place->exact && set_owner(place, entry) < 0)
		return fail(failure, "cannot set its owner %u:%u: %m", entry->uid, entry->gid);
	if (has_mode && (!place->exact || entry->mode & ~0777U) && set_mode(place, entry) < 0)
		return fail(failure, "cannot set its mode: %m");
	if (set_xattrs(place, entry, failure) < 0)
		return -1;
	if (entry->type != TAR_DIRECTORY && set_time(place, entry) < 0)
		return fail(failure, "cannot set its time: %m");
	return 0;
}
