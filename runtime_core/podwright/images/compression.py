# SPDX-License-Identifier: Apache-2.0
"""Decompression of layers as a stream, in pieces of bounded size."""

from collections.abc import Iterator
from itertools import chain

from podwright.errors import ImageError

PIECE = 1 << 20  # bytes of output at a time
MAX_WINDOW = 128 << 20  # bytes of memory that a zstd frame may ask for (zstd --long=27)


def decompress(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the plain bytes of a gzip, zstd or plain stream: its first bytes tell which one it is.

    Raises ImageError when the stream is damaged.
    """
    first = b""
    while len(first) < 4 and (chunk := next(chunks, b"")):
        first += chunk
    kind = compression_of(first)
    whole = chain([first], chunks)
    if kind == "gzip":
        return _gunzip(whole)
    return _unzstd(whole) if kind == "zstd" else whole


def compression_of(first: bytes) -> str:
    """Tell from the first four bytes of a stream how it is compressed: ``gzip``, ``zstd``, or not at all: ``""``."""
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    skippable = first[1:4] == b"\x2a\x4d\x18" and first[0] & 0xF0 == 0x50
    return "zstd" if skippable or first.startswith(b"\x28\xb5\x2f\xfd") else ""


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Members may follow each other (RFC 1952, 2.2), and zeros may fill up the end."""
    from zlib_ng import zlib_ng

    decoder = zlib_ng.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield decoder.decompress(rest, PIECE)
                rest = decoder.unconsumed_tail
                if decoder.eof and (rest := decoder.unused_data.lstrip(b"\0")):
                    decoder = zlib_ng.decompressobj(wbits=31)
        yield decoder.flush()
    except zlib_ng.error as error:  # type: ignore[misc]  # its stub takes the class for an instance
        raise ImageError(f"its gzip stream is damaged ({error})") from error
    if not decoder.eof:
        raise ImageError("its gzip stream is truncated")


class _Reader:
    """Chunks as the file that zstandard wants."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    try:
        with decoder.stream_reader(_Reader(chunks), read_across_frames=True) as stream:  # type: ignore[arg-type]  # reads only
            while piece := stream.read(PIECE):
                yield piece
    except zstandard.ZstdError as error:
        raise ImageError(f"its zstd stream is damaged ({error})") from error
