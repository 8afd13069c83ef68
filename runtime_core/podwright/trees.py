# SPDX-License-Identifier: Apache-2.0
"""Removing and walking directory trees that strangers made: deeper than a path may be long, links everywhere."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it; it need not exist. No symbolic link is followed.

    Goes up and down by ``..`` with one descriptor at a time: a hostile layer nests deeper than Python recurses, or than
    a process may have open files (both break shutil.rmtree). Only for trees in which nobody else moves directories.
    """
    try:
        fd = _open(path)
    except FileNotFoundError:
        return
    depth = 1
    try:
        while depth:
            child = _empty(fd)
            fd = _move(child or "..", fd)
            depth += 1 if child else -1
    finally:
        os.close(fd)
    os.rmdir(path)


def walk_tree(path: str) -> Iterator[tuple[str, int, list[os.DirEntry[str]]]]:
    """Yield each directory of a tree: its path in it ("" for the top), its descriptor, and its entries.

    The descriptor, through which the entries look themselves up, is good until the next step. As remove_tree, it holds
    one at a time and follows no symbolic link.
    """
    fd = _open(path)
    names: list[str] = []
    pending: list[list[str]] = []  # for each directory on the way down to this one, those in it that are to come
    try:
        while True:
            with os.scandir(fd) as found:
                entries = list(found)
            yield "/".join(names), fd, entries
            pending.append([entry.name for entry in entries if entry.is_dir(follow_symlinks=False)])
            while pending and not pending[-1]:
                pending.pop()
                if names:
                    names.pop()
                    fd = _move("..", fd)
            if not pending:
                return
            names.append(pending[-1].pop())
            fd = _move(names[-1], fd)
    finally:
        os.close(fd)


def disk_use(path: str) -> int:
    """Return the bytes that a file or a directory tree takes on the disk; what is linked twice in it counts once."""
    top = os.lstat(path)
    total = top.st_blocks
    if not stat.S_ISDIR(top.st_mode):
        return total * 512
    linked: set[tuple[int, int]] = set()
    for _, _, entries in walk_tree(path):
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                if (status.st_dev, status.st_ino) in linked:
                    continue
                linked.add((status.st_dev, status.st_ino))
            total += status.st_blocks
    return total * 512


def _move(name: str, fd: int) -> int:
    """Go from one directory to another, whose name is relative to it."""
    following = _open(name, fd)
    os.close(fd)
    return following


def _empty(fd: int) -> str | None:
    """Remove what can be removed from a directory; returns the name of a full directory in it, if there is one."""
    with os.scandir(fd) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.name, dir_fd=fd)
                continue
            try:
                os.rmdir(entry.name, dir_fd=fd)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                return entry.name
    return None


def _open(name: str, parent: int | None = None) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
