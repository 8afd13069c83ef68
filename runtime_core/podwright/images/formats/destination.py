# SPDX-License-Identifier: Apache-2.0
"""Where an image goes: a registry (upload.py), an archive (archive.py, docker_archive.py), or a folder of others.

Its documents and blobs go as they are, never from Docker's kind to OCI's or back, so its digest stays what it is;
only a docker-archive, which has no manifest of that kind, gets its layers uncompressed. A layout with an image of
Docker's kind in it is right by the specification, and containerd and podwright read it, but skopeo and umoci do not.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from podwright.errors import HostError, ImageError
from podwright.files import canonical_json, locked, sync_directory, write_atomic
from podwright.images import reference as references
from podwright.images.distribution.credentials import Auth
from podwright.images.distribution.registries import Registries
from podwright.images.documents import Descriptor, parse_manifest, parse_object
from podwright.images.formats.source import split_path
from podwright.images.layout import NAME, Layout
from podwright.images.parallel import Team
from podwright.images.progress import Progress
from podwright.images.reference import Reference

TRANSPORTS = ("docker://REFERENCE", "oci:DIR[:NAME]", "oci-archive:FILE[:NAME]", "docker-archive:FILE[:REFERENCE]")
DEFAULT_NAME = "latest"  # of an image in a layout, as a reference's tag


class Destination(Protocol):
    """A place for one image. Every method raises ImageError."""

    parallel: int
    """How many blobs may be added at the same time."""

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there already."""

    def add(self, descriptor: Descriptor, read: Callable[[int], Iterator[bytes]]) -> None:
        """Put a blob there; ``read`` yields its content from an offset on, and may be called again."""

    def finish(self, descriptor: Descriptor, data: bytes) -> None:
        """Put the manifest there, which names the image: its blobs are all there."""

    def close(self) -> None:
        """End what is open. Without ``finish``, no image is there, and no file; blobs may be, for the next time."""


def open_destination(
    text: str, registries: Registries | None = None, auth: Auth | None = None, *, source: Reference | None = None
) -> Destination:
    """Open the place that ``text`` names, one of TRANSPORTS; ``source`` is the registry that the image came from."""
    transport, _, rest = text.partition(":")
    if transport == "docker" and rest.startswith("//"):
        from podwright.images.distribution.repository import Repository
        from podwright.images.distribution.upload import RegistryDestination

        reference = references.parse(rest[2:])
        return RegistryDestination(reference, Repository(reference, registries, auth=auth, push=True), source)
    path, name = split_path(rest)
    if transport == "oci" and path:
        return LayoutDestination(path, name or DEFAULT_NAME)
    if transport == "oci-archive" and path:
        from podwright.images.formats.archive import OciArchiveDestination

        return OciArchiveDestination(path, name or DEFAULT_NAME)
    if transport == "docker-archive" and path:
        from podwright.images.formats.docker_archive import DockerArchiveDestination

        return DockerArchiveDestination(path, name)
    raise ImageError(f"{text!r} names no place for an image: it must be one of {', '.join(TRANSPORTS)}")


def copy_out(layout: Layout, manifest: Descriptor, destination: Destination, progress: Progress) -> str:
    """Copy an image of a layout, and return its digest. The caller closes the destination."""
    data = layout.read(manifest.digest)
    if data is None:
        raise ImageError(f"its manifest {manifest.digest} is missing from the store, or damaged: pull it again")
    blobs = list(dict.fromkeys(parse_manifest(data).blobs))  # a layer may come twice
    try:
        _Copy(layout, destination, progress).run(blobs)
        destination.finish(manifest, data)
    except OSError as error:
        raise HostError(f"the image cannot be copied: {error.filename or 'writing'}: {error.strerror}") from error
    return manifest.digest


class _Copy:
    """Copies blobs, several at once; when one fails, the others are given up."""

    def __init__(self, layout: Layout, destination: Destination, progress: Progress) -> None:
        self._layout = layout
        self._destination = destination
        self._progress = progress
        self._team = Team()

    def run(self, blobs: list[Descriptor]) -> None:
        tasks = [partial(self._copy, blob) for blob in blobs]
        if self._destination.parallel > 1:
            self._team.run(tasks, self._destination.parallel)
        else:  # in this thread: none may write to an archive that is given up
            for task in tasks:
                task()

    def _copy(self, blob: Descriptor) -> None:
        self._progress.begin(blob.digest, blob.size)
        if self._destination.has(blob):
            self._progress.advance(blob.digest, blob.size)
        else:
            told = _Told(self._progress, blob.digest)
            self._destination.add(blob, lambda offset: told.follow(self._chunks(blob, offset), offset))
        self._progress.done(blob.digest)

    def _chunks(self, blob: Descriptor, offset: int) -> Iterator[bytes]:
        try:
            for chunk in self._layout.chunks(blob.digest, offset):
                self._team.check()
                yield chunk
        except FileNotFoundError as error:
            raise ImageError(f"its blob {blob.digest} is missing from the store: pull it again") from error


class _Told:
    """Tells each byte once, though it be read again."""

    def __init__(self, progress: Progress, digest: str) -> None:
        self._progress = progress
        self._digest = digest
        self._told = 0

    def follow(self, chunks: Iterator[bytes], offset: int) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            offset += len(chunk)
            if offset > self._told:
                self._progress.advance(self._digest, offset - self._told)
                self._told = offset


class LayoutDestination:
    """The image ``name`` of the OCI image layout in the folder ``path``, which is made when there is none."""

    parallel = 3

    def __init__(self, path: str, name: str) -> None:
        self._layout = Layout(path)
        self._name = name
        if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
            self._layout.check()
        try:
            os.makedirs(os.path.join(path, "blobs", "sha256"), exist_ok=True)  # for others too, as the umask has it
            self._layout.create()
        except OSError as error:
            raise HostError(f"{path} cannot be made a layout: {error.filename}: {error.strerror}") from error

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there, as far as its size tells."""
        return self._layout.has(descriptor)

    def add(self, descriptor: Descriptor, read: Callable[[int], Iterator[bytes]]) -> None:
        """Add a blob, verified."""
        self._layout.add(descriptor, read(0))

    def finish(self, descriptor: Descriptor, data: bytes) -> None:
        """Name the image in the index, in place of what had the name; all else in the index stays as it is."""
        self._layout.add(descriptor, iter([data]))
        entry = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
        path = os.path.join(self._layout.root, "index.json")
        with locked(os.path.join(self._layout.root, ".lock")):
            self._layout.entries()  # raises when it is damaged
            with open(path, "rb") as file:
                index = parse_object(file.read(), "index")
            others = [item for item in index["manifests"] if (item.get("annotations") or {}).get(NAME) != self._name]
            sync_directory(os.path.join(self._layout.root, "blobs", "sha256"))
            index["manifests"] = [*others, entry | {"annotations": {NAME: self._name}}]
            write_atomic(path, canonical_json(index), mode=0o644)

    def close(self) -> None:
        """Nothing stays open."""
