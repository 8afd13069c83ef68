# SPDX-License-Identifier: Apache-2.0
"""An image as the store has it: what its index, its manifest and its configuration say together."""

from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.images import platform as platforms
from podwright.images.documents import Descriptor, Manifest, parse_config, parse_manifest, parse_module_config
from podwright.images.layers import Layers
from podwright.images.layout import NAME, SOURCE, Entry, Layout
from podwright.images.platform import Platform

_MODULE = Platform("wasi", "wasm")  # of an artifact that does not say


class Image(NamedTuple):
    """An image in the store."""

    reference: str
    """The full reference: ``docker.io/library/busybox:latest``."""
    digest: str
    """What the reference stands for at its registry: compare it with ``ImageStore.resolve()``."""
    config: dict[str, Any]
    """The whole OCI image configuration (config.md); Env, Cmd and so on are in its ``config``, never None."""
    diff_ids: list[str]
    """Of the layers, bottom first; none when there is a module."""
    size: int
    """Bytes of the configuration and the compressed layers, or the module."""
    manifest: Descriptor
    """The manifest: ``digest`` is its digest too, unless the reference stands for an index."""
    platform: str
    """What it runs on: ``linux/amd64``."""
    module: Descriptor | None
    """The WebAssembly module that the image is, when it is no file system."""


def read_config(data: bytes, manifest: Manifest, platform: Platform | None) -> dict[str, Any]:
    """Check the configuration that belongs to a manifest; ``platform`` None is this machine, or WebAssembly."""
    if manifest.module:
        return parse_module_config(data, platform)
    return parse_config(data, len(manifest.layers), platform)


def platform_of(config: dict[str, Any], wanted: Platform | None) -> Platform:
    """Return what a configuration that was checked is for.

    One for arm may not say for which variant; it came when ``wanted`` was asked for, so it is for that.
    """
    found = platforms.of(config) or _MODULE
    asked = wanted or platforms.host()
    return asked if not config.get("variant") and found[:2] == asked[:2] else found


def describe(entry: Entry, manifest: Manifest, config: dict[str, Any]) -> Image:
    """Put together what the store knows of an image."""
    return Image(
        reference=entry.annotations[NAME],
        digest=entry.annotations.get(SOURCE, entry.descriptor.digest),
        config=config,
        diff_ids=config["rootfs"]["diff_ids"],
        size=manifest.size,
        manifest=entry.descriptor,
        platform=str(entry.platform or platform_of(config, None)),
        module=manifest.module,
    )


def load(layout: Layout, layers: Layers, entry: Entry) -> Image | None:
    """Read an image; None when a part of it is missing, damaged, or nothing that this program understands."""
    data = layout.read(entry.descriptor.digest)
    try:
        manifest = parse_manifest(data) if data else None
        raw_config = layout.read(manifest.config.digest) if manifest else None
        if not manifest or not raw_config:
            return None
        config = read_config(raw_config, manifest, entry.platform)
    except ImageError:
        return None
    if manifest.module and not layout.has(manifest.module):
        return None
    for layer, diff_id in zip(manifest.layers, config["rootfs"]["diff_ids"], strict=True):
        if not layers.has(diff_id) and not layout.has(layer):
            return None
    return describe(entry, manifest, config)
