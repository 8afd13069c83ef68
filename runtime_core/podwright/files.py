# SPDX-License-Identifier: Apache-2.0
"""Files that survive a crash: atomic writes, and locks that a dead process cannot keep."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from podwright.jsontext import dumps, loads


def write_atomic(path: str, data: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
    """Replace ``path`` by ``data``: whoever reads sees the old content or the new, also after a crash.

    ``sync=False`` skips the fsync, for files that are made anew after a crash anyway.
    """
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)  # the caller's umask is not ours
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path  # write(2) and fsync(2) do not tell
        os.unlink(temporary)
        raise
    if sync:
        sync_directory(os.path.dirname(path))


def make_folders(path: str) -> None:
    """Make a directory and its missing parents, for root alone; it may be there already.

    os.makedirs leaves the parents' modes to the caller's umask: under 0, any user could exchange a layer or a plan.
    """
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable (fsync(2) on the directory)."""
    fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_temporary(folder: str) -> None:
    """Remove what writers that were killed have left in a folder. Hold the lock under which it is written."""
    for name in os.listdir(folder):
        if name.endswith(".tmp"):
            os.unlink(f"{folder}/{name}")


def canonical_json(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return dumps(value, sort_keys=True).encode()


def read_json(path: str) -> object | None:
    """Return the JSON value in ``path``, or None when there is no such file."""
    try:
        with open(path, "rb") as file:
            value: object = loads(file.read())
            return value
    except FileNotFoundError:
        return None


@contextmanager
def locked(path: str, *, shared: bool = False) -> Iterator[int]:
    """Hold an flock(2) on ``path`` (made when missing) and yield its descriptor.

    The lock ends with the process, however it ends. A holder may remove the file before it lets go: whoever waited for
    it then notices that the name points elsewhere and takes the new file's lock.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(fd), os.stat(path))
            except FileNotFoundError:
                same = False
            if same:
                yield fd
                return
        finally:
            os.close(fd)


def is_locked(path: str) -> bool:
    """Tell whether some process holds the lock of ``path``."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
