# SPDX-License-Identifier: Apache-2.0
"""The image that the benchmark pulls: the two large layers of tests/integration/debian_image.py, and two plain ones.

That image's others hold what seldom occurs in a layer, and podman 4.3 cannot unpack one of them.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/integration"), str(ROOT / "tools")]
import debian_image  # noqa: E402 - tests/ is no package
from imagetools import (  # noqa: E402 - tests/ is no package
    CONFIG_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    compressed,
    digest,
    entry,
    make_tar,
    put_blob,
    write_index,
)
from recipes import cached  # noqa: E402 - tools/ is no package

NAME = "latest"
"""The image's name within its layout."""
LARGE = 2
SMALL = (
    [entry("usr/share/.wh.man"), entry("usr/share/doc/perl/.wh.copyright")],
    [entry("etc/motd", "Welcome.\n"), entry("srv/data", kind="dir"), entry("srv/data/numbers", "0123456789\n" * 99999)],
)


def pull_image() -> Path:
    """Return the directory of the OCI layout; the image in it is named NAME."""
    return cached("pull-image", [Path(debian_image.__file__), Path(__file__).resolve()], _build) / "layout"


def _build(_work: Path, result: Path) -> None:
    source, layout = debian_image.debian_image(), result / "layout"
    (layout / "blobs/sha256").mkdir(parents=True)
    manifest = _document(source, json.loads((source / "index.json").read_text())["manifests"][0])
    config = _document(source, manifest["config"])
    layers = manifest["layers"][:LARGE]
    for layer in layers:
        _blob(layout, layer).hardlink_to(_blob(source, layer))
    tars = [make_tar(entries) for entries in SMALL]
    layers += [put_blob(layout, compressed(tar, "gzip"), f"{LAYER_TYPE}+gzip") for tar in tars]
    diff_ids = [*config["rootfs"]["diff_ids"][:LARGE], *map(digest, tars)]
    config = {key: config[key] for key in ("architecture", "os", "config")}
    config |= {"rootfs": {"type": "layers", "diff_ids": diff_ids}}
    described = put_blob(layout, json.dumps(config).encode(), CONFIG_TYPE)
    whole = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": described, "layers": layers}
    top = put_blob(layout, json.dumps(whole).encode(), MANIFEST_TYPE)
    write_index(layout, [top | {"annotations": {"org.opencontainers.image.ref.name": NAME}}])


def _blob(layout: Path, descriptor: dict[str, Any]) -> Path:
    return layout / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")


def _document(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_blob(layout, descriptor).read_bytes())
    return document
