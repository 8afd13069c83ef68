# SPDX-License-Identifier: Apache-2.0
"""The JSON documents of an image: descriptors, indexes, manifests and configurations, OCI's and Docker's (schema 2).

They come from the network, so nothing in them is believed before it was checked. The specifications are the OCI image
specification's descriptor.md, image-index.md, manifest.md and config.md.
"""

import hashlib
import json
import re
from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.images import platform as platforms
from podwright.images.platform import Platform
from podwright.images.reference import is_digest

MAX_DOCUMENT = 4 << 20  # bytes, of a manifest, an index or a configuration; registries allow as much
MAX_SIZE = (1 << 53) - 1  # bytes, of any blob: what every reader of JSON takes for the same number (RFC 7493)
MAX_LAYERS = 127  # Docker's limit

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, DOCKER_INDEX)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
# Which compression a layer has is seen from its first bytes: registries are full of wrong media types.
LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
)
# The artifact layout of CNCF's wasm working group, and what wasm-to-oci and runwasi made before and beside it.
WASM_CONFIGS = ("application/vnd.wasm.config.v0+json", "application/vnd.wasm.config.v1+json")
WASM_LAYERS = (
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
)
_FOREIGN = re.compile(r".*\.(foreign\.diff|nondistributable\.v1)\.tar.*")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")


class Descriptor(NamedTuple):
    """What a document says about another blob."""

    media_type: str
    digest: str
    size: int


class Manifest(NamedTuple):
    """One platform's image."""

    config: Descriptor
    layers: list[Descriptor]
    """The layers to unpack, bottom first; none when there is a module."""
    module: Descriptor | None = None
    """The WebAssembly module that the image is, when it has no layers of files."""

    @property
    def blobs(self) -> list[Descriptor]:
        """Everything that the manifest points to: the configuration first."""
        return [self.config, *self.layers, *([self.module] if self.module else [])]

    @property
    def size(self) -> int:
        """Bytes of the configuration and the compressed layers, or the module."""
        return sum(blob.size for blob in self.blobs)


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of data, as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object; ``what`` names it in the ImageError."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"the {what} is not JSON") from error
    if not isinstance(value, dict):
        raise ImageError(f"the {what} is not a JSON object")
    return value


def parse_descriptor(value: object, what: str) -> Descriptor:
    """Check one descriptor."""
    if not isinstance(value, dict):
        raise ImageError(f"the {what} has no descriptor")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str):
        raise ImageError(f"the {what} has no media type")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ImageError(f"the {what} has the digest {digest!r}, which is not a sha256 digest")
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise ImageError(f"the {what} has the size {str(size)[:40]}, which is not a number of bytes")
    return Descriptor(media_type, digest, size)


def is_index(data: bytes) -> bool:
    """Tell an index from a manifest by its content: registries send wrong media types, and a document may have none.

    A document that could be read as both is refused (CVE-2021-41190), and so is everything that is neither.
    """
    document = parse_object(data, "manifest")
    if "manifests" in document and not {"config", "layers"} & document.keys():
        return True
    if "layers" in document and "manifests" not in document:
        return False
    if document.get("schemaVersion") == 1:
        raise ImageError("its manifest has Docker's schema version 1, which is no longer supported")
    raise ImageError("it is neither a manifest nor an index")


def manifest_type(data: bytes) -> str:
    """Return the media type of a checked manifest, OCI's or Docker's."""
    document = parse_object(data, "manifest")
    config = document["config"]["mediaType"]
    implied = DOCKER_MANIFEST if config == CONFIGS[1] else OCI_MANIFEST
    return str(document.get("mediaType", implied))


def parse_manifest(data: bytes) -> Manifest:
    """Check an image manifest: its layers must be such as this program can unpack, or one WebAssembly module."""
    document = parse_object(data, "manifest")
    if document.get("mediaType", OCI_MANIFEST) not in MANIFESTS:
        raise ImageError(f"its manifest is of the unknown type {document['mediaType']!r}")
    config = parse_descriptor(document.get("config"), "manifest's configuration")
    if config.media_type not in (*CONFIGS, *WASM_CONFIGS):
        artifact = document.get("artifactType") or config.media_type
        raise ImageError(f"it is no container image but an artifact of type {artifact}")
    if config.size > MAX_DOCUMENT:
        raise ImageError(f"its configuration of {config.size} bytes is over the limit of {MAX_DOCUMENT}")
    layers = [parse_descriptor(item, "manifest's layer") for item in _list(document, "layers", "manifest")]
    if len(layers) > MAX_LAYERS:
        raise ImageError(f"it has {len(layers)} layers, more than {MAX_LAYERS}")
    if config.media_type in WASM_CONFIGS or any(layer.media_type in WASM_LAYERS for layer in layers):
        return Manifest(config, [], _module(layers))
    for layer in layers:
        _check_layer(layer)
    return Manifest(config, layers)


def _check_layer(layer: Descriptor) -> None:
    if _FOREIGN.fullmatch(layer.media_type):
        raise ImageError(
            f"its layer {layer.digest} is of the type {layer.media_type}: such a layer is not in registries but at its "
            "vendor's, and is not supported"
        )
    if layer.media_type not in LAYERS:
        raise ImageError(f"its layer {layer.digest} is of the type {layer.media_type}, which cannot be unpacked")


def _module(layers: list[Descriptor]) -> Descriptor:
    if len(layers) != 1 or layers[0].media_type not in WASM_LAYERS:
        types = ", ".join(layer.media_type for layer in layers) or "none"
        raise ImageError(f"it is a WebAssembly artifact, which must have one layer, the module (it has: {types})")
    return layers[0]


def choose_platform(data: bytes, platform: Platform | None = None) -> Descriptor:
    """Return the manifest that an index has for a platform (None: this machine's, or else a WebAssembly one).

    It may be another index, when the index has one index that is, or could be, for that platform. What stands for no
    platform (attestations, signatures) is passed over.
    """
    wanted = platform or platforms.host()
    manifests, indexes = _offers(data)
    chosen = _best(manifests, wanted)
    if not chosen and not platform:
        chosen = next((descriptor for descriptor, offer in manifests if offer and offer.is_wasm), None)
    inner = [descriptor for descriptor, offer in indexes if not offer or wanted.matches(offer)]
    if not chosen and len(inner) == 1:
        chosen = inner[0]
    if not chosen and len(manifests) == 1 and not manifests[0][1]:
        chosen = manifests[0][0]  # an index of one image needs no platform: its configuration tells
    if chosen:
        return chosen
    offered = ", ".join(sorted({str(offer) for _, offer in (*manifests, *indexes) if offer})) or "none"
    raise ImageError(f"it has no manifest for {wanted} (there are: {offered})")


_Offer = tuple[Descriptor, Platform | None]


def _offers(data: bytes) -> tuple[list[_Offer], list[_Offer]]:
    """Return an index's manifests and its indexes, each with its platform if it names one."""
    manifests: list[_Offer] = []
    indexes: list[_Offer] = []
    for item in _list(parse_object(data, "index"), "manifests", "index"):
        descriptor = parse_descriptor(item, "index's manifest")
        offer = platforms.of(item.get("platform"))
        if descriptor.media_type in INDEXES:
            indexes.append((descriptor, offer))
        elif descriptor.media_type in MANIFESTS and (offer or not item.get("platform")):
            manifests.append((descriptor, offer))
    return manifests, indexes


def _best(offers: list[_Offer], wanted: Platform) -> Descriptor | None:
    """Return the nearest of those that run there; the first of several alike."""
    suited = [
        (distance, descriptor)
        for descriptor, offer in offers
        if offer and (distance := wanted.distance(offer)) is not None
    ]
    return min(suited, key=lambda pair: pair[0])[1] if suited else None


def parse_config(data: bytes, layers: int, platform: Platform | None = None) -> dict[str, Any]:
    """Check an image configuration (config.md) against its manifest's number of layers, and return it whole.

    It must be for ``platform`` (None: for this machine, or WebAssembly). What a container is started from is under its
    key ``config``; that one is always a dictionary, and its fields have the types that config.md gives them, or are
    absent.
    """
    document = parse_object(data, "image configuration")
    _check_platform(document, platform)
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(isinstance(item, str) and is_digest(item) for item in diff_ids):
        raise ImageError("its configuration has no valid rootfs.diff_ids")
    if len(diff_ids) != layers:
        raise ImageError(f"its configuration has {len(diff_ids)} diff_ids for {layers} layers")
    document["config"] = _execution(document.get("config"))
    return document


def parse_module_config(data: bytes, platform: Platform | None = None) -> dict[str, Any]:
    """Check the configuration of a manifest with a module; it comes back as ``parse_config`` returns one, of no layers.

    An artifact's has no ``rootfs`` and may name no platform: the older ones are an empty object.
    """
    document = parse_object(data, "module's configuration")
    if document.get("os") or platform:
        _check_platform(document, platform)
    return document | {"rootfs": {"type": "layers", "diff_ids": []}, "config": _execution(document.get("config"))}


def _check_platform(document: dict[str, Any], wanted: Platform | None) -> None:
    found = platforms.of(document)
    names = "/".join(str(document.get(key)) for key in ("os", "architecture", "variant") if document.get(key))
    if not found:
        raise ImageError(f"its configuration names no platform that has a meaning ({names or 'none'})")
    if not wanted and found.is_wasm:
        return
    # Many an image for an older arm does not say in its configuration for which one: then its index has told.
    if not document.get("variant") and found[:2] == (wanted or platforms.host())[:2]:
        return
    if not (wanted or platforms.host()).matches(found):
        what = "was asked for" if wanted else "is what this machine runs"
        raise ImageError(f"it is for {found}, and {wanted or platforms.host()} {what}")


def _execution(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ImageError("its configuration's config is not an object")
    fields = {key: item for key, item in value.items() if item is not None}
    for name in ("Env", "Entrypoint", "Cmd"):
        items = fields.get(name, [])
        if not isinstance(items, list) or not all(_is_argument(item) for item in items):
            raise ImageError(f"its configuration's {name} is not a list of strings")
    for name in ("User", "WorkingDir", "StopSignal"):
        if not _is_argument(fields.get(name, "")):
            raise ImageError(f"its configuration's {name} is not a string")
    for name in ("ExposedPorts", "Volumes", "Labels"):
        if not isinstance(fields.get(name, {}), dict):
            raise ImageError(f"its configuration's {name} is not an object")
    return fields


def _is_argument(value: object) -> bool:
    """Tell whether it can be handed to a program; a surrogate, which JSON can spell, has no bytes in UTF-8."""
    return isinstance(value, str) and not _UNUSABLE.search(value)


def _list(document: dict[str, Any], key: str, what: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise ImageError(f"the {what} has no list {key}")
    return value
