# SPDX-License-Identifier: Apache-2.0
"""Where an image comes from: a registry (registry.py), or what ``open_source`` opens."""

import os
from collections.abc import Iterator
from typing import Protocol

from podwright.errors import ImageError
from podwright.images.documents import INDEXES, MANIFESTS, Descriptor, choose_platform, is_index
from podwright.images.layout import NAME, Entry, Layout
from podwright.images.platform import Platform

TRANSPORTS = ("oci", "oci-archive", "docker-archive", "rootfs")
MAX_DEPTH = 4  # documents from the top to the manifest; more than one index is rare, and a circle has no end


class Source(Protocol):
    """One image, by whatever name. Every method raises ImageError."""

    def top(self) -> bytes:
        """Return the manifest or index that the name stands for."""

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return a manifest that the index points to, verified."""

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield the blob's content from ``offset`` on, unverified; not much more than ``descriptor.size`` bytes.

        A connection that breaks is the source's business. Close the iterator when it is not read to its end.
        """

    def close(self) -> None:
        """End what is open."""


def manifest_for(source: Source, top: bytes, platform: Platform | None = None) -> bytes:
    """Return the manifest that ``top`` is, or has for a platform: also through an index in the index."""
    data = top
    for _ in range(MAX_DEPTH):
        if not is_index(data):
            return data
        data = source.manifest(choose_platform(data, platform))
    raise ImageError(f"its index leads to another index, and so on, more than {MAX_DEPTH} times")


def open_source(text: str) -> Source:
    """Open the image that TRANSPORT:PATH[:NAME] names; PATH may have colons in it, and must be there.

    ``oci:`` an OCI image layout, ``oci-archive:`` one in a tar, ``docker-archive:`` what ``docker save`` writes (both
    may be compressed by gzip), ``rootfs:`` a folder or a tar of a file system, which becomes an image of one layer.
    """
    transport, colon, rest = text.partition(":")
    if not colon or transport not in TRANSPORTS or not rest:
        known = ", ".join(f"{name}:" for name in TRANSPORTS)
        raise ImageError(f"{text!r} names no image: it must begin with one of {known} and go on with a path")
    if transport == "rootfs":
        from podwright.images.formats.rootfs import RootfsSource

        return RootfsSource(_existing(rest, rest))
    path, name = split_path(rest)
    _existing(path, rest)
    if transport == "oci":
        return LayoutSource(path, name)
    if transport == "oci-archive":
        from podwright.images.formats.archive import OciArchiveSource

        return OciArchiveSource(path, name)
    from podwright.images.formats.docker_archive import DockerArchiveSource

    return DockerArchiveSource(path, name)


def split_path(text: str) -> tuple[str, str]:
    """Split PATH[:NAME], both of which may have colons: PATH is what there is, or ends at the first colon."""
    ends = [len(text), *(place for place, sign in enumerate(text) if sign == ":")]
    end = next((end for end in ends if end and os.path.exists(text[:end])), ends[1] if len(ends) > 1 else ends[0])
    return text[:end], text[end + 1 :]


def pick(entries: list[Entry], name: str, where: str) -> Descriptor:
    """Return the image of a layout that has the name, or, without a name, the only one there is."""
    images = [entry for entry in entries if entry.descriptor.media_type in (*MANIFESTS, *INDEXES)]
    chosen = [entry for entry in images if not name or entry.annotations.get(NAME) == name]
    if len(chosen) == 1:
        return chosen[0].descriptor
    names = ", ".join(sorted(entry.annotations.get(NAME, "unnamed") for entry in images)) or "none"
    wanted = f"{len(chosen) or 'no'} images {name!r}" if name else f"{len(images)} images, so name one as PATH:NAME"
    raise ImageError(f"{where} has {wanted} (there are: {names})")


class LayoutSource:
    """A foreign layout as the place that an image comes from."""

    def __init__(self, path: str, name: str = "") -> None:
        self._layout = Layout(path)
        self._name = name

    def top(self) -> bytes:
        """Return the manifest or index that the path names: by its name, or the only one there is."""
        self._layout.check()
        return self.manifest(pick(self._layout.entries(), self._name, self._layout.root))

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return a manifest that an index points to."""
        data = self._layout.read(descriptor.digest)
        if data is None:
            raise ImageError(f"the blob {descriptor.digest} of {self._layout.root} is missing or damaged")
        return data

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """See Source."""
        try:
            yield from self._layout.chunks(descriptor.digest, offset)
        except FileNotFoundError as error:
            raise ImageError(f"the blob {descriptor.digest} of {self._layout.root} is missing") from error

    def close(self) -> None:
        """Nothing stays open."""


def _existing(path: str, text: str) -> str:
    if not os.path.exists(path):
        raise ImageError(f"there is no file or folder {path!r} (asked for was {text!r})")
    return path
