# SPDX-License-Identifier: Apache-2.0
"""What tests of sources and destinations share: an image that says something, and copying it."""

import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from imagetools import busybox_layer, entry, make_layout
from podwright.images.documents import Descriptor
from podwright.images.formats.destination import copy_out, open_destination
from podwright.images.formats.source import Source, open_source
from podwright.images.layout import Layout
from podwright.images.progress import Silent
from podwright.images.store import Image, ImageStore
from storetools import read

CONFIG: dict[str, Any] = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh", "-c", "cat /said"]}


def make_said_image(path: Path) -> str:
    """Make an OCI layout of an image of five layers, one of which comes twice; it says ``upper`` when it runs."""
    twice = [entry("twice", "x")]
    layers = [busybox_layer(), twice, [entry("said", "lower\n")], twice, [entry("said", "upper\n"), entry(".wh.twice")]]
    return make_layout(path, layers, CONFIG)


def said(store: ImageStore, image: Image) -> str:
    """What the image would say."""
    return read(store, image, "said")


def run(*words: object) -> str:
    """Run a program that must succeed, and return what it printed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def take(store: ImageStore, text: str, name: str = "demo") -> Image:
    """Take an image into the store from where the text says."""
    return store.take(open_source(text), name)


def top_of(layout: Path | str) -> Descriptor:
    """The descriptor of a layout's only manifest."""
    (found,) = Layout(str(layout)).entries()
    return found.descriptor


def copy(layout: Path | str, text: str, **options: Any) -> str:
    """Copy a layout's only image to where the text says."""
    with closing(open_destination(text, **options)) as destination:
        return copy_out(Layout(str(layout)), top_of(layout), destination, Silent())


def blobs(source: Source) -> dict[str, bytes]:
    """All blobs of an image without an index, by digest."""
    with closing(source):
        top = json.loads(source.top())
        found = {}
        for item in (top["config"], *top["layers"]):
            descriptor = Descriptor(item["mediaType"], item["digest"], item["size"])
            found[descriptor.digest] = b"".join(source.blob(descriptor))
            assert b"".join(source.blob(descriptor, 100)) == found[descriptor.digest][100:]
    return found


def image_id(layout: Path | str) -> str:
    """The digest of an image's configuration, which is its ID at Docker and podman."""
    manifest = json.loads(Path(Layout(str(layout)).blob_path(top_of(layout).digest)).read_bytes())
    return str(manifest["config"]["digest"])
