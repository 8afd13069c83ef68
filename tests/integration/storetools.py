# SPDX-License-Identifier: Apache-2.0
"""What tests of the image store share: its content, and the ways into it."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import podwright
from podtools import eventually
from podwright.errors import ImageError
from podwright.images.formats.source import LayoutSource, split_path
from podwright.images.layers import UNSETTLED
from podwright.images.store import Image, ImageStore

PODINIT = str(Path(podwright.__file__).parent / "_bin" / "podinit")
NOTHING: dict[str, list[str]] = {"layers": [], "images": []}
"""What a pull leaves of an image in which nothing is right but its configuration."""

PULL = """
import sys
from podwright.images.store import ImageStore
print(ImageStore(sys.argv[1], podinit=sys.argv[2]).pull(sys.argv[3]).digest)
"""


def content(tmp_path: Path) -> dict[str, list[Any]]:
    """What the store holds: names of blobs, of layers, of what is on its way, and of images."""
    images, layers = tmp_path / "root" / "images", tmp_path / "root" / "layers"
    index = images / "index.json"
    return {
        "blobs": _names(images / "blobs" / "sha256"),
        "ingest": _names(images / "ingest"),
        "layers": [name for name in _names(layers) if name != ".lock"],
        "images": json.loads(index.read_text())["manifests"] if index.exists() else [],
    }


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def read(store: ImageStore, image: Image, name: str) -> str:
    """Find a file in the topmost layer that has it."""
    return next(path.read_text() for path in (Path(d) / name for d in store.layer_dirs(image)) if path.exists())


def import_layout(store: ImageStore, path: Path | str, reference: str) -> Image:
    """Take an image from an OCI layout, and wait until its layers are on the disk."""
    image = take_layout(store, path, reference)
    for diff_id in image.diff_ids:
        eventually(partial(is_settled, store.layers.path(diff_id)), "the layers to be on the disk")
    return image


def take_layout(store: ImageStore, path: Path | str, reference: str) -> Image:
    """Take an image from an OCI layout: ``path`` is its folder, or ``folder:name``."""
    return store.take(LayoutSource(*split_path(str(path))), reference)


def is_settled(layer: str) -> bool:
    return not os.path.isdir(layer) or UNSETTLED not in os.listxattr(layer)


def refused(
    store: ImageStore, tmp_path: Path, reference: str, *words: str, left: dict[str, list[str]] = NOTHING
) -> str:
    """Pull, and return the error: it names the image, has all the words, and leaves no more in the store than told."""
    with pytest.raises(ImageError) as caught:
        store.pull(reference)
    message = str(caught.value)
    assert message.startswith(f"image {reference}: ")
    assert "\n" not in message
    for word in words:
        assert word in message
    assert {key: content(tmp_path)[key] for key in left} == left
    return message


def start_pull(tmp_path: Path, reference: str) -> subprocess.Popen[bytes]:
    """Pull in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PULL, tmp_path / "root", PODINIT, reference], stdout=subprocess.PIPE)
