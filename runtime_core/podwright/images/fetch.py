# SPDX-License-Identifier: Apache-2.0
"""From a source into the store: every layer is a stream that is kept, hashed, decompressed and unpacked as it comes.

Nothing is trusted before its last byte: a blob gets its name when its size and digest are right, a layer when its blob
was and its diff-id is. What had come when a pull ended early stays (ingest.py), and the next one goes on from there.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing

from podwright.errors import ImageError
from podwright.files import make_folders
from podwright.images.documents import Descriptor
from podwright.images.ingest import Ingest
from podwright.images.layers import Layers
from podwright.images.layout import Layout
from podwright.images.parallel import Team
from podwright.images.progress import Progress
from podwright.images.source import Source

WIDTH = 3  # layers at a time


class DamagedError(ImageError):
    """A blob has other content than its digest promises."""


class Fetch:
    """The fetching of one image's layers."""

    def __init__(self, layout: Layout, layers: Layers, source: Source, progress: Progress) -> None:
        self._layout = layout
        self._layers = layers
        self._source = source
        self._progress = progress
        self._team = Team()

    def run(self, layers: Sequence[tuple[Descriptor, str]]) -> None:
        """Have all these layers (blob, diff-id) in the store, as blobs and unpacked. A layer may come several times."""
        make_folders(os.path.join(self._layout.root, "ingest"))
        # the largest first: what is left at the end is then small
        ordered = sorted(dict.fromkeys(layers), key=lambda layer: -layer[0].size)
        self._team.run([lambda layer=layer: self._have(*layer) for layer in ordered], WIDTH)

    def _have(self, blob: Descriptor, diff_id: str) -> None:
        self._progress.begin(blob.digest, blob.size)
        pause = self._team.pause
        # Always in this order, so that no two wait for each other.
        with Ingest(self._layout, blob, pause) as ingest, self._layers.claimed(diff_id, pause):
            if not (self._layout.has(blob) and self._layers.has(diff_id)):
                self._obtain(ingest, blob, diff_id)
        self._progress.done(blob.digest)

    def _obtain(self, ingest: Ingest, blob: Descriptor, diff_id: str) -> None:
        """Stream what is there already, and what is missing; when it proves damaged, all of it from the source."""
        if self._layout.has(blob) or ingest.size:
            try:
                return self._stream(ingest, blob, diff_id)
            except DamagedError:
                self._layout.discard(blob.digest)
                ingest.empty()
        return self._stream(ingest, blob, diff_id)

    def _stream(self, ingest: Ingest, blob: Descriptor, diff_id: str) -> None:
        stored = self._layout.has(blob)
        chunks = self._verified(self._layout.chunks(blob.digest) if stored else self._chunks(ingest, blob), blob)
        try:
            if not self._layers.has(diff_id):
                self._layers.make(diff_id, chunks, blob.size)
            for _ in chunks:
                pass
        except DamagedError:
            ingest.empty()
            raise
        if not stored:
            ingest.finish()

    def _chunks(self, ingest: Ingest, blob: Descriptor) -> Iterator[bytes]:
        yield from ingest.chunks()
        if ingest.size < blob.size:
            with closing(self._source.blob(blob, ingest.size)) as chunks:
                for chunk in chunks:
                    ingest.append(chunk)
                    yield chunk

    def _verified(self, chunks: Iterator[bytes], blob: Descriptor) -> Iterator[bytes]:
        found, size = hashlib.sha256(), 0
        for chunk in chunks:
            self._team.check()
            size += len(chunk)
            if size > blob.size:
                raise DamagedError(f"the blob {blob.digest} is longer than the {blob.size} bytes that it should be")
            found.update(chunk)
            self._progress.advance(blob.digest, len(chunk))
            yield chunk
        if size != blob.size:
            raise DamagedError(f"the blob {blob.digest} came with {size} bytes instead of {blob.size}")
        if f"sha256:{found.hexdigest()}" != blob.digest:
            raise DamagedError(
                f"the blob {blob.digest} came with other content: its digest is sha256:{found.hexdigest()}"
            )
