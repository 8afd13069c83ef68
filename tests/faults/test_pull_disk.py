# SPDX-License-Identifier: Apache-2.0
"""A pull to a disk that is too small: one error that says how much is missing, and a store that works on."""

import contextlib
import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from imagetools import busybox_layer, entry, make_layout
from lies import Gate
from lying_registry import LyingRegistry
from pulls import Ended, Store, disk

SIZE = 64 << 20  # bytes


@pytest.fixture
def store(tmp_path):
    with disk(tmp_path / "disk", f"size={SIZE}") as store:
        yield store


@pytest.fixture
def registry(tmp_path):
    """It has a small image besides the one that a test makes."""
    with LyingRegistry() as registry:
        registry.add_layout(make_layout(tmp_path / "small", [busybox_layer()]), "small", "1")
        yield registry


def serve(registry: LyingRegistry, layout: str) -> int:
    """Serve an image and return its size."""
    manifest = registry.add_layout(layout, "image", "1")
    return sum(item["size"] for item in (manifest["config"], *manifest["layers"]))


def free(store: Store) -> int:
    found = os.statvfs(store.root.parent)
    return found.f_bavail * found.f_frsize


def fill(path: Path) -> None:
    """Take all the space there is, to the last page."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def numbers(ended: Ended) -> list[int]:
    """The numbers of bytes that an error speaks of."""
    return [int(number) for number in re.findall(r"(\d+) bytes", ended.error)]


def still_works(store: Store, registry: LyingRegistry) -> None:
    store.check()
    store.pull(f"{registry.address}/small:1").well()
    assert store.images() == [f"{registry.address}/small:1"]


def test_an_image_that_is_too_big_is_refused_before_its_layers_are_fetched(store: Store, registry, tmp_path):
    noise = random.Random(1).randbytes(SIZE * 5 // 8)
    layout = make_layout(tmp_path / "layout", [[entry("a", noise)], [entry("b", noise)]], compress="none")
    size = serve(registry, layout)
    ended = store.pull(registry.reference).refused("needs", "available", kind="HostError")
    needed, available = numbers(ended)
    assert needed >= size
    assert SIZE * 9 // 10 < available <= SIZE
    layers = json.loads(registry.manifests["image/1"][1])["layers"]
    assert [layer for layer in layers if registry.asked(layer["digest"])] == []
    assert store.unfinished() == {}
    assert SIZE - free(store) < 1 << 20
    still_works(store, registry)


def test_an_image_of_which_a_part_is_there_needs_less(store: Store, registry, tmp_path):
    noise = random.Random(1).randbytes(SIZE // 8)
    base, top = [entry("a", noise)], [entry("b", noise[::-1])]
    serve(registry, make_layout(tmp_path / "base", [base]))
    store.pull(registry.reference).well()
    serve(registry, make_layout(tmp_path / "both", [base, top]))
    store.pull(registry.reference).well()


def test_layers_that_unpack_to_more_than_there_is_space(store: Store, registry, tmp_path):
    """Nobody can know it beforehand: the space ends in the middle of the unpacking."""
    text = b"".join(b"%08d is a line of text that compresses well\n" % number for number in range(2 << 20))
    assert len(text) > SIZE
    serve(registry, make_layout(tmp_path / "layout", [[entry("first", "x")], [entry("text", text)]]))
    ended = store.pull(registry.reference).refused("needs", "available", kind="HostError")
    assert len(numbers(ended)) == 2
    assert [name for name in os.listdir(store.root / "layers") if name.startswith(".tmp")] == []
    still_works(store, registry)


def test_space_that_ends_while_a_layer_comes(store: Store, registry, tmp_path):
    """Somebody else takes it: what has come so far stays for the next pull, which finds space."""
    noise = random.Random(1).randbytes(SIZE // 4)
    serve(registry, make_layout(tmp_path / "layout", [[entry("a", noise)]]))
    blob = json.loads(registry.manifests["image/1"][1])["layers"][0]
    other = store.root.parent / "other"
    gate = Gate(blob["size"] // 2)
    registry.lie(blob["digest"], gate)
    pull = store.start(registry.reference).go()
    assert gate.reached.wait(60)
    fill(other)
    gate.open()
    pull.ended().refused("available", kind="HostError")
    other.unlink()
    store.check()
    store.pull(registry.reference).well()


def test_a_disk_without_inodes(registry, tmp_path):
    serve(registry, make_layout(tmp_path / "layout", [[entry(f"{number}", "x") for number in range(2000)]]))
    with disk(tmp_path / "disk", f"size={SIZE},nr_inodes=1000") as store:
        store.pull(registry.reference).refused("inodes", kind="HostError")
        still_works(store, registry)


def test_a_disk_that_is_full_from_the_start(store: Store, registry, tmp_path):
    serve(registry, make_layout(tmp_path / "layout", [[entry("a", "x")]]))
    fill(store.root.parent / "other")
    store.pull(registry.reference).refused(kind="HostError")
    (store.root.parent / "other").unlink()
    still_works(store, registry)


def test_a_disk_that_is_read_only(store: Store, registry, tmp_path):
    serve(registry, make_layout(tmp_path / "layout", [[entry("a", "x")]]))
    subprocess.run(["mount", "-o", "remount,ro", store.root.parent], check=True)
    store.pull(registry.reference).refused("Read-only file system", kind="HostError")
    subprocess.run(["mount", "-o", "remount,rw", store.root.parent], check=True)
    still_works(store, registry)
