# SPDX-License-Identifier: Apache-2.0
"""Where an image comes from: a registry (registry.py), or a folder that holds an OCI image layout."""

import os
from collections.abc import Iterator
from typing import Protocol

from podwright.errors import ImageError
from podwright.images.documents import INDEXES, MANIFESTS, Descriptor, choose_platform, is_index
from podwright.images.layout import NAME, Layout
from podwright.images.platform import Platform

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


class LayoutSource:
    """A foreign layout as the place that an image comes from."""

    def __init__(self, path: str) -> None:
        folder, colon, name = path.rpartition(":")
        if os.path.isdir(path) or not colon:
            folder, name = path, ""
        self._layout = Layout(folder)
        self._name = name

    def top(self) -> bytes:
        """Return the manifest or index that the path names: by its name, or the only one there is."""
        self._layout.check()
        entries = [entry for entry in self._layout.entries() if entry.descriptor.media_type in (*MANIFESTS, *INDEXES)]
        chosen = [entry for entry in entries if not self._name or entry.annotations.get(NAME) == self._name]
        if len(chosen) != 1:
            names = ", ".join(sorted(entry.annotations.get(NAME, "unnamed") for entry in entries)) or "none"
            wanted = f"no image {self._name!r}" if self._name else f"{len(entries)} images, so name one as PATH:NAME"
            raise ImageError(f"{self._layout.root} has {wanted} (there are: {names})")
        return self.manifest(chosen[0].descriptor)

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
