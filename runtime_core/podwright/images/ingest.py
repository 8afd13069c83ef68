# SPDX-License-Identifier: Apache-2.0
"""Blobs on their way into the store: each is a file in ``images/ingest`` that outlives its process.

Whoever fetches a blob holds the lock of its file, so one download serves all who want it, threads and processes; and
whoever comes after a crash finds there what had come already.
"""

import contextlib
import os
from collections.abc import Callable, Iterator

from podwright.files import locked
from podwright.images.documents import Descriptor
from podwright.images.layout import CHUNK, Layout


class Ingest:
    """The fetching of one blob: enter it to be the only one who does. ``pause`` is called while another is.

    The file stays behind, for the next pull to go on with, unless ``finish()`` or ``discard()`` was called.
    """

    def __init__(self, layout: Layout, blob: Descriptor, pause: Callable[[], object]) -> None:
        self._path = layout.ingest_path(blob.digest)
        self._target = layout.blob_path(blob.digest)
        self._lock = locked(self._path, pause=pause)
        self._fd = -1
        self.size = 0
        """Bytes that are there."""

    def __enter__(self) -> "Ingest":
        self._fd = self._lock.__enter__()
        os.fchmod(self._fd, 0o644)  # the blob's, now: a change after its bytes are on the disk would cost a second sync
        self.size = os.fstat(self._fd).st_size
        return self

    def __exit__(self, *error: object) -> None:
        if not self.size:
            self.discard()
        self._lock.__exit__(*error)

    def chunks(self) -> Iterator[bytes]:
        """Read what is there."""
        position = 0
        while chunk := os.pread(self._fd, CHUNK, position):
            yield chunk
            position += len(chunk)

    def append(self, chunk: bytes) -> None:
        """Keep what came next."""
        view = memoryview(chunk)
        while view:
            written = os.pwrite(self._fd, view, self.size)
            self.size += written
            view = view[written:]

    def empty(self) -> None:
        """Start over."""
        os.ftruncate(self._fd, 0)
        self.size = 0

    def finish(self) -> None:
        """Make it a blob of the store, when its bytes have proved right."""
        os.fsync(self._fd)  # costs nothing when podinit has just brought the file system to the disk
        os.rename(self._path, self._target)

    def discard(self) -> None:
        """Give its space back; no harm when it is finished."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
