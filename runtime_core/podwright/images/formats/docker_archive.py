# SPDX-License-Identifier: Apache-2.0
"""What ``docker save`` writes and ``docker load`` reads: a tar with a manifest.json, configurations and plain layers.

The manifest.json (moby's image/spec, v1.2) is a list of images: the path of the configuration, the names, and the
paths of the layers, bottom first.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.files import canonical_json
from podwright.images import reference as references
from podwright.images.compression import compression_of, decompress
from podwright.images.documents import (
    CONFIGS,
    DOCKER_MANIFEST,
    LAYERS,
    MAX_LAYERS,
    Descriptor,
    digest_of,
    parse_manifest,
    parse_object,
)
from podwright.images.formats.tarball import Member, Tarball
from podwright.images.formats.tarwriter import TarWriter
from podwright.images.hashing import Hashed
from podwright.images.reference import is_digest

_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


class _Image(NamedTuple):
    config: str
    names: list[str]
    layers: list[str]


class DockerArchiveSource:
    """The image ``name`` of the archive at ``path``, or the only one there is. See Source.

    It gets a manifest of Docker's kind, since its configuration is Docker's: the same archive gives the same digest.
    """

    def __init__(self, path: str, name: str) -> None:
        self._tarball = Tarball(path)
        self._path = path
        self._name = name
        self._blobs: dict[str, Member] = {}

    def top(self) -> bytes:
        """Return the manifest, made from the archive's own."""
        image = self._pick(self._images())
        config = self._tarball.document(image.config)
        if config is None:
            raise self._tarball.error(f"its configuration {image.config!r} is missing")
        self._blobs[digest_of(config)] = self._member(image.config)
        layers = [self._layer(*pair) for pair in zip(image.layers, self._diff_ids(config, image), strict=True)]
        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": _descriptor(Descriptor(CONFIGS[1], digest_of(config), len(config))),
            "layers": [_descriptor(layer) for layer in layers],
        }
        return canonical_json(document)

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Never asked for: what is on top is no index."""
        raise self._tarball.error(f"it has no manifest {descriptor.digest}")

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """See Source."""
        yield from self._tarball.chunks(self._blobs[descriptor.digest], offset)

    def close(self) -> None:
        """Close the archive."""
        self._tarball.close()

    def _images(self) -> list[_Image]:
        data = self._tarball.document("manifest.json")
        if data is None:
            raise self._tarball.error("it is nothing that docker save wrote, it has no manifest.json")
        try:
            items = json.loads(data)
        except (ValueError, RecursionError):
            items = None
        images = [_image(item) for item in items] if isinstance(items, list) else [None]
        known = [image for image in images if image]
        if len(known) != len(images):
            raise self._tarball.error("its manifest.json is no list of images with Config, RepoTags and Layers")
        return known

    def _pick(self, images: list[_Image]) -> _Image:
        wanted = str(references.parse(self._name)) if self._name else ""
        chosen = [image for image in images if not wanted or wanted in map(_full, image.names)]
        if len(chosen) == 1:
            return chosen[0]
        names = ", ".join(sorted(name for image in images for name in image.names or ["unnamed"])) or "none"
        missing = (
            f"{len(chosen) or 'no'} images {wanted}" if wanted else f"{len(images)} images, so name one as PATH:NAME"
        )
        raise ImageError(f"{self._path} has {missing} (there are: {names})")

    def _diff_ids(self, config: bytes, image: _Image) -> list[str]:
        rootfs = parse_object(config, "image configuration").get("rootfs")
        diff_ids = (rootfs.get("diff_ids") if isinstance(rootfs, dict) else None) or []
        if not isinstance(diff_ids, list) or not all(isinstance(item, str) and is_digest(item) for item in diff_ids):
            raise self._tarball.error("its configuration has no valid rootfs.diff_ids")
        if len(diff_ids) != len(image.layers) or len(diff_ids) > MAX_LAYERS:
            raise self._tarball.error(f"it has {len(image.layers)} layers and {len(diff_ids)} diff_ids for them")
        return diff_ids

    def _layer(self, path: str, diff_id: str) -> Descriptor:
        """Return a layer's descriptor. A plain one's digest is the diff-id, which whoever takes the layer verifies."""
        member = self._member(path)
        start = b"".join(self._tarball.chunks(member._replace(size=min(member.size, 4))))
        kind = {"gzip": ".gzip", "zstd": ".zstd"}.get(compression_of(start), "")
        digest = self._digest(member) if kind else diff_id
        self._blobs[digest] = member
        return Descriptor(_LAYER + kind, digest, member.size)

    def _digest(self, member: Member) -> str:
        chunks = Hashed(self._tarball.chunks(member))
        chunks.exhaust()
        return chunks.digest

    def _member(self, path: str) -> Member:
        member = self._tarball.find(path)
        if member is None:
            raise self._tarball.error(f"its layer {path!r} is missing")
        return member


class DockerArchiveDestination:
    """A new archive at ``path`` with one image, ``name`` being its reference or "" for none. See Destination.

    The configuration is the image's own, to the byte, so its ID at Docker is the one that it has anywhere.
    """

    parallel = 1

    def __init__(self, path: str, name: str) -> None:
        reference = references.parse(name) if name else None
        if reference and not reference.tag:
            raise ImageError(f"image {name}: a docker-archive names images by a tag, not by a digest")
        self._names = [str(reference._replace(digest=None))] if reference else []
        self._config: dict[str, Any] = {}
        self._plain: dict[str, str] = {}
        self._writer = TarWriter(path)

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob was added."""
        return descriptor.digest in self._plain

    def add(self, descriptor: Descriptor, read: Callable[[int], Iterator[bytes]]) -> None:
        """Add the configuration, or a layer, uncompressed."""
        if descriptor.media_type in CONFIGS:
            data = b"".join(read(0))
            self._config = parse_object(data, "image configuration")
            self._plain[descriptor.digest] = descriptor.digest
            self._writer.add(iter([data]), lambda: _config_name(descriptor))
        elif descriptor.media_type in LAYERS:
            plain = Hashed(decompress(read(0)))
            self._writer.add(plain, lambda: _layer_name(plain.digest))
            self._plain[descriptor.digest] = plain.digest
        else:
            raise ImageError(f"a docker-archive has no place for {descriptor.media_type}: write an oci-archive")

    def finish(self, descriptor: Descriptor, data: bytes) -> None:
        """Add the manifest.json, and give the archive its name."""
        manifest = parse_manifest(data)
        layers = [self._plain[layer.digest] for layer in manifest.layers]
        if layers != self._config["rootfs"]["diff_ids"]:
            raise ImageError(f"the layers of {descriptor.digest} are not those that its configuration names")
        names = [_layer_name(layer) for layer in layers]
        image = {"Config": _config_name(manifest.config), "RepoTags": self._names, "Layers": names}
        self._writer.add(iter([canonical_json([image])]), lambda: "manifest.json")
        self._writer.finish()

    def close(self) -> None:
        """Remove what was written when it was not finished."""
        self._writer.close()


def _image(value: object) -> _Image | None:
    """Check one image of a manifest.json; one without names has null, and one of nothing may have null layers."""
    if not isinstance(value, dict):
        return None
    config, names, layers = value.get("Config"), value.get("RepoTags") or [], value.get("Layers") or []
    lists = isinstance(names, list) and isinstance(layers, list)
    if not lists or not all(isinstance(text, str) and text for text in (config, *names, *layers)):
        return None
    return _Image(str(config), names, layers)


def _full(name: str) -> str:
    with contextlib.suppress(ImageError):
        return str(references.parse(name))
    return name


def _descriptor(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def _config_name(descriptor: Descriptor) -> str:
    return f"{descriptor.digest.removeprefix('sha256:')}.json"


def _layer_name(diff_id: str) -> str:
    return f"{diff_id.removeprefix('sha256:')}.tar"
