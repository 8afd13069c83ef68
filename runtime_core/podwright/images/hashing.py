# SPDX-License-Identifier: Apache-2.0
"""Digest and size of a stream, told by whoever reads it anyway."""

import hashlib
from collections.abc import Iterator


class Hashed:
    """Hands chunks on; ``digest`` and ``size`` are of those that have been read so far."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        """Return itself: it is read once."""
        return self

    def __next__(self) -> bytes:
        """Return the next chunk."""
        chunk = next(self._chunks)
        self._hash.update(chunk)
        self.size += len(chunk)
        return chunk

    def exhaust(self) -> None:
        """Read all of it, for its digest alone."""
        for _ in self:
            pass

    @property
    def digest(self) -> str:
        """The digest as OCI writes it."""
        return f"sha256:{self._hash.hexdigest()}"
