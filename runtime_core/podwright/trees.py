# SPDX-License-Identifier: Apache-2.0
"""Removal of directory trees that strangers made."""

import contextlib
import errno
import os


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
            following = _open(child or "..", fd)
            os.close(fd)
            fd = following
            depth += 1 if child else -1
    finally:
        os.close(fd)
    os.rmdir(path)


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
