# SPDX-License-Identifier: Apache-2.0
"""What the kernel refuses, in words, wherever nobody below the facade has worded it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from podwright.errors import HostError


@contextmanager
def host_errors() -> Iterator[None]:
    """Word what the kernel refuses and nobody below has translated: a full disk, missing rights, no descriptors."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = "; are you root?" if error.errno in (errno.EACCES, errno.EPERM) else ""
        raise HostError(f"the host refused a step: {where}{error.strerror or error}{hint}") from error
