# SPDX-License-Identifier: Apache-2.0
"""From a source into the store: every layer is a stream that is kept, hashed, decompressed and unpacked as it comes.

Nothing is trusted before its last byte: a layer gets its name when the blob that it came in has the right size and
digest and it has the right diff-id itself, and then the blob gets its own. What had come when a pull ended early stays
(ingest.py), and the next one goes on from there.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import cast

from podwright.errors import ImageError
from podwright.files import make_folders
from podwright.images import space
from podwright.images.ahead import Ahead
from podwright.images.documents import Descriptor
from podwright.images.hashing import Hashed
from podwright.images.ingest import Ingest
from podwright.images.layers import Layers
from podwright.images.layout import Layout
from podwright.images.parallel import Team
from podwright.images.progress import Progress

WIDTH = 3  # layers at a time
ATTEMPTS = 2  # at a blob that comes damaged: something between the registry and here may be to blame


class DamagedError(ImageError):
    """A blob has other content than its digest promises."""


Content = tuple[Descriptor, str | None]
"""A blob that an image needs, and the diff-id of the layer that it unpacks to; None when it stays as it is."""


class Fetch:
    """The fetching of one image's blobs; ``source`` yields a blob from an offset on, as Source.blob() does."""

    def __init__(
        self,
        layout: Layout,
        layers: Layers,
        source: Callable[[Descriptor, int], Iterator[bytes]],
        progress: Progress,
    ) -> None:
        self._layout = layout
        self._layers = layers
        self._source = source
        self._progress = progress
        self._team = Team()
        self._full = False

    def run(self, contents: Sequence[Content]) -> None:
        """Have all of it in the store, blobs and unpacked layers. The same content may be named several times.

        Raises HostError when the disk is too small. What came of an image that does not fit is removed, for somebody
        needs the space.
        """
        self._team = Team()
        make_folders(os.path.join(self._layout.root, "ingest"))
        # The largest first: the one that takes longest then has all the time there is.
        wanted = sorted(dict.fromkeys(contents), key=lambda content: -content[0].size)
        needed = sum(self._missing(*content) for content in wanted)
        room = space.available(self._layout.root)
        if needed > room:
            raise space.lacking(self._layout.root, needed)
        try:
            self._team.run([partial(self._have, *content) for content in wanted], WIDTH)
        except OSError as error:
            if space.is_full(error):
                raise space.lacking(self._layout.root, max(needed, room + 1), error) from error
            raise

    def _missing(self, blob: Descriptor, diff_id: str | None) -> int:
        """Return the least number of bytes that a content will take: no layer is smaller than its blob."""
        missing = 0
        if not self._layout.has(blob):
            missing += blob.size - self._layout.ingested(blob)
        if not self._is_unpacked(diff_id):
            missing += blob.size
        return missing

    def _is_unpacked(self, diff_id: str | None) -> bool:
        return diff_id is None or self._layers.has(diff_id)

    def _have(self, blob: Descriptor, diff_id: str | None) -> None:
        with Ingest(self._layout, blob, self._team.pause) as ingest:
            try:
                if diff_id is None:
                    self._obtain(ingest, blob, diff_id)
                else:  # always the blob's lock and then the layer's, so that no two wait for each other
                    with self._layers.claimed(diff_id, self._team.pause):
                        self._obtain(ingest, blob, diff_id)
            except BaseException as error:
                self._full = self._full or space.is_full(error)
                if self._full:
                    ingest.discard()
                raise
        self._progress.done(blob.digest)

    def _obtain(self, ingest: Ingest, blob: Descriptor, diff_id: str | None) -> None:
        """Stream what is there already, and what is missing; when it proves damaged, all of it from the source."""
        attempts = ATTEMPTS + (self._layout.has(blob) or ingest.size > 0)
        while True:
            self._progress.begin(blob.digest, blob.size)
            try:
                return self._stream(ingest, blob, diff_id)
            except DamagedError:
                attempts -= 1
                self._layout.discard(blob.digest)
                ingest.empty()
                if not attempts:
                    raise

    def _stream(self, ingest: Ingest, blob: Descriptor, diff_id: str | None) -> None:
        stored, unpacked = self._layout.has(blob), self._is_unpacked(diff_id)
        if stored and unpacked and diff_id:  # what is used is the layer; of a blob alone every byte is looked at
            self._progress.advance(blob.digest, blob.size)
            return
        with closing(self._layout.chunks(blob.digest) if stored else self._chunks(ingest, blob)) as chunks:
            checked = _Checked(self._watched(chunks, blob), blob)
            with Ahead(checked.chunks) as ahead:  # receiving and keeping beside decompressing and handing on
                try:
                    if diff_id and not unpacked:
                        self._layers.unpack(diff_id, ahead, blob.size)
                    _exhaust(ahead)
                except ImageError:
                    _exhaust(ahead)  # whether the blob came damaged or was made so decides who is to blame
                    if checked.is_good:
                        ingest.discard()
                    raise
        if not stored:
            ingest.finish()

    def _chunks(self, ingest: Ingest, blob: Descriptor) -> Generator[bytes, None, None]:
        yield from ingest.chunks()
        if ingest.size < blob.size:
            with closing(cast("Generator[bytes, None, None]", self._source(blob, ingest.size))) as chunks:
                for chunk in chunks:
                    ingest.append(chunk)
                    yield chunk

    def _watched(self, chunks: Iterator[bytes], blob: Descriptor) -> Iterator[bytes]:
        for chunk in chunks:
            self._team.check()
            self._progress.advance(blob.digest, len(chunk))
            yield chunk


def _exhaust(chunks: Iterator[bytes]) -> None:
    """Read what has not been read yet."""
    for _ in chunks:
        pass


class _Checked:
    """A blob's ``chunks``, whose end is an error when they were not what the blob should be."""

    def __init__(self, chunks: Iterator[bytes], blob: Descriptor) -> None:
        self._blob = blob
        self._hashed = Hashed(chunks)
        self.chunks = self._all()
        """To be read once: after an error there is no more."""
        self.is_good = False
        """Whether all has come, and was right."""

    def _all(self) -> Iterator[bytes]:
        digest, size = self._blob.digest, self._blob.size
        for chunk in self._hashed:
            if self._hashed.size > size:
                raise DamagedError(f"the blob {digest} is longer than the {size} bytes that it should be")
            yield chunk
        if self._hashed.size != size:
            raise DamagedError(f"the blob {digest} came with {self._hashed.size} bytes instead of {size}")
        if self._hashed.digest != digest:
            raise DamagedError(f"the blob {digest} came with other content: its digest is {self._hashed.digest}")
        self.is_good = True
