# SPDX-License-Identifier: Apache-2.0
"""The JSON documents of an image: descriptors, indexes, manifests and configurations, OCI's and Docker's (schema 2).

They come from the network, so nothing in them is believed before it was checked. The specifications are the OCI image
specification's descriptor.md, image-index.md, manifest.md and config.md.
"""

import hashlib
import json
import os
import re
from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.images.reference import is_digest

MAX_DOCUMENT = 4 << 20  # bytes, of a manifest, an index or a configuration; registries allow as much
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
)
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Descriptor(NamedTuple):
    """What a document says about another blob."""

    media_type: str
    digest: str
    size: int


class Manifest(NamedTuple):
    """One platform's image."""

    config: Descriptor
    layers: list[Descriptor]

    @property
    def size(self) -> int:
        """Bytes of the configuration and the compressed layers."""
        return self.config.size + sum(layer.size for layer in self.layers)


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of data, as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def architecture() -> str:
    """Return this machine's architecture by the name that images use."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


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
    if type(size) is not int or size < 0:
        raise ImageError(f"the {what} has the size {size!r}, which is not a number of bytes")
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
    """Check an image manifest: every layer must be one that this program can unpack."""
    document = parse_object(data, "manifest")
    if document.get("mediaType", OCI_MANIFEST) not in MANIFESTS:
        raise ImageError(f"its manifest is of the unknown type {document['mediaType']!r}")
    config = parse_descriptor(document.get("config"), "manifest's configuration")
    if config.media_type not in CONFIGS:
        raise ImageError(f"it is no container image but an artifact of type {config.media_type}")
    if config.size > MAX_DOCUMENT:
        raise ImageError(f"its configuration of {config.size} bytes is over the limit of {MAX_DOCUMENT}")
    layers = [parse_descriptor(item, "manifest's layer") for item in _list(document, "layers", "manifest")]
    for layer in layers:
        if layer.media_type not in LAYERS:
            raise ImageError(f"its layer {layer.digest} is of the type {layer.media_type}, which cannot be unpacked")
    if len(layers) > MAX_LAYERS:
        raise ImageError(f"it has {len(layers)} layers, more than {MAX_LAYERS}")
    return Manifest(config, layers)


def choose_platform(data: bytes) -> Descriptor:
    """Return the manifest that an index has for this machine (Linux, and its architecture)."""
    wanted = architecture()
    found: list[str] = []
    for item in _list(parse_object(data, "index"), "manifests", "index"):
        descriptor = parse_descriptor(item, "index's manifest")
        platform = item.get("platform")
        if not isinstance(platform, dict) or descriptor.media_type not in MANIFESTS:
            continue
        if platform.get("os") == "linux" and platform.get("architecture") == wanted:
            return descriptor
        found.append(f"{platform.get('os')}/{platform.get('architecture')}")
    offered = ", ".join(sorted(set(found) - {"unknown/unknown"})) or "none"
    raise ImageError(f"it has no manifest for linux/{wanted} (there are: {offered})")


def parse_config(data: bytes, layers: int) -> dict[str, Any]:
    """Check an image configuration (config.md) against its manifest's number of layers, and return it whole.

    What a container is started from is under its key ``config``; that one is always a dictionary, and its fields
    have the types that config.md gives them, or are absent.
    """
    document = parse_object(data, "image configuration")
    platform = (document.get("os"), document.get("architecture"))
    if platform != ("linux", architecture()):
        raise ImageError(f"it is for {platform[0]}/{platform[1]}, and this machine is linux/{architecture()}")
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(isinstance(item, str) and is_digest(item) for item in diff_ids):
        raise ImageError("its configuration has no valid rootfs.diff_ids")
    if len(diff_ids) != layers:
        raise ImageError(f"its configuration has {len(diff_ids)} diff_ids for {layers} layers")
    document["config"] = _execution(document.get("config"))
    return document


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
