# SPDX-License-Identifier: Apache-2.0
"""Volumes that belong to a pod's group (``securityContext.fsGroup``), as a kubelet hands them over.

All that is in such a volume gets the group, which may then read and write it; a new file gets it too, by the setgid bit
of its directory (k8s.io/kubernetes, pkg/volume/volume_linux.go).
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from podwright.errors import HostError

SETGID = stat.S_ISGID
_READ, _WRITE, _SEARCH = 0o440, 0o660, 0o110


def group_of(pod: Mapping[str, Any]) -> int | None:
    """Return a (normalised) pod's fsGroup, or None."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return None if group is None else int(group)


def readable(mode: int) -> int:
    """Return a file's mode so that its group may read it."""
    return mode | _READ


def give(folder: str, group: int, *, read_only: bool = False, unless_root_fits: bool = False) -> None:
    """Give a directory and all in it to a group, which may write there, or only read if ``read_only``.

    With ``unless_root_fits`` nothing is done when the directory itself is as it shall be (OnRootMismatch). Containers
    may write in it meanwhile: no symbolic link is followed, neither to a file nor to a directory.
    """
    mask = _READ if read_only else _WRITE
    if unless_root_fits and _fits(os.stat(folder), group, mask | _SEARCH | SETGID):
        return
    try:
        for _path, names, files, fd in os.fwalk(folder, topdown=False, onerror=_raise):
            for name in (*files, *names):
                with suppress(FileNotFoundError):
                    _give_entry(name, fd, group, mask)
            _change(fd, os.fstat(fd), group, mask | _SEARCH | SETGID)
    except RecursionError as error:
        raise HostError(f"{folder}: its directories are nested too deeply to be given to the group {group}") from error
    except OSError as error:
        raise HostError(f"{folder}: cannot be given to the group {group}: {error.strerror}") from error


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # gone meanwhile
        raise error


def _give_entry(name: str, directory: int, group: int, mask: int) -> None:
    """Change what is no directory; those come by themselves, after what is in them."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        status = os.fstat(fd)
        if stat.S_ISLNK(status.st_mode):
            os.chown(name, -1, group, dir_fd=directory, follow_symlinks=False)
        elif not stat.S_ISDIR(status.st_mode):
            _change(fd, status, group, mask)
    finally:
        os.close(fd)


def _change(fd: int, status: os.stat_result, group: int, mask: int) -> None:
    if _fits(status, group, mask):
        return
    path = f"/proc/self/fd/{fd}"  # the file itself, also by a descriptor that cannot be read from
    os.chown(path, -1, group)
    os.chmod(path, stat.S_IMODE(status.st_mode) | mask)


def _fits(status: os.stat_result, group: int, mask: int) -> bool:
    return status.st_gid == group and status.st_mode & mask == mask
