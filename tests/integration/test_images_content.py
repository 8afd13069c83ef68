# SPDX-License-Identifier: Apache-2.0
"""What a pull makes of what is in the store already, and of images that are seldom seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagetools import ARCHITECTURE, MANIFEST_TYPE, digest, entry, make_busybox_image, make_index, make_layout
from lies import Gate
from lying_registry import LyingRegistry
from podtools import eventually
from podwright.errors import ImageError
from podwright.images.platform import parse
from storetools import PODINIT, PULL, content

# ---- what is there already ----


def ingest(tmp_path, digest):
    return tmp_path / "root" / "images" / "ingest" / digest.removeprefix("sha256:")


def blob_of(tmp_path, digest):
    return tmp_path / "root" / "images" / "blobs" / "sha256" / digest.removeprefix("sha256:")


def asked(registry, digest):
    return len(registry.asked(f"/blobs/{digest}"))


def test_what_came_of_a_blob_is_hashed_and_the_rest_is_fetched(store, tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("big", os.urandom(1 << 20))]])
    with LyingRegistry() as registry:
        (blob,) = registry.add_layout(layout, "image", "1")["layers"]
        whole = registry.blobs[blob["digest"]]
        for there in (b"", whole[:1000], whole[:-1], whole):
            path = ingest(tmp_path, blob["digest"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(there)
            image = store.pull(registry.reference)
            assert blob_of(tmp_path, blob["digest"]).read_bytes() == whole
            assert content(tmp_path)["ingest"] == []
            empty_store(tmp_path, store, image)


def empty_store(tmp_path, store, image):
    """Remove the layers, and the blobs that they came in."""
    for path in (*store.layer_dirs(image), *(tmp_path / "root/images/blobs/sha256").iterdir()):
        subprocess.run(["rm", "-rf", path], check=True)


@pytest.mark.parametrize("wrong", [b"?" * 1000, b"?" * (2 << 20)])
def test_what_came_and_was_wrong_is_thrown_away(store, tmp_path, wrong):
    layout = make_layout(tmp_path / "layout", [[entry("big", os.urandom(1 << 20))]])
    with LyingRegistry() as registry:
        (blob,) = registry.add_layout(layout, "image", "1")["layers"]
        path = ingest(tmp_path, blob["digest"])
        path.parent.mkdir(parents=True)
        path.write_bytes(wrong)
        store.pull(registry.reference)
        assert blob_of(tmp_path, blob["digest"]).read_bytes() == registry.blobs[blob["digest"]]
    assert content(tmp_path)["ingest"] == []


def test_a_missing_blob_is_fetched_and_its_layer_is_not_unpacked_again(store, tmp_path):
    with LyingRegistry(make_busybox_image(tmp_path / "layout")) as registry:
        image = store.pull(registry.reference)
        (layer,) = store.layer_dirs(image)
        before = os.stat(layer)
        (blob,) = json.loads(registry.manifests["image/1"][1])["layers"]
        blob_of(tmp_path, blob["digest"]).unlink()
        store.pull(registry.reference)
        assert blob_of(tmp_path, blob["digest"]).exists()
        assert os.stat(layer).st_ino == before.st_ino


def test_a_missing_layer_is_unpacked_from_its_blob(store, tmp_path):
    with LyingRegistry(make_busybox_image(tmp_path / "layout")) as registry:
        image = store.pull(registry.reference)
        (layer,) = store.layer_dirs(image)
        subprocess.run(["rm", "-rf", layer], check=True)
        store.pull(registry.reference)
        (blob,) = json.loads(registry.manifests["image/1"][1])["layers"]
        assert asked(registry, blob["digest"]) == 1
    assert os.listdir(f"{layer}/bin")


def test_a_damaged_blob_is_mended_by_a_pull_that_needs_it(store, tmp_path):
    with LyingRegistry(make_busybox_image(tmp_path / "layout")) as registry:
        image = store.pull(registry.reference)
        (blob,) = json.loads(registry.manifests["image/1"][1])["layers"]
        path = blob_of(tmp_path, blob["digest"])
        good = path.read_bytes()
        path.write_bytes(good[:500] + b"?" + good[501:])
        subprocess.run(["rm", "-rf", *store.layer_dirs(image)], check=True)
        store.pull(registry.reference)
        assert path.read_bytes() == good


# ---- images of unusual layers ----


def test_an_image_of_127_layers_some_of_them_empty_and_some_the_same(store, tmp_path):
    layers = [[] if number % 3 == 0 else [entry(f"{number % 40}", "x")] for number in range(127)]
    with LyingRegistry(make_layout(tmp_path / "layout", layers)) as registry:
        image = store.pull(registry.reference)
        blobs = {layer["digest"] for layer in json.loads(registry.manifests["image/1"][1])["layers"]}
        assert {asked(registry, blob) for blob in blobs} == {1}
    assert len(image.diff_ids) == 127
    assert len(store.layer_dirs(image)) == len(set(image.diff_ids)) == len(blobs) < 127


def test_one_layer_in_two_compressions_is_unpacked_once(store, tmp_path):
    for how in ("gzip", "zstd"):
        with LyingRegistry(make_layout(tmp_path / how, [[entry("a", "x")]], compress=how)) as registry:
            store.pull(registry.reference)
    assert len(content(tmp_path)["layers"]) == 1


def test_a_layer_that_fails_stops_one_that_stalls(store, tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("big", os.urandom(2 << 20))], [entry("../x")]])
    with LyingRegistry() as registry:
        big, bad = (layer["digest"] for layer in registry.add_layout(layout, "image", "1")["layers"])
        gate = Gate(1 << 20)
        registry.lie(big, gate)
        with pytest.raises(ImageError, match="cannot be unpacked"):
            store.pull(registry.reference)
        assert not ingest(tmp_path, bad).exists()
        gate.open()
        eventually(lambda: not [name for name in content(tmp_path)["layers"] if ".tmp" in name], "the other to end")
        assert ingest(tmp_path, big).stat().st_size


def test_memory_is_bounded(tmp_path):
    """A layer of 300 MB that compresses to nothing, and three others beside it."""
    layers = [[entry("zeros", bytes(300 << 20))], *[[entry(f"{name}", os.urandom(8 << 20))] for name in range(3)]]
    with LyingRegistry(make_layout(tmp_path / "layout", layers)) as registry:
        script = f"{PULL}\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        command = [
            sys.executable,
            "-c",
            f"import podwright.images.distribution.registry, podwright.images.fetch\n{script}",
        ]
        small = make_layout(tmp_path / "small", [[entry("a", "x")]])
        registry.add_layout(small, "small", "1")
        peaks = []
        for name in ("small", "image"):
            reference = f"{registry.address}/{name}:1"
            done = subprocess.run([*command, tmp_path / name, PODINIT, reference], capture_output=True, check=True)
            peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 64 << 10


# ---- WebAssembly ----


def test_a_module_is_kept_as_it_is(store, tmp_path):
    module = b"\0asm\1\0\0\0"
    with LyingRegistry() as registry:
        config = {"os": "wasip1", "architecture": "wasm", "rootfs": {"diff_ids": [digest(module)]}}
        described = [
            {"mediaType": kind, "digest": digest(data), "size": len(data)}
            for kind, data in (
                ("application/vnd.wasm.config.v0+json", json.dumps(config).encode()),
                ("application/wasm", module),
            )
        ]
        registry.blobs = {digest(module): module, described[0]["digest"]: json.dumps(config).encode()}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": described[0], "layers": described[1:]}
        registry.manifests["image/1"] = (MANIFEST_TYPE, json.dumps(manifest).encode())
        image = store.pull(registry.reference)
    assert (image.platform, image.diff_ids) == ("wasip1/wasm", [])
    assert Path(store.module_path(image)).read_bytes() == module
    assert content(tmp_path)["layers"] == []
    assert store.get(image.reference) == image
    with pytest.raises(ImageError, match="use runtimeClassName pod-wasm"):
        store.layer_dirs(image)
    Path(store.module_path(image)).unlink()
    assert store.get(image.reference) is None


# ---- platforms ----


def test_platforms_of_one_name_lie_beside_each_other(store, tmp_path):
    other = {"amd64": "arm64", "arm64": "amd64"}[ARCHITECTURE]
    with LyingRegistry() as registry:
        layout = make_index(tmp_path / "layout", [(other, "other"), (ARCHITECTURE, "ours")])
        registry.add_layout(layout, "image", "1")
        index = json.loads((tmp_path / "layout" / "index.json").read_text())["manifests"][0]["digest"]
        for item in json.loads(registry.blobs[index])["manifests"]:
            registry.manifests[f"image/{item['digest']}"] = (MANIFEST_TYPE, registry.blobs[item["digest"]])
        theirs = store.pull(registry.reference, platform=parse(f"linux/{other}"))
        assert store.get(registry.reference) is None
        ours = store.pull(registry.reference)
    assert (ours.platform, theirs.platform) == (f"linux/{ARCHITECTURE}", f"linux/{other}")
    assert ours.digest == theirs.digest
    assert store.get(registry.reference) == ours
    assert store.get(registry.reference, parse(f"linux/{other}")) == theirs
    assert len(store.list()) == 2
    assert store.remove(registry.reference)
    assert store.list() == []
    assert not store.remove(registry.reference)
