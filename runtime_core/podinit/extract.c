// SPDX-License-Identifier: Apache-2.0
// What each kind of entry becomes, in the form that overlayfs wants of a lower layer. The whiteouts are those of the
// OCI image specification, layer.md, "Whiteouts".
#include "extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree.h"
#include "util.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define MAX_DIRECTORY_BYTES ((size_t)64 << 20) // of names kept until the end: about a million directories

// An entry's place: its open directory and its last component ("." when it is the root itself).
struct place {
	int parent;
	const char *base;
};

static const struct timespec *times_of(const struct tar_entry *entry, struct timespec times[2])
{
	times[0] = times[1] = entry->mtime;
	return times;
}

// ---- attributes ----

// Attributes that speak to this host and not about the file: overlayfs would obey the former two, and a label is
// given by the host's own policy.
static bool is_host_xattr(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0 ||
	       strcmp(name, "security.selinux") == 0;
}

static int set_xattrs(const struct place *place, const struct tar_entry *entry, struct failure *failure)
{
	if (entry->xattr_count > 0 && fchdir(place->parent) < 0) // see tree_set_opaque
		return fail(failure, "cannot enter its directory: %m");
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct tar_xattr *xattr = &entry->xattrs[i];

		if (!is_host_xattr(xattr->name) && lsetxattr(place->base, xattr->name, xattr->value, xattr->size, 0) < 0)
			return fail(failure, "cannot set the extended attribute %.100s: %m", xattr->name);
	}
	return 0;
}

// The order matters: chown(2) clears set-id bits and file capabilities, and everything moves the times.
static int set_attributes(const struct place *place, const struct tar_entry *entry, struct failure *failure)
{
	struct timespec times[2];

	if (fchownat(place->parent, place->base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "cannot set its owner %u:%u: %m", entry->uid, entry->gid);
	if (entry->type != TAR_SYMLINK && fchmodat(place->parent, place->base, entry->mode, 0) < 0)
		return fail(failure, "cannot set its mode: %m");
	if (set_xattrs(place, entry, failure) < 0)
		return -1;
	if (utimensat(place->parent, place->base, times_of(entry, times), AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "cannot set its time: %m");
	return 0;
}

// ---- files ----

static int make_file(const struct place *place, struct tar *tar, struct failure *failure)
{
	cleanup_fd int fd = openat(place->parent, place->base,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const char *chunk;
	ssize_t n;

	if (fd < 0)
		return fail(failure, "cannot make the file: %m");
	while ((n = tar_data(tar, &chunk, failure)) > 0)
		if (write_all(fd, chunk, (size_t)n) < 0)
			return fail(failure, "cannot write the file: %m");
	return (int)n;
}

static int make_node(const struct place *place, const struct tar_entry *entry, struct failure *failure)
{
	mode_t kind = entry->type == TAR_FIFO ? S_IFIFO : entry->type == TAR_CHAR ? S_IFCHR : S_IFBLK;

	if (mknodat(place->parent, place->base, kind | 0600, makedev(entry->major, entry->minor)) < 0)
		return fail(failure, "cannot make the %s: %m", entry->type == TAR_FIFO ? "FIFO" : "device");
	return 0;
}

static int make_symlink(const struct place *place, const struct tar_entry *entry, struct failure *failure)
{
	if (symlinkat(entry->link, place->parent, place->base) < 0)
		return fail(failure, "cannot make the symbolic link: %m");
	return 0;
}

// ---- directories ----

static int remember_time(struct extract *extract, const char *path, const struct tar_entry *entry,
			 struct failure *failure)
{
	size_t size = strlen(path) + 1 + sizeof(struct directory_time);
	char *copy;

	if (size > MAX_DIRECTORY_BYTES - extract->bytes)
		return fail(failure, "the layer has too many directories");
	if (extract->count == extract->capacity) {
		size_t capacity = extract->capacity ? extract->capacity * 2 : 256;
		void *grown = reallocarray(extract->directories, capacity, sizeof *extract->directories);

		if (!grown)
			return fail(failure, "out of memory");
		extract->directories = grown;
		extract->capacity = capacity;
	}
	copy = strdup(path);
	if (!copy)
		return fail(failure, "out of memory");
	extract->directories[extract->count++] = (struct directory_time){ copy, entry->mtime };
	extract->bytes += size;
	return 0;
}

// A directory keeps what an earlier entry put into it, and takes the attributes of the later one.
static int make_directory(const struct place *place, struct failure *failure)
{
	if (tree_make_directory(place->parent, place->base) == 0)
		return 0;
	if (errno == ENOTDIR && tree_remove(place->parent, place->base) == 0 &&
	    tree_make_directory(place->parent, place->base) == 0)
		return 0;
	return fail(failure, "cannot make the directory: %m");
}

static int set_directory_time(int root, char *path, const struct timespec *mtime, struct failure *failure)
{
	struct timespec times[2] = { *mtime, *mtime };
	struct tree_path split = tree_split(path);
	cleanup_fd int parent = tree_open(root, split.directory);
	const char *base = *split.base ? split.base : ".";
	struct stat info;

	// A later entry may have replaced the directory or one above it.
	if (parent < 0 || fstatat(parent, base, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(info.st_mode))
		return 0;
	if (utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "cannot set the time of the directory %.256s: %m", base);
	return 0;
}

int extract_finish(struct extract *extract, struct failure *failure)
{
	int result = 0;

	for (size_t i = 0; i < extract->count; i++) {
		struct directory_time *directory = &extract->directories[i];

		if (result == 0)
			result = set_directory_time(extract->root, directory->path, &directory->mtime, failure);
		free(directory->path);
	}
	free(extract->directories);
	*extract = (struct extract){ .root = extract->root };
	return result;
}

// ---- hard links ----

static int make_hardlink(struct extract *extract, const struct place *place, const struct tar_entry *entry,
			 struct failure *failure)
{
	char path[PATH_MAX];
	const char *wrong;
	struct tree_path target;
	struct stat old, new;
	cleanup_fd int directory = -1;

	wrong = tree_clean(entry->link, path);
	if (wrong)
		return fail(failure, "its hard link target %.256s %s", entry->link, wrong);
	target = tree_split(path);
	directory = tree_open(extract->root, target.directory);
	if (directory < 0 && errno == ELOOP)
		return fail(failure, "its hard link target %.256s goes through a symbolic link", entry->link);
	if (directory < 0 || !*target.base || fstatat(directory, target.base, &old, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "its hard link target %.256s is not in the layer", entry->link);
	if (fstatat(place->parent, place->base, &new, AT_SYMLINK_NOFOLLOW) == 0 && new.st_dev == old.st_dev &&
	    new.st_ino == old.st_ino)
		return 0; // linked to itself, or listed twice
	if (tree_remove(place->parent, place->base) < 0)
		return fail(failure, "cannot replace an earlier entry: %m");
	if (linkat(directory, target.base, place->parent, place->base, 0) < 0) // 0: a symbolic link is linked itself
		return fail(failure, "cannot make the hard link to %.256s: %m", entry->link);
	return 0;
}

// ---- whiteouts ----

// Hides name in the layers below. What this very layer has under that name stays (layer.md): a file hides them
// already, a directory has to say that it does.
static int make_whiteout(int parent, const char *name, struct failure *failure)
{
	struct stat info;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(failure, "a whiteout of nothing");
	if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(info.st_mode) && tree_set_opaque(parent, name) < 0)
			return fail(failure, "cannot make %.256s opaque: %m", name);
		return 0;
	}
	if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) < 0)
		return fail(failure, "cannot make the whiteout: %m");
	return 0;
}

static int extract_whiteout(struct extract *extract, const struct tree_path *path, struct failure *failure)
{
	cleanup_fd int parent = tree_open_or_make(extract->root, path->directory, failure);

	if (parent < 0)
		return -1;
	if (strcmp(path->base, OPAQUE) != 0)
		return make_whiteout(parent, path->base + strlen(WHITEOUT), failure);
	if (tree_set_opaque(parent, ".") < 0)
		return fail(failure, "cannot make its directory opaque: %m");
	return 0;
}

// ".wh..wh." names other than the opaque mark are what aufs wrote for itself; Docker and podman skip them too.
static bool is_aufs_metadata(const char *clean)
{
	for (const char *component = clean; component; component = strchr(component, '/')) {
		component += *component == '/';
		if (strncmp(component, ".wh..wh.", 8) == 0 && strcmp(component, OPAQUE) != 0)
			return true;
	}
	return false;
}

// ---- entries ----

// Makes the thing itself; what was there before goes first, unless both are directories.
static int make_entry(struct extract *extract, struct tar *tar, const struct place *place,
		      const struct tar_entry *entry, struct failure *failure)
{
	if (entry->type == TAR_HARDLINK)
		return make_hardlink(extract, place, entry, failure); // has its inode's attributes
	if (entry->type == TAR_DIRECTORY) {
		if (make_directory(place, failure) < 0)
			return -1;
	} else if (tree_remove(place->parent, place->base) < 0) {
		return fail(failure, "cannot replace an earlier entry: %m");
	}
	if (entry->type == TAR_FILE && make_file(place, tar, failure) < 0)
		return -1;
	if (entry->type == TAR_SYMLINK && make_symlink(place, entry, failure) < 0)
		return -1;
	if ((entry->type == TAR_CHAR || entry->type == TAR_BLOCKDEV || entry->type == TAR_FIFO) &&
	    make_node(place, entry, failure) < 0)
		return -1;
	return set_attributes(place, entry, failure);
}

int extract_entry(struct extract *extract, struct tar *tar, const struct tar_entry *entry, struct failure *failure)
{
	char clean[PATH_MAX], path[PATH_MAX];
	const char *wrong;
	struct tree_path split;
	struct place place;
	cleanup_fd int parent = -1;

	wrong = tree_clean(entry->name, clean);
	if (wrong)
		return fail(failure, "its path %s", wrong);
	if (*clean == '\0' && entry->type != TAR_DIRECTORY)
		return fail(failure, "the root of the layer must be a directory");
	if ((entry->type == TAR_HARDLINK || entry->type == TAR_SYMLINK) && entry->link[0] == '\0')
		return fail(failure, "a link without a target");
	if (entry->type == TAR_DIRECTORY && remember_time(extract, clean, entry, failure) < 0)
		return -1;
	memcpy(path, clean, sizeof path);
	split = tree_split(path);
	if (is_aufs_metadata(clean))
		return 0;
	if (strncmp(split.base, WHITEOUT, strlen(WHITEOUT)) == 0)
		return extract_whiteout(extract, &split, failure);
	parent = tree_open_or_make(extract->root, split.directory, failure);
	if (parent < 0)
		return -1;
	place = (struct place){ parent, *split.base ? split.base : "." };
	return make_entry(extract, tar, &place, entry, failure);
}
