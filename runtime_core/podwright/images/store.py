# SPDX-License-Identifier: Apache-2.0
"""The images of this host: ``<root>/images`` is an OCI image layout, ``<root>/layers`` holds its unpacked layers.

``<root>/parents`` has what no layer alone can know of its directories. What is in the store was verified when it came
in. An image is recorded last, when all of it is there, so a crash leaves at most blobs and layers that nobody names
yet; the next pull uses them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from podwright.errors import HostError, ImageError
from podwright.images import gate, space
from podwright.images import platform as platforms
from podwright.images import reference as references
from podwright.images.documents import Descriptor, Manifest, digest_of, manifest_type, parse_manifest
from podwright.images.image import Image, describe, load, platform_of, read_config
from podwright.images.layers import Layers
from podwright.images.layout import NAME, SOURCE, Entry, Layout
from podwright.images.parents import Parents
from podwright.images.platform import Platform
from podwright.images.progress import Progress, Silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.images.distribution.credentials import Auth
    from podwright.images.distribution.registries import Registries
    from podwright.images.distribution.registry import Registry
    from podwright.images.fetch import Fetch
    from podwright.images.formats.source import Source
    from podwright.images.reference import Reference

_SILENT = Silent()

__all__ = ["Image", "ImageStore"]

Images = list[Image]  # inside ImageStore, the name ``list`` is its method
Paths = list[str]


class ImageStore:
    """Images and layers below ``root``; ``podinit`` is that program's path.

    Every method raises ImageError, naming the image, for what is wrong with an image or a registry, and HostError for
    what the host refuses. Threads and processes may use one store at once.
    """

    def __init__(self, root: str, *, podinit: str, registries: "Registries | None" = None) -> None:
        self.root = root
        self.podinit = podinit
        self.layout = Layout(os.path.join(root, "images"))
        self.layers = Layers(os.path.join(root, "layers"), podinit)
        self.parents = Parents(os.path.join(root, "parents"))
        self._registries = registries

    def get(self, reference: str, platform: Platform | None = None) -> Image | None:
        """Return an image of that platform (None: what this host runs), or None when a pull would bring or mend it."""
        name = str(references.parse(reference))
        with _about(name, self.root):
            for entry in self.layout.named(name):
                if _suits(entry.platform, platform) and (image := load(self.layout, self.layers, entry)):
                    return image
        return None

    def list(self) -> Images:
        """Return all images that are whole, by name and platform."""
        with _about("store", self.root):
            entries = [entry for entry in self.layout.entries() if NAME in entry.annotations]
            images = [load(self.layout, self.layers, entry) for entry in entries]
        return sorted((image for image in images if image), key=lambda image: (image.reference, image.platform))

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None = None,
        auth: "Auth | None" = None,
        progress: Progress = _SILENT,
    ) -> Image:
        """Fetch what is missing of an image, unpack its layers, and record it under its full reference."""
        parsed = references.parse(reference)
        with _about(str(parsed), self.root):
            registry = self._registry(parsed, auth)
            return self._take(registry, str(parsed), platform, progress, self._policy(parsed, registry))

    def resolve(self, reference: str, auth: "Auth | None" = None) -> str:
        """Return the digest that the reference stands for at its registry now, without downloading anything."""
        parsed = references.parse(reference)
        with _about(str(parsed), self.root):
            registry = self._registry(parsed, auth)
            try:
                return registry.resolve()
            finally:
                registry.close()

    def take(
        self, source: "Source", reference: str, *, platform: Platform | None = None, progress: Progress = _SILENT
    ) -> Image:
        """Take an image from elsewhere than a registry, as ``pull`` does, and close the source."""
        name = str(references.parse(reference))
        with _about(name, self.root):
            return self._take(source, name, platform, progress, lambda _top, _manifest: None)

    def layer_dirs(self, image: Image) -> Paths:
        """Return the image's lower directories, topmost first; unpacks from the store what is missing."""
        with _about(image.reference, self.root):
            if image.module:
                raise ImageError("it is a WebAssembly module and no file system: use runtimeClassName pod-wasm")
            if not all(map(self.layers.has, image.diff_ids)):
                self._unpack_again(image)
        # A layer that comes twice counts where it is topmost; overlayfs refuses one directory in two places.
        return list(dict.fromkeys(self.layers.path(diff_id) for diff_id in reversed(image.diff_ids)))

    def lower_dirs(self, image: Image) -> Paths:
        """Return what a container of the image lies on, topmost first: ``layer_dirs``, and what makes them one tree."""
        layers = self.layer_dirs(image)
        if len(layers) < 2:
            return layers
        with _about(image.reference, self.root):
            return [self.parents.make(image.diff_ids, layers), *layers]

    def module_path(self, image: Image) -> str:
        """Return the file of the WebAssembly module that an image is."""
        with _about(image.reference, self.root):
            if not image.module:
                raise ImageError("it is no WebAssembly module but a file system: use runtimeClassName pod-containers")
            return self.layout.blob_path(image.module.digest)

    def remove(self, reference: str) -> bool:
        """Forget an image's name; what it took of the disk comes back with ``upkeep.prune``."""
        name = str(references.parse(reference))
        with _about(name, self.root):
            return self.layout.forget(name)

    # ---- from the store ----

    def _unpack_again(self, image: Image) -> None:
        data = self.layout.read(image.manifest.digest)
        if not data:
            raise ImageError("its manifest is missing from the store: pull it again")
        with gate.shared(self.root):
            self._fetch(_nowhere, _SILENT).run(_contents(parse_manifest(data), image.config))
            self.layers.settle(image.diff_ids)

    # ---- into the store ----

    def _registry(self, reference: "Reference", auth: "Auth | None") -> "Registry":
        from podwright.images.distribution.registry import Registry

        return Registry(reference, self._registries, auth=auth)

    def _policy(self, reference: "Reference", registry: "Registry") -> Callable[[str, str], None]:
        """Return what is asked whether an image may come in, by the digests of its top and of its manifest."""
        path = self._registries.policy if self._registries else ""
        if not path:
            return lambda _top, _manifest: None
        from podwright.images.signatures import policy

        loaded = policy.load(path)
        return lambda top, manifest: loaded.check(reference, registry, top, manifest)

    def _take(
        self,
        source: "Source",
        name: str,
        platform: Platform | None,
        progress: Progress,
        check: Callable[[str, str], None],
    ) -> Image:
        from podwright.images.formats.source import manifest_for

        try:
            with gate.shared(self.root):
                self.layout.create()
                top = source.top()
                data = manifest_for(source, top, platform)
                manifest = parse_manifest(data)
                descriptor = Descriptor(manifest_type(data), digest_of(data), len(data))
                check(digest_of(top), descriptor.digest)
                fetch = self._fetch(source.blob, progress)
                config = self._config(fetch, manifest, platform)
                fetch.run(_contents(manifest, config))
                self.layout.add(descriptor, iter([data]))
                annotations = {NAME: name, SOURCE: digest_of(top)}
                entry = Entry(descriptor, annotations, platform_of(config, platform))
                self.layout.record(entry)
                image = describe(entry, manifest, config)
                self.layers.settle(image.diff_ids)
        finally:
            source.close()
        return image

    def _config(self, fetch: "Fetch", manifest: Manifest, platform: Platform | None) -> dict[str, Any]:
        """Return the configuration; its blob comes first, for it tells what the layers are."""
        if not self.layout.read(manifest.config.digest):  # missing, or damaged
            fetch.run([(manifest.config, None)])
        data = self.layout.read(manifest.config.digest)
        if not data:
            raise ImageError(f"its configuration {manifest.config.digest} was lost while it was pulled")
        return read_config(data, manifest, platform)

    def _fetch(self, blobs: Callable[[Descriptor, int], Iterator[bytes]], progress: Progress) -> "Fetch":
        from podwright.images.fetch import Fetch  # threads and decoders, which no other command needs

        return Fetch(self.layout, self.layers, blobs, progress)


def _contents(manifest: Manifest, config: dict[str, Any]) -> list[tuple[Descriptor, str | None]]:
    """Return the blobs of an image, each with the diff-id of what it unpacks to."""
    if manifest.module:
        return [(manifest.module, None)]
    return list(zip(manifest.layers, config["rootfs"]["diff_ids"], strict=True))


def _nowhere(descriptor: Descriptor, _offset: int) -> Iterator[bytes]:
    raise ImageError(f"its layer {descriptor.digest} is missing from the store: pull it again")


def _suits(offered: Platform | None, wanted: Platform | None) -> bool:
    if offered is None or (wanted is None and offered.is_wasm):
        return True
    return (wanted or platforms.host()).matches(offered)


@contextmanager
def _about(name: str, root: str) -> Iterator[None]:
    """Put the image's name before whatever goes wrong with it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"image {name}: {error.message}") from error
    except HostError as error:
        raise HostError(f"image {name}: {error.message}") from error
    except OSError as error:
        if space.is_full(error):
            raise HostError(f"image {name}: {space.lacking(root, 1, error).message}") from error
        where = error.filename or root
        raise HostError(f"image {name}: the store cannot be used: {where}: {error.strerror or error}") from error
