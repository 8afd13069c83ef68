# SPDX-License-Identifier: Apache-2.0
"""The store as it lies, read by the tools of others: docs/image-store.md says what they can do with it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from imagetools import ARCHITECTURE, busybox_layer, entry, make_busybox_image, make_index, make_layout
from podwright.images import platform
from podwright.images.formats.source import LayoutSource
from podwright.images.store import ImageStore
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
from podwright.images.upkeep.verify import verify
from storetools import PODINIT, import_layout
from treewalk import snapshot

OTHER = {"amd64": "arm64", "arm64": "amd64"}[ARCHITECTURE]
HEX = "0123456789abcdef" * 4


@pytest.fixture
def store(tmp_path):
    return ImageStore(str(tmp_path / "root"), podinit=PODINIT)


def nothing_used():
    return Used({}, {})


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def inspected(store, name):
    done = run("skopeo", "inspect", f"oci:{store.layout.root}:{name}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def unpacked(store, name, folder):
    done = run("umoci", "unpack", "--image", f"{store.layout.root}:{name}", folder)
    assert done.returncode == 0, done.stderr
    return Path(folder) / "rootfs"


@pytest.mark.parametrize(
    "reference",
    [
        "demo",
        "demo:v1.2-rc.3_x",
        "127.0.0.1:5000/team/demo:1",
        "registry.example.com/a/b/c_d/e--f:1",
        f"docker.io/library/demo@sha256:{HEX}",
        f"docker.io/library/demo:1@sha256:{HEX}",
    ],
)
def test_usual_names_are_theirs_too(store, tmp_path, reference):
    import_layout(store, make_layout(tmp_path / "layout", [busybox_layer(), [entry("top", "x")]]), reference)
    (image,) = store.list()
    found = inspected(store, image.reference)
    assert found["Digest"] == image.manifest.digest
    assert found["Architecture"] == ARCHITECTURE
    rootfs = unpacked(store, image.reference, tmp_path / "bundle")
    assert snapshot(rootfs / "bin", times=False) == snapshot(f"{store.layer_dirs(image)[1]}/bin", times=False)
    assert (rootfs / "top").read_text() == "x"
    assert run("umoci", "ls", "--layout", store.layout.root).stdout == f"{image.reference}\n"


@pytest.mark.parametrize("reference", ["docker.io/library/a__b:1", "docker.io/library/demo:v1.-2", "[::1]:5000/demo:1"])
def test_the_few_names_that_annotations_do_not_allow_are_read_by_digest(store, tmp_path, reference):
    """They have two separators together, or brackets: OCI's annotations.md has no such names, and the tools neither."""
    image = import_layout(store, make_busybox_image(tmp_path / "layout"), reference)
    for command in (
        ["skopeo", "inspect", f"oci:{store.layout.root}:{reference}"],
        ["umoci", "unpack", "--image", f"{store.layout.root}:{reference}", tmp_path / "refused"],
    ):
        assert run(*command).returncode == 1
    second = f"localhost/by-digest@{image.digest}"
    store.take(LayoutSource(store.layout.root, reference), second)
    assert inspected(store, second)["Digest"] == image.manifest.digest
    assert (unpacked(store, second, tmp_path / "bundle") / "bin/busybox").exists()
    assert verify(store, nothing_used) == ([], 2, 3, 1, [])


def test_a_name_with_two_platforms(store, tmp_path):
    """Skopeo takes the first of them, which is the one that was pulled first; umoci has no notion of platforms."""
    layout = make_index(tmp_path / "layout", [(OTHER, "theirs"), (ARCHITECTURE, "ours")])
    import_layout(store, layout, "demo")
    store.take(LayoutSource(layout, ""), "demo", platform=platform.parse(f"linux/{OTHER}"))
    assert [image.platform for image in store.list()] == sorted(f"linux/{each}" for each in (OTHER, ARCHITECTURE))
    assert inspected(store, "docker.io/library/demo:latest")["Architecture"] == ARCHITECTURE
    done = run("umoci", "unpack", "--image", f"{store.layout.root}:docker.io/library/demo:latest", tmp_path / "bundle")
    assert "tag is ambiguous" in done.stderr
    assert verify(store, nothing_used) == ([], 1, 6, 2, [])


def test_a_store_after_its_upkeep_is_valid_still(store, tmp_path):
    import_layout(store, make_layout(tmp_path / "1", [busybox_layer(), [entry("a", "1")]]), "one")
    import_layout(store, make_layout(tmp_path / "2", [busybox_layer(), [entry("a", "2")]]), "two")
    store.remove("one")
    prune(store, nothing_used)
    inspected(store, "docker.io/library/two:latest")
    assert (unpacked(store, "docker.io/library/two:latest", tmp_path / "bundle") / "a").read_text() == "2"


def test_what_others_collect_as_garbage_is_garbage_to_us(store, tmp_path):
    import_layout(store, make_layout(tmp_path / "1", [busybox_layer(), [entry("a", "1")]]), "one")
    import_layout(store, make_layout(tmp_path / "2", [busybox_layer(), [entry("a", "2")]]), "two")
    store.remove("one")
    planned = prune(store, nothing_used, dry_run=True)
    before = set(os.listdir(f"{store.layout.root}/blobs/sha256"))
    assert run("umoci", "gc", "--layout", store.layout.root).returncode == 0
    gone = before - set(os.listdir(f"{store.layout.root}/blobs/sha256"))
    assert sorted(f"sha256:{name}" for name in gone) == planned.blobs
    assert verify(store, nothing_used).damages == []
    assert prune(store, nothing_used).layers == planned.layers


def test_what_skopeo_copies_into_the_store_is_kept(store, tmp_path):
    """It is an image like another, whose layers are unpacked when they are needed."""
    import_layout(store, make_layout(tmp_path / "1", [[entry("a", "1")]]), "one")
    theirs = make_layout(tmp_path / "2", [[entry("a", "2")]])
    name = "docker.io/library/two:latest"
    assert run("skopeo", "copy", f"oci:{theirs}:latest", f"oci:{store.layout.root}:{name}").returncode == 0
    assert prune(store, nothing_used).blobs == []
    assert verify(store, nothing_used) == ([], 2, 6, 1, [])
    (folder,) = store.layer_dirs(store.get(name))
    assert (Path(folder) / "a").read_text() == "2"
