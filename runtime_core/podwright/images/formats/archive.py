# SPDX-License-Identifier: Apache-2.0
"""An OCI archive: an OCI image layout (image-layout.md) in one tar, as the place that images come from and go to."""

from collections.abc import Callable, Iterator

from podwright.errors import ImageError
from podwright.files import canonical_json
from podwright.images.documents import OCI_INDEX, Descriptor, digest_of
from podwright.images.formats.source import pick
from podwright.images.formats.tarball import Tarball
from podwright.images.formats.tarwriter import TarWriter
from podwright.images.hashing import Hashed
from podwright.images.layout import MARKER, NAME, check_marker, parse_entries


class OciArchiveSource:
    """The image ``name`` of the archive at ``path``, or the only one there is. See Source."""

    def __init__(self, path: str, name: str) -> None:
        self._tarball = Tarball(path)
        self._path = path
        self._name = name

    def top(self) -> bytes:
        """Return the manifest or index that the name stands for."""
        marker, index = (self._tarball.document(name) for name in ("oci-layout", "index.json"))
        if marker is None or index is None:
            raise self._tarball.error("it is no OCI archive, it has no oci-layout and index.json")
        check_marker(marker, self._path)
        try:
            entries = parse_entries(index)
        except ImageError as error:
            raise self._tarball.error(f"its index.json is damaged ({error.message})") from error
        return self.manifest(pick(entries, self._name, self._path))

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return a manifest that an index points to."""
        data = self._tarball.document(_member(descriptor))
        if data is None or digest_of(data) != descriptor.digest:
            raise self._tarball.error(f"its blob {descriptor.digest} is missing or damaged")
        return data

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """See Source."""
        member = self._tarball.find(_member(descriptor))
        if member is None:
            raise self._tarball.error(f"its blob {descriptor.digest} is missing")
        yield from self._tarball.chunks(member, offset)

    def close(self) -> None:
        """Close the archive."""
        self._tarball.close()


class OciArchiveDestination:
    """A new archive at ``path`` with one image, whose name in it is ``name``. See Destination."""

    parallel = 1

    def __init__(self, path: str, name: str) -> None:
        self._writer = TarWriter(path)
        self._name = name
        self._there: set[str] = set()

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob was added."""
        return descriptor.digest in self._there

    def add(self, descriptor: Descriptor, read: Callable[[int], Iterator[bytes]]) -> None:
        """Add a blob as it is, verified."""
        chunks = Hashed(read(0))
        self._writer.add(chunks, lambda: _member(descriptor))
        if chunks.digest != descriptor.digest:
            raise ImageError(f"the blob {descriptor.digest} has other content: its digest is {chunks.digest}")
        self._there.add(descriptor.digest)

    def finish(self, descriptor: Descriptor, data: bytes) -> None:
        """Add the manifest and the index, and give the archive its name."""
        entry = {
            "mediaType": descriptor.media_type,
            "digest": descriptor.digest,
            "size": descriptor.size,
            "annotations": {NAME: self._name},
        }
        index = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
        self._put(_member(descriptor), data)
        self._put("index.json", index)
        self._put("oci-layout", MARKER)
        self._writer.finish()

    def close(self) -> None:
        """Remove what was written when it was not finished."""
        self._writer.close()

    def _put(self, name: str, data: bytes) -> None:
        self._writer.add(iter([data]), lambda: name)


def _member(descriptor: Descriptor) -> str:
    return f"blobs/{descriptor.digest.replace(':', '/')}"
