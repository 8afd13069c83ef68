# SPDX-License-Identifier: Apache-2.0
"""An image's files, read from its unpacked layers as overlayfs would merge them, without mounting anything.

The layers are a stranger's. A name is only ever looked up relative to an open directory of a layer and never through a
symbolic link; links are followed here, by starting again at the image's own root. So no link, however it is laid out,
leads to a file of the host, and a link in one layer may point at a file in another.

Rules of the merge (Linux' Documentation/filesystems/overlayfs.rst): the topmost layer wins; a character device 0:0
removes the name; a directory merges with those below it unless it is opaque.
"""

import errno
import os
import stat
from collections.abc import Sequence

_MAX_LINKS = 40  # as path_resolution(7)
_OPAQUE = "trusted.overlay.opaque"


class LayeredRoot:
    """The merged view of layer directories, topmost first; a context manager that holds their descriptors."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = layers
        self._roots: list[int] = []

    def __enter__(self) -> "LayeredRoot":
        try:
            for layer in self._layers:
                self._roots.append(os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._roots)
        self._roots = []

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a regular file's content, or None when there is no such file.

        Raises OSError: ELOOP for a circle of links, EFBIG above ``limit`` bytes, EINVAL for anything but a regular
        file.
        """
        pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        trail: list[str] = []  # directories passed, for ".."
        links = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                trail = trail[:-1]
                continue
            found = self._find(trail, part)
            if found is None:
                return None
            if isinstance(found, bytes):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.fsdecode(found)
                if target.startswith("/"):
                    trail = []
                pending += reversed(target.split("/"))
            elif pending or not found:
                trail = [*trail, part]
            else:
                return self._read_file(trail, part, path, limit)
        raise OSError(errno.EINVAL, "not a regular file", path)

    def _find(self, trail: list[str], name: str) -> bytes | bool | None:
        """Look one name up: a link's target, True for a file, False for a directory, None for nothing."""
        directories = self._open_directory(trail)
        try:
            for fd in directories:
                try:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                if _is_whiteout(status):
                    return None
                if stat.S_ISLNK(status.st_mode):
                    return os.fsencode(os.readlink(name, dir_fd=fd))
                return not stat.S_ISDIR(status.st_mode)
            return None
        finally:
            _close(directories)

    def _read_file(self, trail: list[str], name: str, path: str, limit: int) -> bytes:
        directories = self._open_directory(trail)
        try:
            for fd in directories:
                try:
                    # NONBLOCK: opening a FIFO must not wait for a writer
                    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
                except FileNotFoundError:
                    continue
                return _content(file, path, limit)
        finally:
            _close(directories)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _open_directory(self, trail: list[str]) -> list[int]:
        """Open a merged directory: one descriptor for each layer that takes part in it, topmost first."""
        current = [os.dup(fd) for fd in self._roots]
        for name in trail:
            below: list[int] = []
            try:
                _descend(current, name, below)
            except BaseException:
                _close(below)
                raise
            finally:
                _close(current)
            current = below
        return current


def _descend(parents: list[int], name: str, children: list[int]) -> None:
    for parent in parents:
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            return  # a whiteout, or a file that hides what is below
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        children.append(os.open(name, flags, dir_fd=parent))
        if _is_opaque(children[-1]):
            return


def _content(fd: int, path: str, limit: int) -> bytes:
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if status.st_size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return os.read(fd, limit)
    finally:
        os.close(fd)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, _OPAQUE) == b"y"
    except OSError:
        return False


def _close(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)
