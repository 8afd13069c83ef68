# SPDX-License-Identifier: Apache-2.0
"""What the store holds, who refers to it, and what of the disk it takes. All sizes are bytes on the disk."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from podwright.files import is_held
from podwright.images import gate
from podwright.images.store import ImageStore
from podwright.images.upkeep import inventory
from podwright.images.upkeep.contents import Content, contents
from podwright.images.upkeep.garbage import Garbage, garbage
from podwright.images.upkeep.used import Used
from podwright.trees import disk_use


class Blob(NamedTuple):
    """A file of the layout: a manifest, a configuration or a compressed layer."""

    digest: str
    size: int
    images: list[str]
    """The names that reach it."""


class Layer(NamedTuple):
    """An unpacked layer."""

    diff_id: str
    size: int
    images: list[str]
    """The names that reach it."""
    users: list[str]
    """Pods and containers that lie on it."""


class ImageUsage(NamedTuple):
    """One image of the index: a name has several when it was pulled for several platforms."""

    reference: str
    digest: str
    """Of its manifest."""
    blobs: list[str]
    layers: list[str]
    """Diff-ids of those that are unpacked."""
    size: int
    """All that it reaches, blobs and unpacked layers."""
    shared: int
    """What of it other names reach too."""
    users: list[str]
    """Pods and containers that use the name."""


class Usage(NamedTuple):
    """The whole store."""

    images: list[ImageUsage]
    blobs: list[Blob]
    layers: list[Layer]
    leftovers: int
    """What dead processes have begun."""
    reclaimable: int
    """What ``prune`` would free."""
    reclaimable_all: int
    """What ``prune`` would free with ``all``."""

    @property
    def blob_size(self) -> int:
        """All blobs."""
        return sum(blob.size for blob in self.blobs)

    @property
    def layer_size(self) -> int:
        """All unpacked layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def shared_size(self) -> int:
        """What more than one name reaches, counted once."""
        parts: list[Blob | Layer] = [*self.blobs, *self.layers]
        return sum(part.size for part in parts if len(part.images) > 1)


def usage(store: ImageStore, used: Callable[[], Used]) -> Usage:
    """Measure the store; ``used`` tells what of it is in use (``podwright.pods.in_use``).

    Raises ImageError when the index is damaged.
    """
    with gate.shared(store.root):  # nothing is removed meanwhile
        found = contents(store.layout)
        held = inventory.take(store.root)
        use = used()
        leftovers = sum(size_of(path) for path in held.unfinished if not is_held(path))
        blobs = [
            Blob(digest, size_of(store.layout.blob_path(digest)), _names(found, digest, "blobs"))
            for digest in held.blobs
        ]
        layers = [
            Layer(each, size_of(store.layers.path(each)), _names(found, each, "layers"), use.layers.get(each, []))
            for each in held.layers
        ]
    reclaimable = [_sum(garbage(found, held, use, images=images), blobs, layers) for images in (False, True)]
    images = sorted(_image(content, blobs, layers, use) for content in found)
    return Usage(images, blobs, layers, leftovers, *(leftovers + size for size in reclaimable))


def size_of(path: str) -> int:
    """Return the bytes that a blob, a layer or a leftover takes; 0 when it has just gone."""
    try:
        return disk_use(path)
    except FileNotFoundError:
        return 0


def _names(found: Sequence[Content], digest: str, what: Literal["blobs", "layers"]) -> list[str]:
    return sorted({content.name for content in found if digest in getattr(content, what)})


def _image(content: Content, blobs: Sequence[Blob], layers: Sequence[Layer], use: Used) -> ImageUsage:
    own_blobs = [blob for blob in blobs if blob.digest in content.blobs]
    own_layers = [layer for layer in layers if layer.diff_id in content.layers]
    own: list[Blob | Layer] = [*own_blobs, *own_layers]
    return ImageUsage(
        content.name,
        content.entry.descriptor.digest,
        [blob.digest for blob in own_blobs],
        [layer.diff_id for layer in own_layers],
        sum(part.size for part in own),
        sum(part.size for part in own if len(part.images) > 1),
        use.images.get(content.name, []),
    )


def _sum(chosen: Garbage, blobs: Sequence[Blob], layers: Sequence[Layer]) -> int:
    gone = (set(chosen.blobs), set(chosen.layers))  # apart: a layer without compression has one digest for both
    sizes = [blob.size for blob in blobs if blob.digest in gone[0]]
    return sum(sizes) + sum(layer.size for layer in layers if layer.diff_id in gone[1])
