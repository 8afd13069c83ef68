# SPDX-License-Identifier: Apache-2.0
"""Mount options as the runtime-spec lists them, sorted into flags of mount(2) and data for the file system."""

from collections.abc import Iterable
from typing import NamedTuple

from podwright.errors import HostError

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC = 4096, 16384

_SET = {
    "bind": MS_BIND,
    "rbind": MS_BIND | MS_REC,
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "sync": 16,
    "dirsync": 128,
    "noatime": 1024,
    "nodiratime": 2048,
    "relatime": 1 << 21,
    "strictatime": 1 << 24,
}
_CLEAR = {
    "rw": MS_RDONLY,
    "suid": MS_NOSUID,
    "dev": MS_NODEV,
    "exec": MS_NOEXEC,
    "async": 16,
    "atime": 1024,
    "diratime": 2048,
    "norelatime": 1 << 21,
    "nostrictatime": 1 << 24,
}
# A container's mount namespace is private already.
_NO_CHANGE = frozenset(("defaults", "private", "rprivate"))
# What the file systems of a container (tmpfs(5), proc(5), devpts) take; an option that is none of all these, a
# recursive one or an idmapped mount, say, is refused rather than passed on to a kernel that might not know it.
_DATA = frozenset(
    ("mode", "size", "nr_inodes", "nr_blocks", "uid", "gid", "newinstance", "ptmxmode", "max", "hidepid", "subset")
)
_OF_BIND = MS_BIND | MS_REC | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC


class MountOptions(NamedTuple):
    """``flags`` as mount(2) takes them, ``data`` as the file system does."""

    flags: int
    data: str


def parse_options(options: Iterable[str], field: str) -> MountOptions:
    """Sort options; HostError, naming ``field``, for one that is not supported.

    A bind takes only what can be changed on a bind: it has no data, and its times are those of the file system.
    """
    flags, data = 0, []
    for option in options:
        if option in _SET:
            flags |= _SET[option]
        elif option in _CLEAR:
            flags &= ~_CLEAR[option]
        elif option.partition("=")[0] in _DATA and "," not in option:
            data.append(option)
        elif option not in _NO_CHANGE:
            raise _unsupported(field, option)
    if flags & MS_BIND:
        for option in options:
            if option in data or _SET.get(option, 0) & ~_OF_BIND:
                raise _unsupported(field, option)
    return MountOptions(flags, ",".join(data))


def _unsupported(field: str, option: str) -> HostError:
    return HostError(f"{field}: the mount option {option!r} is not supported here", field=field, value=option)
