# SPDX-License-Identifier: Apache-2.0
"""Images that must not come in: what a registry or a layer that lies is told, and what stays."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagetools import (
    ARCHITECTURE,
    CONFIG_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    compressed,
    digest,
    entry,
    make_busybox_image,
    make_layout,
    make_tar,
    push,
    put_blob,
    write_index,
)
from lies import Gate, status
from lying_registry import LyingRegistry
from podtools import eventually
from podwright.errors import HostError, ImageError
from podwright.images import layers
from podwright.images.store import ImageStore
from storetools import PODINIT, content, import_layout, refused

# ---- what is wrong ----


def test_an_image_that_does_not_exist(store, place, tmp_path):
    assert refused(store, tmp_path, f"{place}:1").startswith(
        f"image {place}:1: {place.partition(chr(47))[0]} has no such manifest"
    )
    with pytest.raises(ImageError, match="no such manifest"):
        store.resolve(f"{place}:1")


def test_no_registry_there(store, tmp_path):
    refused(store, tmp_path, "127.0.0.1:1/x:1", "cannot reach 127.0.0.1:1: Connection refused")
    refused(store, tmp_path, "nowhere.invalid/x:1", "cannot reach nowhere.invalid")


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("wrong-bytes", "came with other content: its digest is sha256:"),
        ("wrong-size", "bytes, and must have"),
        ("truncated", "the connection to 127.0.0.1"),
    ],
)
def test_a_registry_that_lies_about_a_blob(store, tmp_path, lie, reason):
    with LyingRegistry(make_busybox_image(tmp_path / "layout"), lie) as registry:
        refused(store, tmp_path, registry.reference, reason)


def test_a_registry_that_lies_about_the_configuration_or_a_manifest(store, tmp_path):
    with LyingRegistry(make_busybox_image(tmp_path / "layout")) as registry:
        media_type, honest = registry.manifests["image/1"]
        config = json.loads(honest)["config"]["digest"]
        registry.blobs[config] = b"{}"
        refused(store, tmp_path, registry.reference, f"the blob {config} comes with 2 bytes, and must have")
        pinned = registry.reference.removesuffix(":1") + f"@{digest(honest)}"
        registry.manifests[f"image/{digest(honest)}"] = (media_type, honest + b" ")
        refused(store, tmp_path, pinned, "sent a manifest whose digest is")
        registry.manifests["image/1"] = (media_type, b" " * (5 << 20))
        refused(store, tmp_path, registry.reference, "more than 4194304 bytes")


def test_a_layer_that_is_not_the_one_of_its_diff_id(store, tmp_path):
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    blob = put_blob(layout, make_tar([entry("a", "x")]), LAYER_TYPE)
    image = {"os": "linux", "architecture": ARCHITECTURE, "rootfs": {"diff_ids": [digest(b"other")]}}
    config = put_blob(layout, json.dumps(image).encode(), CONFIG_TYPE)
    manifest = {"schemaVersion": 2, "config": config, "layers": [blob]}
    write_index(layout, [put_blob(layout, json.dumps(manifest).encode(), MANIFEST_TYPE)])
    with LyingRegistry() as registry:
        registry.add_layout(layout, "image", "1")
        refused(store, tmp_path, registry.reference, f"its layer {digest(b'other')} has other content")


def test_a_registry_that_fails_for_a_while(store, tmp_path):
    with LyingRegistry(make_busybox_image(tmp_path / "layout")) as registry:
        registry.lie("", status(503), times=2)
        assert store.pull(registry.reference).reference == registry.reference
        registry.lie("", status(503))
        with pytest.raises(ImageError, match="HTTP status 503"):
            store.resolve(registry.reference)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([entry("../../etc/x", "x")], '../../etc/x: its path has a ".." component'),
        ([entry("link", symlink="/etc"), entry("link/x", "x")], "link/x: its path goes through a symbolic link"),
        ([entry("hard", hardlink="../../etc/passwd")], "hard: its hard link target ../../etc/passwd has a"),
        ([entry("/".join("d" * 2000)), entry("../x")], '../x: its path has a ".." component'),
    ],
)
def test_a_hostile_layer(store, place, tmp_path, entries, reason):
    push(make_layout(tmp_path / "layout", [entries]), f"{place}:1")
    refused(store, tmp_path, f"{place}:1", "cannot be unpacked", reason)
    assert not Path("/etc/x").exists()


def test_a_bad_layer_leaves_the_good_ones_for_the_next_pull(store, tmp_path):
    good = [entry("a", "x")]
    with LyingRegistry() as registry, ThreadPoolExecutor() as threads:
        manifest = registry.add_layout(make_layout(tmp_path / "layout", [good, [entry("../x")]]), "image", "1")
        gate = Gate(10)
        registry.lie(manifest["layers"][1]["digest"], gate)
        pull = threads.submit(store.pull, registry.reference)
        first = digest(make_tar(good)).removeprefix("sha256:")
        eventually(lambda: first in content(tmp_path)["layers"], "the good layer")
        gate.open()
        with pytest.raises(ImageError, match="its path has a"):
            pull.result()
    left = content(tmp_path)
    assert left["layers"] == [first]
    assert (len(left["blobs"]), left["ingest"], left["images"]) == (2, [], [])


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (compressed(make_tar([entry("a", "x" * 9999)]), "gzip")[:-9], "its gzip stream is truncated"),
        (b"\x1f\x8bnonsense", "its gzip stream is damaged"),
        (b"\x28\xb5\x2f\xfd\xff\xff", "its layer"),
        (b"not a tar at all", "the archive is truncated"),
    ],
)
def test_a_layer_that_is_no_layer(store, tmp_path, blob, reason):
    with LyingRegistry() as registry:
        manifest = registry.add_layout(make_busybox_image(tmp_path / "layout"), "image", "1")
        manifest["layers"][0] |= {"digest": digest(blob), "size": len(blob)}
        registry.blobs[digest(blob)] = blob
        registry.manifests["image/1"] = (MANIFEST_TYPE, json.dumps(manifest).encode())
        refused(store, tmp_path, registry.reference, reason)


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_a_bomb_is_stopped(store, tmp_path, monkeypatch, compress):
    monkeypatch.setattr(layers, "ALWAYS_ALLOWED", 1 << 20)
    layout = make_layout(tmp_path / "layout", [[entry("zeros", bytes(64 << 20))]], compress=compress)
    with LyingRegistry(layout) as registry:
        refused(store, tmp_path, registry.reference, "unpacks to more than")


def test_a_program_that_does_not_run(tmp_path):
    store = ImageStore(str(tmp_path / "root"), podinit=str(tmp_path / "none"))
    with pytest.raises(HostError, match=f"{tmp_path}/none: No such file or directory"):
        import_layout(store, make_busybox_image(tmp_path / "layout"), "demo")
    assert content(tmp_path)["layers"] == []


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "root").write_text("a file")
    store = ImageStore(str(tmp_path / "root"), podinit=PODINIT)
    with pytest.raises(HostError, match="the store cannot be used"):
        import_layout(store, make_busybox_image(tmp_path / "layout"), "demo")
