# SPDX-License-Identifier: Apache-2.0
"""A folder as a tar: the same bytes for the same content, whenever and wherever it is made.

Names are sorted, owners are numbers, times are exact, holes are zeros. Everything is reached from the folder's
descriptor without following a symbolic link, so whoever changes the folder meanwhile cannot lead out of it.
"""

import errno
import os
import stat
from collections.abc import Iterator

from podwright.errors import ImageError
from podwright.images.formats.tarheader import BLOCK, END, Header, Kind, padding

CHUNK = 256 * 1024  # bytes
MAX_PARTS = 256
MAX_DEPTH = 256  # folders in each other, each of which is open meanwhile
WHITEOUT = b".wh."  # what an image's layer has where a file of a lower one goes (layer.md)
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: Kind.REGULAR,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
# Attributes that speak to this host and not about the file; podinit gives them to no file either (extract.c).
_HOST_XATTRS = (b"trusted.overlay.", b"user.overlay.", b"security.selinux")


class FolderTar:
    """One pass over the folder ``root``."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._device = 0
        self._links: dict[tuple[int, int], bytes] = {}
        self.sockets: list[str] = []
        """Sockets that were left out: a tar cannot hold them, and nobody listens to them in an image."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the archive; raises ImageError for what no layer can hold, and for what changes meanwhile."""
        parts: list[bytes] = []
        for part in self._parts():
            parts.append(part)
            if len(part) > BLOCK or len(parts) == MAX_PARTS:  # a header alone is little for those who write
                yield b"".join(parts)
                parts.clear()
        yield b"".join(parts)

    def _parts(self) -> Iterator[bytes]:
        top = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            info = os.fstat(top)
            self._device = info.st_dev
            yield _header(b"./", info, _xattrs(top, b".")).encode()
            yield from self._entries(top, b"", 1)
        except FileNotFoundError as error:
            raise ImageError(
                f"the folder {self._root} changed while it was read: {error.filename!r} is gone"
            ) from error
        finally:
            os.close(top)
        yield END

    def _entries(self, folder: int, prefix: bytes, depth: int) -> Iterator[bytes]:
        if depth > MAX_DEPTH:
            raise self._refused(prefix, f"it is in more than {MAX_DEPTH} folders")
        for name in sorted(os.fsencode(name) for name in os.listdir(folder)):
            path = prefix + name
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            self._check(path, name, info)
            if stat.S_ISSOCK(info.st_mode):
                self.sockets.append(os.fsdecode(path))
            elif stat.S_ISDIR(info.st_mode):
                yield from self._directory(folder, name, path, depth)
            elif info.st_nlink > 1 and (first := self._links.setdefault((info.st_dev, info.st_ino), path)) != path:
                yield _header(path, info, {})._replace(kind=Kind.HARD_LINK, size=0, link=first).encode()
            elif stat.S_ISREG(info.st_mode):
                yield from self._file(folder, name, path)
            else:
                target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(info.st_mode) else b""
                yield _header(path, info, _xattrs(folder, name))._replace(link=target).encode()

    def _directory(self, parent: int, name: bytes, path: bytes, depth: int) -> Iterator[bytes]:
        fd = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=parent)
        try:
            yield _header(path + b"/", os.fstat(fd), _xattrs(parent, name)).encode()
            yield from self._entries(fd, path + b"/", depth + 1)
        finally:
            os.close(fd)

    def _file(self, parent: int, name: bytes, path: bytes) -> Iterator[bytes]:
        fd = os.open(name, _OPEN, dir_fd=parent)
        try:
            info = os.fstat(fd)
            yield _header(path, info, _xattrs(parent, name)).encode()
            left = info.st_size
            while left:
                chunk = os.read(fd, min(CHUNK, left))
                if not chunk:
                    raise self._refused(path, "it was shortened while it was read")
                yield chunk
                left -= len(chunk)
            yield padding(info.st_size)
        finally:
            os.close(fd)

    def _check(self, path: bytes, name: bytes, info: os.stat_result) -> None:
        if name.startswith(WHITEOUT):
            raise self._refused(path, "in an image, a name that begins with .wh. stands for a file that goes")
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            raise self._refused(path, "in a layer, a device 0:0 stands for a file that goes: take the merged folder")
        if stat.S_ISDIR(info.st_mode) and info.st_dev != self._device:
            raise self._refused(path, "another file system is mounted there: unmount it")

    def _refused(self, path: bytes, reason: str) -> ImageError:
        return ImageError(f"{os.path.join(self._root, os.fsdecode(path))} cannot be in an image: {reason}")


def _header(path: bytes, info: os.stat_result, xattrs: dict[bytes, bytes]) -> Header:
    kind = _KINDS[stat.S_IFMT(info.st_mode)]
    return Header(
        path,
        kind,
        size=info.st_size if kind == Kind.REGULAR else 0,
        mode=stat.S_IMODE(info.st_mode),
        uid=info.st_uid,
        gid=info.st_gid,
        mtime=info.st_mtime_ns,
        device=(os.major(info.st_rdev), os.minor(info.st_rdev)),
        xattrs=xattrs,
    )


def _xattrs(folder: int, name: bytes) -> dict[bytes, bytes]:
    path = b"/proc/self/fd/%d/%b" % (folder, name)  # there is no listxattrat(2) before Linux 6.13
    try:
        names = [os.fsencode(attribute) for attribute in os.listxattr(path, follow_symlinks=False)]
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    kept = [attribute for attribute in names if not attribute.startswith(_HOST_XATTRS)]
    return {attribute: os.getxattr(path, attribute, follow_symlinks=False) for attribute in kept}
