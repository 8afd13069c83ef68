# SPDX-License-Identifier: Apache-2.0
"""The images of this host: ``<root>/images`` is an OCI image layout, ``<root>/layers`` holds its unpacked layers.

``<root>/parents`` has what no layer alone can know of its directories. What is in the store was verified when it came in. An image is recorded last, when all of it is there, so a crash leaves
at most blobs and layers that nobody names yet; the next pull uses them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from podwright.errors import HostError, ImageError
from podwright.images import reference as references
from podwright.images.documents import (
    MAX_DOCUMENT,
    Descriptor,
    Manifest,
    choose_platform,
    digest_of,
    is_index,
    manifest_type,
    parse_config,
    parse_manifest,
)
from podwright.images.layers import Layers
from podwright.images.layout import NAME, SOURCE, Entry, Layout
from podwright.images.parents import Parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.images.registries import Registries
    from podwright.images.source import Source


class Image(NamedTuple):
    """An image in the store."""

    reference: str
    """The full reference: ``docker.io/library/busybox:latest``."""
    digest: str
    """What the reference stands for at its registry: compare it with ``ImageStore.resolve()``."""
    config: dict[str, Any]
    """The whole OCI image configuration (config.md); Env, Cmd and so on are in its ``config``, never None."""
    diff_ids: list[str]
    """Of the layers, bottom first."""
    size: int
    """Bytes of the configuration and the compressed layers."""


Images = list[Image]  # inside ImageStore, the name ``list`` is its method
Paths = list[str]


class ImageStore:
    """Images and layers below ``root``; ``podinit`` is that program's path.

    Every method raises ImageError, naming the image, for what is wrong with an image or a registry, and HostError for
    what the host refuses. Threads and processes may use one store at once.
    """

    def __init__(self, root: str, *, podinit: str, registries: "Registries | None" = None) -> None:
        self._root = root
        self._layout = Layout(os.path.join(root, "images"))
        self._layers = Layers(os.path.join(root, "layers"), podinit)
        self._parents = Parents(os.path.join(root, "parents"))
        self._registries = registries

    def get(self, reference: str) -> Image | None:
        """Return an image that is in the store, or None: also when it is damaged, and a pull would mend it."""
        name = str(references.parse(reference))
        with _about(name, self._root):
            entry = self._layout.find(name)
            return self._load(entry) if entry else None

    def list(self) -> Images:
        """Return all images, by name."""
        with _about("store", self._root):
            images = [self._load(entry) for entry in self._layout.entries() if NAME in entry.annotations]
        return sorted((image for image in images if image), key=lambda image: image.reference)

    def pull(self, reference: str) -> Image:
        """Fetch what is missing of an image, unpack its layers, and record it under its full reference."""
        from podwright.images.registry import Registry

        parsed = references.parse(reference)
        with _about(str(parsed), self._root):
            return self._fetch(str(parsed), Registry(parsed, registries=self._registries))

    def resolve(self, reference: str) -> str:
        """Return the digest that the reference stands for at its registry now, without downloading anything."""
        from podwright.images.registry import Registry

        parsed = references.parse(reference)
        with _about(str(parsed), self._root):
            registry = Registry(parsed, registries=self._registries)
            try:
                return registry.resolve()
            finally:
                registry.close()

    def import_layout(self, path: str, reference: str) -> Image:
        """Take an image from an OCI layout: ``path`` is its folder (with one image in it), or ``folder:name``."""
        from podwright.images.source import LayoutSource

        name = str(references.parse(reference))
        with _about(name, self._root):
            return self._fetch(name, LayoutSource(path))

    def layer_dirs(self, image: Image) -> Paths:
        """Return the image's lower directories, topmost first; unpacks from the store what is missing."""
        missing = [diff_id for diff_id in image.diff_ids if not self._layers.has(diff_id)]
        if missing:
            with _about(image.reference, self._root):
                self._unpack_again(image, missing)
        # A layer that comes twice counts where it is topmost; overlayfs refuses one directory in two places.
        return list(dict.fromkeys(self._layers.path(diff_id) for diff_id in reversed(image.diff_ids)))

    def lower_dirs(self, image: Image) -> Paths:
        """Return what a container of the image lies on, topmost first: ``layer_dirs``, and what makes them one tree."""
        layers = self.layer_dirs(image)
        if len(layers) < 2:
            return layers
        with _about(image.reference, self._root):
            return [self._parents.make(image.diff_ids, layers), *layers]

    # ---- from the store ----

    def _load(self, entry: Entry) -> Image | None:
        data = self._layout.read(entry.descriptor.digest)
        manifest = parse_manifest(data) if data else None
        config = self._layout.read(manifest.config.digest) if manifest else None
        if not manifest or not config:
            return None
        document = parse_config(config, len(manifest.layers))
        for layer, diff_id in zip(manifest.layers, document["rootfs"]["diff_ids"], strict=True):
            if not self._layers.has(diff_id) and not self._layout.has(layer):
                return None
        digest = entry.annotations.get(SOURCE, entry.descriptor.digest)
        return _image(entry.annotations[NAME], digest, manifest, document)

    def _unpack_again(self, image: Image, missing: Paths) -> None:
        entry = self._layout.find(image.reference)
        data = self._layout.read(entry.descriptor.digest) if entry else None
        layers = parse_manifest(data).layers if data else []
        blobs = dict(zip(image.diff_ids, layers, strict=False))
        for diff_id in missing:
            layer = blobs.get(diff_id)
            if not layer or not self._layout.has(layer):
                raise ImageError(f"its layer {diff_id} is missing from the store: pull it again")
            self._unpack(layer, diff_id)

    # ---- into the store ----

    def _fetch(self, name: str, source: "Source") -> Image:
        try:
            self._layout.create()
            top = source.top()
            data = source.manifest(choose_platform(top)) if is_index(top) else top
            manifest = parse_manifest(data)
            raw_config = self._fetch_config(source, manifest.config)
            config = parse_config(raw_config, len(manifest.layers))
            for layer, diff_id in zip(manifest.layers, config["rootfs"]["diff_ids"], strict=True):
                if not self._layout.has(layer):
                    self._layout.add(layer, source.blob(layer))
                self._unpack(layer, diff_id)
        finally:
            source.close()
        descriptor = Descriptor(manifest_type(data), digest_of(data), len(data))
        self._layout.add(manifest.config, iter([raw_config]))
        self._layout.add(descriptor, iter([data]))
        self._layout.record(Entry(descriptor, {NAME: name, SOURCE: digest_of(top)}))
        return _image(name, digest_of(top), manifest, config)

    def _fetch_config(self, source: "Source", descriptor: Descriptor) -> bytes:
        """Return the configuration's bytes; they are stored at the end, when the rest of the image has proved good."""
        data = self._layout.read(descriptor.digest)
        if data is not None:
            return data
        data = b""
        for chunk in source.blob(descriptor):
            data += chunk
            if len(data) > MAX_DOCUMENT:
                break
        if len(data) != descriptor.size or digest_of(data) != descriptor.digest:
            raise ImageError(f"the configuration {descriptor.digest} came with the digest {digest_of(data)}")
        return data

    def _unpack(self, layer: Descriptor, diff_id: str) -> None:
        if self._layers.has(diff_id):
            return
        try:
            self._layers.unpack(diff_id, self._layout.chunks(layer.digest), layer.size)
        except ImageError:
            # The blob is worthless, unless another image that uses it is right and this one lies about its diff-id.
            if self._layout.is_damaged(layer.digest) or not self._is_used(layer):
                self._layout.discard(layer.digest)
            raise

    def _is_used(self, layer: Descriptor) -> bool:
        manifests = [self._layout.read(entry.descriptor.digest) for entry in self._layout.entries()]
        return any(layer in parse_manifest(data).layers for data in manifests if data)


def _image(name: str, digest: str, manifest: Manifest, config: dict[str, Any]) -> Image:
    return Image(name, digest, config, config["rootfs"]["diff_ids"], manifest.size)


@contextmanager
def _about(name: str, root: str) -> Iterator[None]:
    """Put the image's name before whatever goes wrong with it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"image {name}: {error.message}") from error
    except OSError as error:
        where = error.filename or root
        raise HostError(f"image {name}: the store cannot be used: {where}: {error.strerror or error}") from error
