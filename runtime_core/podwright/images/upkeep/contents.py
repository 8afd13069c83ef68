# SPDX-License-Identifier: Apache-2.0
"""What the names in the store's index reach: the blobs and the unpacked layers of every image.

Whatever other tools have put into the index counts as well: what it reaches is kept, whether podwright could run it or
not.
"""

from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.images.documents import Descriptor, parse_descriptor, parse_object
from podwright.images.layout import NAME, Entry, Layout
from podwright.images.reference import is_digest


class Content(NamedTuple):
    """One entry of the index, followed to its end."""

    name: str
    """The full reference, or the manifest's digest for an entry that has no name."""
    entry: Entry
    blobs: dict[str, Descriptor]
    """By digest: the manifest, the configuration, the layers."""
    layers: dict[str, Descriptor]
    """By diff-id, bottom first: the blob that each layer is unpacked from."""
    faults: list[str]
    """Why it could not be followed to its end, which blobs that are missing or damaged are not named in."""


def contents(layout: Layout) -> list[Content]:
    """Follow every entry of a layout's index. Raises ImageError when the index itself is damaged."""
    return [_follow(layout, entry) for entry in layout.entries()]


def _follow(layout: Layout, entry: Entry) -> Content:
    name = entry.annotations.get(NAME) or entry.descriptor.digest
    content = Content(name, entry, {}, {}, [])
    pending = [entry.descriptor]
    while pending:
        descriptor = pending.pop()
        if descriptor.digest in content.blobs:
            continue
        content.blobs[descriptor.digest] = descriptor
        try:
            data = layout.read(descriptor.digest)
            if data is not None:
                pending += _below(layout, content, parse_object(data, f"manifest {descriptor.digest}"))
        except ImageError as error:
            content.faults.append(error.message)
    return content


def _below(layout: Layout, content: Content, document: dict[str, Any]) -> list[Descriptor]:
    """Add what a manifest reaches to the content; returns the manifests of an index."""
    if "manifests" in document:
        below = [parse_descriptor(item, "index's manifest") for item in _list(document, "manifests")]
        # another tool may have taken only some platforms of an index: the others are missing from nothing
        return [descriptor for descriptor in below if layout.has(descriptor)]
    config = parse_descriptor(document.get("config"), "manifest's configuration")
    layers = [parse_descriptor(item, "manifest's layer") for item in _list(document, "layers")]
    content.blobs.update({descriptor.digest: descriptor for descriptor in (config, *layers)})
    diff_ids = _diff_ids(layout, config)
    if len(diff_ids) not in (0, len(layers)):
        raise ImageError(f"its configuration has {len(diff_ids)} diff_ids for {len(layers)} layers")
    content.layers.update(zip(diff_ids, layers, strict=False))
    return []


def _diff_ids(layout: Layout, config: Descriptor) -> list[str]:
    """Return the diff-ids that a configuration has; what is no container image has none."""
    data = layout.read(config.digest) if config.media_type.endswith("+json") else None
    rootfs = parse_object(data, f"configuration {config.digest}").get("rootfs") if data else None
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return [item for item in diff_ids or () if isinstance(item, str) and is_digest(item)]


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise ImageError(f"its manifest has no list {key}")
    return value
