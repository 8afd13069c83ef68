# SPDX-License-Identifier: Apache-2.0
"""Room on the disk for what is about to come."""

import errno
import os

from podwright.errors import HostError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error means that the disk is full, or a quota used up."""
    return isinstance(error, OSError) and error.errno in _FULL


def available(path: str) -> int:
    """Return the bytes that are left on the file system of ``path``, without what is reserved for root."""
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize


def lacking(path: str, needed: int) -> HostError:
    """Return the error of who needs more bytes than there are."""
    return HostError(
        f"the disk is full: at least {needed} bytes are needed below {path}, and {available(path)} are available: "
        "free some space, for example with 'podwright prune'"
    )
