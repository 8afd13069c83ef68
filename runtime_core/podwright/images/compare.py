# SPDX-License-Identifier: Apache-2.0
"""Two directory trees, one as it should be and one as it is: in what they differ, file by file."""

import os
import stat
from collections.abc import Iterator

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
_OF_THE_HOST = "security.selinux"  # an attribute that the host's own policy gives and changes


def differences(expected: str, actual: str, since: int) -> Iterator[str]:
    """Yield a sentence for each name at which the trees differ.

    Times from ``since`` on (nanoseconds) tell when the expected tree was made, and are not compared.
    """
    root = os.open(actual, _FLAGS | os.O_DIRECTORY)
    gone: set[str] = set()  # directories that the actual tree has not, and all below them
    try:
        for folder, fd, entries in walk_tree(expected):
            folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
            if folder in gone:
                gone |= {_join(folder, name) for name in folders}
                continue
            other = os.open(folder or ".", _FLAGS | os.O_DIRECTORY, dir_fd=root)
            try:
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
            finally:
                os.close(other)
    finally:
        os.close(root)


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
    facts = [
        ("the mode", f"{stat.S_IMODE(good.st_mode):04o}", f"{stat.S_IMODE(bad.st_mode):04o}"),
        ("the owner", f"{good.st_uid}:{good.st_gid}", f"{bad.st_uid}:{bad.st_gid}"),
        ("the attributes", _attributes(name, fd), _attributes(name, other)),
        ("the time", good.st_mtime_ns, bad.st_mtime_ns if good.st_mtime_ns < since else good.st_mtime_ns),
        ("the device", good.st_rdev, bad.st_rdev),
    ]
    if kind != stat.S_IFDIR:
        facts.append(("the number of links", good.st_nlink, bad.st_nlink))
    if kind == stat.S_IFLNK:
        facts.append(("the target", os.readlink(name, dir_fd=fd), os.readlink(name, dir_fd=other)))
    how = [f"has {what} {found!s} instead of {wanted!s}" for what, wanted, found in facts if wanted != found]
    if kind == stat.S_IFREG and good.st_size != bad.st_size:
        return [*how, f"has {bad.st_size} bytes instead of {good.st_size}"]
    if kind == stat.S_IFREG and not _same_content(name, fd, other):
        return [*how, "has other content"]
    return how


def _attributes(name: str, fd: int) -> dict[str, str]:
    path = f"/proc/self/fd/{fd}/{name}"
    names = sorted(set(os.listxattr(path, follow_symlinks=False)) - {_OF_THE_HOST})
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
