// SPDX-License-Identifier: Apache-2.0
// What each kind of entry becomes, in the form that overlayfs wants of a lower layer. The whiteouts are those of the
// OCI image specification, layer.md, "Whiteouts".
#include "extract.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attributes.h"
#include "tree.h"
#include "util.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

int extract_start(struct extract *extract, int root, struct failure *failure)
{
	static const struct timespec as_it_is = { .tv_nsec = UTIME_OMIT };

	extract->uid = geteuid();
	extract->gid = getegid();
	extract->here.root = extract->target.root = root;
	extract->here.fd = extract->target.fd = -1;
	extract->here.acls = fgetxattr(root, "system.posix_acl_default", NULL, 0) > 0;
	return directories_add(&extract->directories, "", 0, &as_it_is, true, failure);
}

int extract_finish(struct extract *extract, struct failure *failure)
{
	int result = directories_settle(&extract->directories, &extract->here, failure);

	cursor_leave(&extract->here);
	cursor_leave(&extract->target);
	return result;
}

// ---- files, links and nodes ----

// Removes what an earlier entry made under this name. The cursor of hard links may be in it.
static int clear_place(struct extract *extract, const struct place *place, struct failure *failure)
{
	cursor_leave(&extract->target);
	if (tree_remove(place->parent, place->base) < 0)
		return fail(failure, "cannot replace an earlier entry: %m");
	return 0;
}

static int make_file(const struct place *place, const struct tar_entry *entry)
{
	return openat(place->parent, place->base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      entry->mode & 0777);
}

static int make_symlink(const struct place *place, const struct tar_entry *entry)
{
	return symlinkat(entry->link, place->parent, place->base);
}

static int make_node(const struct place *place, const struct tar_entry *entry)
{
	mode_t kind = entry->type == TAR_FIFO ? S_IFIFO : entry->type == TAR_CHAR ? S_IFCHR : S_IFBLK;

	return mknodat(place->parent, place->base, kind | (entry->mode & 0777), makedev(entry->major, entry->minor));
}

// Calls make, a second time when there was something: what it returns, or -1.
static int make_anew(struct extract *extract, const struct place *place, const struct tar_entry *entry,
		     int (*make)(const struct place *, const struct tar_entry *), const char *what,
		     struct failure *failure)
{
	int made = make(place, entry);

	if (made < 0 && errno == EEXIST) {
		if (clear_place(extract, place, failure) < 0)
			return -1;
		made = make(place, entry);
	}
	return made < 0 ? fail(failure, "cannot make the %s: %m", what) : made;
}

static int write_at(int fd, const char *data, size_t size, int64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

// Writes the content, and leaves holes where a sparse file has them.
static int fill_file(int fd, struct tar *tar, const struct tar_entry *entry, struct failure *failure)
{
	const char *chunk;
	int64_t offset, end = 0;
	ssize_t n;

	while ((n = tar_data(tar, &chunk, &offset, failure)) > 0) {
		if (write_at(fd, chunk, (size_t)n, offset) < 0)
			return fail(failure, "cannot write the file: %m");
		end = offset + n;
	}
	if (n == 0 && end < entry->size && ftruncate(fd, entry->size) < 0)
		return fail(failure, "cannot write the file: %m");
	return (int)n;
}

static int extract_file(struct extract *extract, struct tar *tar, struct place *place, const struct tar_entry *entry,
			struct failure *failure)
{
	cleanup_fd int fd = make_anew(extract, place, entry, make_file, "file", failure);

	if (fd < 0 || fill_file(fd, tar, entry, failure) < 0)
		return -1;
	place->fd = fd;
	return attributes_set(place, entry, failure);
}

static int extract_other(struct extract *extract, const struct place *place, const struct tar_entry *entry,
			 struct failure *failure)
{
	bool link = entry->type == TAR_SYMLINK;
	const char *what = link ? "symbolic link" : entry->type == TAR_FIFO ? "FIFO" : "device";

	if (make_anew(extract, place, entry, link ? make_symlink : make_node, what, failure) < 0)
		return -1;
	return attributes_set(place, entry, failure);
}

// ---- directories ----

// A directory keeps what an earlier entry put into it, and takes the attributes of the later one.
static int extract_directory(struct extract *extract, struct place *place, const struct tar_entry *entry,
			     struct failure *failure)
{
	int made = tree_make_directory(place->parent, place->base, entry->mode & 0777);

	if (made < 0 && errno == ENOTDIR) {
		if (clear_place(extract, place, failure) < 0)
			return -1;
		made = tree_make_directory(place->parent, place->base, entry->mode & 0777);
	}
	if (made < 0)
		return fail(failure, "cannot make the directory: %m");
	place->exact = place->exact && made;
	if (attributes_set(place, entry, failure) < 0)
		return -1;
	if (entry->xattr_count > 0)
		extract->here.acls = true;
	if (strcmp(place->base, ".") == 0)
		cursor_leave(&extract->here); // it is there, and may have got what others inherit
	return 0;
}

// ---- hard links ----

// Finds the target's directory; target is its path, which is split: a descriptor or -1.
static int find_target(struct extract *extract, const struct tree_path *target, const char *link, struct stat *info,
		       struct failure *failure)
{
	int directory = cursor_find(&extract->target, target->directory);

	if (directory < 0 && errno == ELOOP)
		return fail(failure, "its hard link target %.256s goes through a symbolic link", link);
	if (directory < 0 || !*target->base || fstatat(directory, target->base, info, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "its hard link target %.256s is not in the layer", link);
	return directory;
}

// The link has its inode's attributes. Its target must be in this layer, as every program that keeps layers apart
// demands: one of a lower layer would be another file as soon as it is copied up.
static int extract_hardlink(struct extract *extract, const struct place *place, const struct tar_entry *entry,
			    struct failure *failure)
{
	const char *wrong = tree_clean(entry->link, extract->link);
	struct tree_path target;
	struct stat old, new;
	int directory;

	if (wrong)
		return fail(failure, "its hard link target %.256s %s", entry->link, wrong);
	target = tree_split(extract->link);
	directory = find_target(extract, &target, entry->link, &old, failure);
	if (directory < 0)
		return -1;
	if (linkat(directory, target.base, place->parent, place->base, 0) == 0) // 0: a symbolic link is linked itself
		return 0;
	if (errno == EEXIST && fstatat(place->parent, place->base, &new, AT_SYMLINK_NOFOLLOW) == 0) {
		if (new.st_dev == old.st_dev && new.st_ino == old.st_ino)
			return 0; // linked to itself, or listed twice
		if (clear_place(extract, place, failure) < 0)
			return -1;
		directory = find_target(extract, &target, entry->link, &old, failure);
		if (directory < 0)
			return -1;
		if (linkat(directory, target.base, place->parent, place->base, 0) == 0)
			return 0;
	}
	return fail(failure, "cannot make the hard link to %.256s: %m", entry->link);
}

// ---- whiteouts ----

// Hides name in the layers below. What this very layer has under that name stays (layer.md): a file hides them
// already, a directory has to say that it does.
static int make_whiteout(int parent, const char *name, struct failure *failure)
{
	struct stat info;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(failure, "a whiteout of nothing");
	if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST || fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(failure, "cannot make the whiteout: %m");
	if (S_ISDIR(info.st_mode) && tree_set_opaque(parent, name) < 0)
		return fail(failure, "cannot make %.256s opaque: %m", name);
	return 0;
}

// A whiteout below what is no directory in this layer hides nothing that is not hidden by that already. umoci writes
// them when a directory has become a file or a symbolic link.
static int extract_whiteout(struct extract *extract, const struct tree_path *split, const struct timespec *mtime,
			    struct failure *failure)
{
	int parent = cursor_find(&extract->here, split->directory);

	if (parent < 0 && (errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (parent < 0)
		parent = cursor_make(&extract->here, split->directory, &extract->directories, mtime, failure);
	if (parent < 0)
		return -1;
	if (strcmp(split->base, OPAQUE) != 0)
		return make_whiteout(parent, split->base + strlen(WHITEOUT), failure);
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

static int make_entry(struct extract *extract, struct tar *tar, struct place *place, const struct tar_entry *entry,
		      struct failure *failure)
{
	if (entry->type == TAR_HARDLINK)
		return extract_hardlink(extract, place, entry, failure);
	if (entry->type == TAR_DIRECTORY)
		return extract_directory(extract, place, entry, failure);
	if (entry->type == TAR_FILE)
		return extract_file(extract, tar, place, entry, failure);
	return extract_other(extract, place, entry, failure);
}

int extract_entry(struct extract *extract, struct tar *tar, const struct tar_entry *entry, struct failure *failure)
{
	const char *wrong = tree_clean(entry->name, extract->path);
	size_t length = strlen(extract->path);
	struct tree_path split;
	int parent;

	if (wrong)
		return fail(failure, "its path %s", wrong);
	if (length == 0 && entry->type != TAR_DIRECTORY)
		return fail(failure, "the root of the layer must be a directory");
	if ((entry->type == TAR_HARDLINK || entry->type == TAR_SYMLINK) && entry->link[0] == '\0')
		return fail(failure, "a link without a target");
	if (is_aufs_metadata(extract->path))
		return 0;
	if (entry->type == TAR_DIRECTORY &&
	    directories_add(&extract->directories, extract->path, length, &entry->mtime, false, failure) < 0)
		return -1;
	split = tree_split(extract->path);
	if (strncmp(split.base, WHITEOUT, strlen(WHITEOUT)) == 0)
		return extract_whiteout(extract, &split, &entry->mtime, failure);
	parent = cursor_make(&extract->here, split.directory, &extract->directories, &entry->mtime, failure);
	if (parent < 0)
		return -1;
	struct place place = { .parent = parent, .base = *split.base ? split.base : ".", .fd = -1 };
	place.exact = !extract->here.inherits && entry->uid == extract->uid && entry->gid == extract->gid;
	return make_entry(extract, tar, &place, entry, failure);
}
