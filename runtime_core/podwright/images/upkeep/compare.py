# SPDX-License-Identifier: Apache-2.0
"""Two directory trees, one as it should be and one as it is: in what they differ, file by file."""

import os
import stat
from collections.abc import Iterator
from contextlib import closing

from podwright.images.layers import UNSETTLED
from podwright.trees import walk_tree

_PIECE = 1 << 20  # bytes
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}
_OURS = {"security.selinux", UNSETTLED}  # attributes that come and go: the host's own policy's, and that of a new layer


def differences(expected: str, actual: str, since: int) -> Iterator[str]:
    """Yield a sentence for each name at which the trees differ.

    Times from ``since`` on (nanoseconds) tell when the expected tree was made, and are not compared.
    """
    gone: set[str] = set()  # directories that the actual tree has not, and all below them
    with closing(_Beside(actual)) as beside:
        for folder, fd, entries in walk_tree(expected):
            folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
            if folder in gone:
                gone |= {_join(folder, name) for name in folders}
                continue
            other = beside.enter(folder)
            if not folder:
                yield from _about("its root", _compare(".", fd, other, since))
            found = {entry.name: entry for entry in os.scandir(other)}
            for name in sorted(entry.name for entry in entries):
                there = found.pop(name, None)
                if name in folders and not (there and there.is_dir(follow_symlinks=False)):
                    gone.add(_join(folder, name))
                how = _compare(name, fd, other, since) if there else ["is missing"]
                yield from _about(_join(folder, name), how)
            yield from (f"{_join(folder, name)} is not of this layer" for name in sorted(found))


class _Beside:
    """Follows the walk of another tree, a step at a time: a whole path may be longer than the kernel takes."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, _FLAGS | os.O_DIRECTORY)
        self._names: list[str] = []

    def enter(self, folder: str) -> int:
        """Return the descriptor of a directory, good until the next one is entered."""
        names = folder.split("/") if folder else []
        while self._names != names[: len(self._names)]:
            self._names.pop()
            self._move("..")
        for name in names[len(self._names) :]:
            self._names.append(name)
            self._move(name)
        return self._fd

    def _move(self, name: str) -> None:
        following = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=self._fd)
        os.close(self._fd)
        self._fd = following

    def close(self) -> None:
        """Let go of the tree."""
        os.close(self._fd)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _about(name: str, how: list[str]) -> list[str]:
    shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return [f"{shown} {', '.join(how)}"] if how else []


def _compare(name: str, fd: int, other: int, since: int) -> list[str]:
    """Say in what one name differs between the directories ``fd`` (as it should be) and ``other``."""
    good, bad = (os.stat(name, dir_fd=one, follow_symlinks=False) for one in (fd, other))
    kind = stat.S_IFMT(good.st_mode)
    if kind != stat.S_IFMT(bad.st_mode):
        return [f"is {_KINDS[stat.S_IFMT(bad.st_mode)]} instead of {_KINDS[kind]}"]
    facts: list[tuple[str, object, object]] = [
        ("the mode", f"{stat.S_IMODE(good.st_mode):04o}", f"{stat.S_IMODE(bad.st_mode):04o}"),
        ("the owner", f"{good.st_uid}:{good.st_gid}", f"{bad.st_uid}:{bad.st_gid}"),
        ("the attributes", _attributes(name, fd), _attributes(name, other)),
        ("the device", good.st_rdev, bad.st_rdev),
    ]
    if kind != stat.S_IFDIR:  # its links and its time tell of what is in it, which is compared itself
        facts.append(("the number of links", good.st_nlink, bad.st_nlink))
        if good.st_mtime_ns < since:
            facts.append(("the time", good.st_mtime_ns, bad.st_mtime_ns))
    how = [f"has {what} {found} instead of {wanted}" for what, wanted, found in facts if wanted != found]
    return [*_compare_content(name, fd, other, good), *how]


def _compare_content(name: str, fd: int, other: int, good: os.stat_result) -> list[str]:
    if stat.S_ISLNK(good.st_mode):
        wanted, found = os.readlink(name, dir_fd=fd), os.readlink(name, dir_fd=other)
        return [f"has the target {found} instead of {wanted}"] if wanted != found else []
    if not stat.S_ISREG(good.st_mode):
        return []
    size = os.stat(name, dir_fd=other, follow_symlinks=False).st_size
    if size != good.st_size:
        return [f"has {size} bytes instead of {good.st_size}"]
    return [] if _same_content(name, fd, other) else ["has other content"]


def _attributes(name: str, fd: int) -> dict[str, str]:
    path = f"/proc/self/fd/{fd}/{name}"
    names = sorted(set(os.listxattr(path, follow_symlinks=False)) - _OURS)
    return {each: os.getxattr(path, each, follow_symlinks=False).hex() for each in names}


def _same_content(name: str, fd: int, other: int) -> bool:
    with (
        open(os.open(name, _FLAGS, dir_fd=fd), "rb", buffering=0) as good,
        open(os.open(name, _FLAGS, dir_fd=other), "rb", buffering=0) as bad,
    ):
        while piece := good.read(_PIECE):
            if piece != bad.read(_PIECE):
                return False
        return not bad.read(1)
