# SPDX-License-Identifier: Apache-2.0
"""Files that survive a crash: atomic writes, and locks that a dead process cannot keep."""

from __future__ import annotations

import fcntl
import os

from podwright.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def write_atomic(path: str, data: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
    """Replace ``path`` by ``data``: whoever reads sees the old content or the new, also after a crash.

    ``sync=False`` skips the fsync, for files that are made anew after a crash anyway.
    """
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)  # the caller's umask is not ours
            _write_all(fd, data)
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


def write_new(path: str, data: bytes) -> None:
    """Write a file, for root alone, that is not there yet and that nobody reads before this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, data)
    except OSError as error:
        error.filename = path  # write(2) does not tell
        raise
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_small(path: str) -> bytes:
    """Return a file of the kernel's or of ours: open() asks it six questions more, which cost as much again."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts)


def make_folders(path: str) -> None:
    """Make a directory and its missing parents, for root alone; it may be there already.

    os.makedirs leaves the parents' modes to the caller's umask: under 0, any user could exchange a layer or a plan.
    """
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:  # noqa: SIM105 - contextlib costs a lean command 2 ms
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass


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


class locked:  # noqa: N801 - reads like the function that it is to its callers
    """Hold an flock(2) on ``path`` (made when missing); entering yields its descriptor.

    The lock ends with the process, however it ends. A holder may remove the file before it lets go: whoever waited for
    it then notices that the name points elsewhere and takes the new file's lock. ``pause`` is called again and again
    while another has the lock; what it raises ends the waiting.
    """

    # A class and no generator under contextlib, whose import costs more than a whole command may spend on locks.
    __slots__ = ("_fd", "_how", "_path", "_pause")

    def __init__(self, path: str, *, shared: bool = False, pause: Callable[[], object] | None = None) -> None:
        self._path = path
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._pause = pause
        self._fd = -1

    def __enter__(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._wait(fd)
                same = os.path.samestat(os.fstat(fd), os.stat(self._path))
            except FileNotFoundError:
                same = False
            except BaseException:
                os.close(fd)
                raise
            if same:
                self._fd = fd
                return fd
            os.close(fd)

    def __exit__(self, *_error: object) -> None:
        os.close(self._fd)

    def _wait(self, fd: int) -> None:
        while self._pause:
            try:
                return fcntl.flock(fd, self._how | fcntl.LOCK_NB)
            except BlockingIOError:
                self._pause()
        return fcntl.flock(fd, self._how)


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


def is_held(path: str) -> bool:
    """Tell whether some process holds the lock of a file or directory, alone or with others.

    Two who ask at once may take each other for one: use it where a false yes does no harm.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # gone, or nothing that a writer of ours makes
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
