# SPDX-License-Identifier: Apache-2.0
"""A stream whose source works in a thread of its own, a little ahead of who reads."""

import threading
from collections.abc import Iterator
from queue import SimpleQueue

DEPTH = 8  # chunks, of 256 KiB as a rule


class Ahead:
    """Yields what ``chunks`` yields, and raises what it raises; leave it to end the thread."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._room = threading.Semaphore(DEPTH)
        self._come: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
        self._ended = False
        self._left = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Ahead":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._left = True
        self._room.release()
        self._thread.join()

    def __iter__(self) -> Iterator[bytes]:
        """Return itself: it is read once."""
        return self

    def __next__(self) -> bytes:
        """Return the next chunk; after the end, or an error, there is none."""
        if self._ended:
            raise StopIteration
        item = self._come.get()
        if isinstance(item, bytes):
            self._room.release()
            return item
        self._ended = True
        raise item or StopIteration

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            for chunk in self._chunks:
                self._room.acquire()
                if self._left:
                    break
                self._come.put(chunk)
        except BaseException as error:
            end = error
        self._come.put(end)
