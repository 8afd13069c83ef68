# SPDX-License-Identifier: Apache-2.0
"""Room on the disk for what is about to come."""

import errno
import os

from podwright.errors import HostError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error means that the disk is full, or a quota used up."""
    return isinstance(error, OSError) and error.errno in _FULL


class Full(OSError):
    """The disk is full; ``inodes`` tells whether it lacks those, and not bytes."""

    def __init__(self, text: str, path: str) -> None:
        super().__init__(errno.ENOSPC, text)
        info = os.statvfs(path)
        self.inodes = info.f_files > 0 and info.f_favail == 0


def available(path: str) -> int:
    """Return the bytes that are left on the file system of ``path``, without what is reserved for root."""
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize


def lacking(path: str, needed: int, error: OSError | None = None) -> HostError:
    """Return the error of who needs that many bytes on a file system, or more than there are of what it ran out of."""
    inodes = isinstance(error, Full) and error.inodes
    wanted = "more inodes" if inodes else f"at least {max(needed, available(path) + 1)} bytes"
    return HostError(
        f"the disk is full: it needs {wanted} below {path}, where {available(path)} bytes "
        f"and {os.statvfs(path).f_favail} inodes are available: free some, for example with 'podwright prune'"
    )
