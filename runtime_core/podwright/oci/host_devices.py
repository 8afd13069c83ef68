# SPDX-License-Identifier: Apache-2.0
"""The device nodes of this host, as ``linux.devices`` of a privileged container's configuration."""

import os
import stat
from typing import Any

# What a container has of its own in its /dev (containerd leaves out the same).
_OWN = frozenset(("pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"))


def host_devices(folder: str = "/dev") -> list[dict[str, Any]]:
    """Return every character and block device below ``folder``, sorted by path."""
    found: list[dict[str, Any]] = []
    pending = [folder]
    while pending:
        here = pending.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if here == folder and entry.name in _OWN:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    found += _device(entry)
    return sorted(found, key=lambda device: str(device["path"]))


def _device(entry: "os.DirEntry[str]") -> list[dict[str, Any]]:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # gone meanwhile
        return []
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return []
    numbers = {"major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}
    mode = stat.S_IMODE(status.st_mode)
    return [{"path": entry.path, "type": kind, **numbers, "fileMode": mode, "uid": status.st_uid, "gid": status.st_gid}]
