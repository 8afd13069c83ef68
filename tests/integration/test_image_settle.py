# SPDX-License-Identifier: Apache-2.0
"""Layers reach the disk after a pull has ended; one that the power may have been taken from is unpacked again."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from imagetools import busybox_layer, digest, entry, make_layout, make_tar
from podtools import eventually
from podwright.images import layers
from podwright.images.layers import UNSETTLED
from podwright.images.store import ImageStore
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
from podwright.images.upkeep.verify import verify
from podwright.runtime import PODINIT
from storetools import import_layout, is_settled, take_layout

LAYER = [entry("folder", kind="dir"), entry("folder/file", "content" * 1000)]
BOOT = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
OTHER_BOOT = b"00000000-0000-4000-8000-000000000000"


@pytest.fixture
def layout(tmp_path):
    return make_layout(tmp_path / "layout", [busybox_layer(), LAYER], {"Cmd": ["sh"]})


@pytest.fixture
def store(tmp_path):
    return ImageStore(str(tmp_path / "root"), podinit=PODINIT)


@pytest.fixture
def top(store):
    """The folder of the image's topmost layer."""
    return Path(store.layers.path(digest(make_tar(LAYER))))


@pytest.fixture
def unsettled(monkeypatch):
    """Nothing brings layers to the disk, as if it had been killed."""
    monkeypatch.setattr(layers.Layers, "settle", lambda _self, _diff_ids: None)


def mark(folder):
    try:
        return os.getxattr(folder, UNSETTLED)
    except OSError:
        return None


def lose_power(folder):
    """What a file system may make of a new layer: its names are there, and content is not."""
    (folder / "folder/file").write_bytes(b"")
    os.setxattr(folder, UNSETTLED, OTHER_BOOT)


@pytest.fixture
def image(store, layout):
    """It was settled."""
    return import_layout(store, layout, "demo")


def test_layers_are_settled_soon_after_they_came(store, layout):
    folders = store.layer_dirs(take_layout(store, layout, "demo"))
    eventually(lambda: all(map(is_settled, folders)), "the layers to be settled")
    assert not any(map(mark, folders))


def test_a_new_layer_is_marked_and_used(store, layout, top, unsettled):
    image = take_layout(store, layout, "demo")
    assert mark(top) == BOOT
    inode = top.stat().st_ino
    assert store.layer_dirs(image)[0] == str(top)
    assert top.stat().st_ino == inode
    assert verify(store, lambda: Used({}, {})).damages == []


def test_what_a_dead_process_left_unsettled_the_next_one_settles(store, layout, top, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(layers.Layers, "settle", lambda _self, _diff_ids: None)
        take_layout(store, layout, "demo")
    take_layout(store, layout, "second")
    eventually(lambda: mark(top) is None, "the layer to be settled")


def test_a_layer_that_was_not_on_the_disk_when_the_power_went_is_unpacked_again(store, image, top):
    lose_power(top)
    image = store.get("demo")
    assert image, "its blobs are there"
    assert store.layer_dirs(image)[0] == str(top)
    assert (top / "folder/file").read_text() == "content" * 1000
    eventually(lambda: mark(top) is None, "the layer to be settled")
    assert verify(store, lambda: Used({}, {})).damages == []


def test_without_its_blob_it_is_missing(store, image, top):
    lose_power(top)
    manifest = json.loads(store.layout.read(image.manifest.digest))
    Path(store.layout.blob_path(manifest["layers"][-1]["digest"])).unlink()
    assert store.get("demo") is None


def test_a_pull_makes_it_anew(store, layout, image, top):
    lose_power(top)
    take_layout(store, layout, "demo")
    assert (top / "folder/file").read_text() == "content" * 1000


def test_a_layer_that_nobody_needs_any_more_is_pruned_all_the_same(store, image, top):
    lose_power(top)
    store.remove("demo")
    prune(store, lambda: Used({}, {}))
    assert not top.exists()


# ---- the program ----


def settle(*folders):
    return subprocess.run([PODINIT, "settle", *folders], capture_output=True, text=True, check=False)


def test_the_program_takes_the_marks_of_those_that_are_there(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        os.setxattr(folder, UNSETTLED, BOOT)
    ended = settle(one, tmp_path / "gone", two)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (mark(one), mark(two)) == (None, None), "its output closes when all is done"


def test_the_program_has_nothing_to_do_when_all_are_gone(tmp_path):
    assert settle(tmp_path / "gone").returncode == 0


def test_the_program_takes_folders_alone(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        ended = settle(tmp_path / name)
        assert (ended.returncode, "cannot open" in ended.stderr) == (1, True)
    assert settle().returncode == 2
