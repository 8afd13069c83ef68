# SPDX-License-Identifier: Apache-2.0
"""Which blobs, layers and names go, and which stay."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from podwright.errors import ImageError
from podwright.images.documents import CONFIGS, LAYERS, OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from podwright.images.layout import NAME, Entry, Layout
from podwright.images.upkeep.contents import contents
from podwright.images.upkeep.garbage import garbage
from podwright.images.upkeep.inventory import Inventory
from podwright.images.upkeep.used import Used

NOTHING_USED = Used({}, {})
ONE, TWO = "docker.io/library/one:latest", "docker.io/library/two:latest"


@pytest.fixture
def layout(tmp_path):
    layout = Layout(str(tmp_path / "images"))
    layout.create()
    return layout


def put(layout, data, media_type):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    descriptor = Descriptor(media_type, digest_of(data), len(data))
    layout.add(descriptor, iter([data]))
    return descriptor


def described(descriptor):
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def put_image(layout, *layers, diff_ids=None):
    """Put an image of layers (texts) into a layout; returns the descriptors of its manifest and all it reaches."""
    blobs = [put(layout, text.encode(), LAYERS[0]) for text in layers]
    document = {"rootfs": {"diff_ids": [diff_id(text) for text in layers] if diff_ids is None else diff_ids}}
    config = put(layout, document, CONFIGS[0])
    manifest = {"schemaVersion": 2, "config": described(config), "layers": [described(blob) for blob in blobs]}
    return put(layout, manifest, OCI_MANIFEST), [config, *blobs]


def diff_id(text):
    return "sha256:" + hashlib.sha256(f"unpacked {text}".encode()).hexdigest()


def record(layout, manifest, name):
    layout.record(Entry(manifest, {NAME: name}))


def held(layout, *texts):
    blobs = [f"sha256:{name}" for name in os.listdir(f"{layout.root}/blobs/sha256")]
    return Inventory(sorted(blobs), sorted(map(diff_id, texts)), [], [])


def test_what_a_name_reaches(layout):
    manifest, below = put_image(layout, "base", "top")
    record(layout, manifest, ONE)
    (content,) = contents(layout)
    assert content.name == ONE
    assert set(content.blobs.values()) == {manifest, *below}
    assert content.layers == {diff_id("base"): below[1], diff_id("top"): below[2]}
    assert content.faults == []


def test_only_what_no_name_reaches_goes(layout):
    first, _ = put_image(layout, "base", "one")
    second, below = put_image(layout, "base", "two")
    record(layout, first, ONE)
    chosen = garbage(contents(layout), held(layout, "base", "one", "two", "three"), NOTHING_USED, images=False)
    assert chosen.images == []
    assert set(chosen.blobs) == {second.digest, below[0].digest, below[2].digest}
    assert set(chosen.layers) == {diff_id("two"), diff_id("three")}


def test_a_layer_that_something_lies_on_stays_without_a_name(layout):
    put_image(layout, "base")
    used = Used({}, {diff_id("base"): ["pod default/web"]})
    chosen = garbage(contents(layout), held(layout, "base", "other"), used, images=False)
    assert len(chosen.blobs) == 3
    assert chosen.layers == [diff_id("other")]


def test_all_forgets_what_nobody_uses_and_keeps_what_the_rest_shares(layout):
    first, _ = put_image(layout, "base", "one")
    second, below = put_image(layout, "base", "two")
    record(layout, first, ONE)
    record(layout, second, TWO)
    used = Used({ONE: ["pod default/web"]}, {})
    chosen = garbage(contents(layout), held(layout, "base", "one", "two"), used, images=True)
    assert chosen.images == [TWO]
    assert set(chosen.blobs) == {second.digest, below[0].digest, below[2].digest}
    assert chosen.layers == [diff_id("two")]
    assert garbage(contents(layout), held(layout), used, images=False) == ([], [], [])


def test_an_index_of_another_tool_keeps_the_platforms_that_are_there(layout):
    manifest, _ = put_image(layout, "base")
    absent = Descriptor(OCI_MANIFEST, digest_of(b"s390x"), 5)
    index = {"schemaVersion": 2, "manifests": [described(manifest), described(absent)]}
    top = put(layout, index, OCI_INDEX)
    layout.record(Entry(top, {NAME: "theirs"}))
    document = json.loads(Path(layout.root, "index.json").read_text())
    del document["manifests"][0]["annotations"]
    Path(layout.root, "index.json").write_text(json.dumps(document))
    (content,) = contents(layout)
    assert content.name == top.digest
    assert len(content.blobs) == 4
    assert list(content.layers) == [diff_id("base")]
    assert content.faults == []
    assert garbage([content], held(layout, "base"), NOTHING_USED, images=True) == ([], [], [])


def test_an_image_that_contradicts_itself_is_told(layout):
    manifest, _ = put_image(layout, "base", "top", diff_ids=[diff_id("base")])
    record(layout, manifest, ONE)
    (content,) = contents(layout)
    assert content.faults == ["its configuration has 1 diff_ids for 2 layers"]
    assert len(content.blobs) == 4


def test_a_damaged_index_says_nothing_about_what_is_unused(layout):
    Path(layout.root, "index.json").write_text("{")
    with pytest.raises(ImageError, match="restore it, or remove it and pull or import the images again"):
        contents(layout)
