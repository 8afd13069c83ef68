# SPDX-License-Identifier: Apache-2.0
"""A new tar archive, which is at its place only when it is whole."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator

from podwright.errors import ImageError
from podwright.files import is_locked, sync_directory
from podwright.images.formats.tarheader import BLOCK, END, Header, padding


class TarWriter:
    """Writes to a temporary file beside ``path``, which ``finish`` puts in the place of what is there."""

    def __init__(self, path: str) -> None:
        if os.path.isdir(path) or not os.path.basename(path):
            raise ImageError(f"the archive cannot be written: {path} is a folder")
        self._path = os.path.abspath(path)
        self._temporary, self._fd = _temporary(self._path)
        self._end = 0

    def add(self, chunks: Iterator[bytes], name: Callable[[], str]) -> None:
        """Add a file; its name is asked for when its content has been read, which may be what names it."""
        start = self._end + BLOCK
        size = 0
        for chunk in chunks:
            self._write(chunk, start + size)
            size += len(chunk)
        self._write(padding(size), start + size)
        self._write(Header(name().encode(), size=size).encode(), self._end)
        self._end = start + size + len(padding(size))

    def finish(self) -> None:
        """Put the archive in its place."""
        self._write(END, self._end)
        os.ftruncate(self._fd, self._end + len(END))
        os.fsync(self._fd)
        os.rename(self._temporary, self._path)
        self._temporary = ""
        sync_directory(os.path.dirname(self._path))

    def close(self) -> None:
        """Remove what is not finished."""
        if self._temporary:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
        os.close(self._fd)

    def _write(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view = view[written:]
            offset += written


def _temporary(path: str) -> tuple[str, int]:
    """Open a new file whose lock says that it is in use; those of dead processes are removed on the occasion."""
    folder, name = os.path.split(path)
    prefix = f".{name[:200]}.tmp-"
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"the archive {path} cannot be written: {folder}: {error.strerror}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # so that a new file gets its lock before somebody else looks at it
        for other in os.listdir(folder):
            if other.startswith(prefix) and not is_locked(os.path.join(folder, other)):
                os.unlink(os.path.join(folder, other))
        temporary = os.path.join(folder, f"{prefix}{os.urandom(8).hex()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(fd, fcntl.LOCK_EX)
    finally:
        os.close(held)
    return temporary, fd
