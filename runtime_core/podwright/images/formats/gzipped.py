# SPDX-License-Identifier: Apache-2.0
"""Reading a gzip file at any place, without unpacking it to disk.

A decoder can be copied with all that it knows (its window of 32 KiB). Copies from every few megabytes of the way are
kept, so that reading on from some place costs at most the megabytes from the copy before it.
"""

import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from podwright.errors import ImageError

if TYPE_CHECKING:
    from zlib_ng import zlib_ng

MAGIC = b"\x1f\x8b"
INPUT = 32 * 1024  # bytes read from the file at a time
SPACING = 8 << 20  # plain bytes between two marks
MAX_MARKS = 256  # of at most 80 KiB each


class _Mark(NamedTuple):
    position: int
    """In the plain bytes."""
    following: int
    """Where in the file the input for the decoder goes on."""
    rest: bytes
    """Input that was read, and is for the decoder before that."""
    decoder: "zlib_ng._Decompress"


class Gzipped:
    """The open file ``fd``. Several threads may read, each with a ``Reader`` of its own."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._spacing = SPACING
        self._marks: list[_Mark] = []
        self._lock = threading.Lock()

    def reader(self) -> "Reader":
        """Return a reader that is at the start."""
        return Reader(self)

    def mark(self, position: int, following: int, rest: bytes, decoder: "zlib_ng._Decompress") -> None:
        """Keep a copy of a decoder, when it is far enough from the others."""
        with self._lock:
            if self._marks and position < self._marks[-1].position + self._spacing:
                return
            self._marks.append(_Mark(position, following, rest, decoder.copy()))  # type: ignore[attr-defined]  # its stub forgets it
            if len(self._marks) > MAX_MARKS:
                self._marks = self._marks[::2]
                self._spacing *= 2

    def before(self, position: int) -> _Mark:
        """Return the nearest mark that is not behind a place."""
        from zlib_ng import zlib_ng

        with self._lock:
            near = [mark for mark in self._marks if mark.position <= position]
        if not near:
            return _Mark(0, 0, b"", zlib_ng.decompressobj(wbits=31))
        return near[-1]._replace(decoder=near[-1].decoder.copy())  # type: ignore[attr-defined]  # as above


class Reader:
    """Reads plain bytes; best in rising order."""

    def __init__(self, file: Gzipped) -> None:
        self._file = file
        self._set(file.before(0))

    def read(self, position: int, size: int) -> bytes:
        """Return ``size`` bytes from a place, or fewer at the end; raises ImageError when the stream is damaged."""
        mark = self._file.before(position)
        if position < self._position or mark.position > self._position:
            self._set(mark)
        while self._position < position:
            if not self._decode(min(position - self._position, INPUT)):
                return b""
        parts, missing = [], size
        while missing and (part := self._decode(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _set(self, mark: _Mark) -> None:
        self._position, self._following, self._rest, self._decoder = mark

    def _decode(self, most: int) -> bytes:
        """Return the next bytes, at most so many, or none at the end."""
        from zlib_ng import zlib_ng

        while not self._decoder.eof or self._next_stream():
            if not self._rest:
                self._rest = self._input()
                if not self._rest:
                    raise ImageError("its gzip stream is truncated")
            try:
                data = self._decoder.decompress(self._rest, most)
            except zlib_ng.error as error:  # type: ignore[misc]  # its stub takes the class for an instance
                raise ImageError(f"its gzip stream is damaged ({error})") from error
            self._rest = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
            if data:
                self._position += len(data)
                self._file.mark(self._position, self._following, self._rest, self._decoder)
                return data
        return b""

    def _next_stream(self) -> bool:
        """Streams may follow each other (RFC 1952, 2.2), and zeros may fill up the end."""
        from zlib_ng import zlib_ng

        while not (rest := self._rest.lstrip(b"\0")):
            self._rest = self._input()
            if not self._rest:
                return False
        self._rest, self._decoder = rest, zlib_ng.decompressobj(wbits=31)
        return True

    def _input(self) -> bytes:
        data = os.pread(self._file.fd, INPUT, self._following)
        self._following += len(data)
        return data
