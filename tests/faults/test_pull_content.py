# SPDX-License-Identifier: Apache-2.0
"""A pull of an image that was made to harm: what it says of itself, and what its layers hold.

Memory is bounded in every test (pulls.py); what the store looks like afterwards is checked by the fixture ``store``.
"""

import gzip
import hashlib
import itertools
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from imagetools import (
    ARCHITECTURE,
    CONFIG_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    SUFFIX,
    compressed,
    digest,
    entry,
    make_tar,
)
from lies import PIECE, Answer, document
from lying_registry import LyingRegistry
from pulls import Store, disk

BLOCK = 512  # bytes, of a tar
TAR_END = bytes(2 * BLOCK)
MARGIN = 16 << 20  # bytes that the buffers of two sockets may hold when nobody reads any more


@pytest.fixture
def registry():
    with LyingRegistry() as registry:
        yield registry


def describe(registry: LyingRegistry, data: bytes, media_type: str) -> dict:
    """Have the registry serve a blob, and return its descriptor."""
    registry.blobs[digest(data)] = data
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def serve(registry: LyingRegistry, *layers: dict, diff_ids: list[str], config: bytes = b"") -> None:
    """Have the registry serve an image: of layers, and of their diff-ids or a configuration as it is."""
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = config or json.dumps({"os": "linux", "architecture": ARCHITECTURE, "rootfs": rootfs}).encode()
    described = describe(registry, config, CONFIG_TYPE)
    name(registry, {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": described, "layers": list(layers)})


def name(registry: LyingRegistry, manifest: dict | bytes, media_type: str = MANIFEST_TYPE, tag: str = "1") -> str:
    data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    registry.manifests[f"image/{tag}"] = registry.manifests[f"image/{digest(data)}"] = (media_type, data)
    return digest(data)


def serve_tar(registry: LyingRegistry, tar: bytes, how: str = "none") -> None:
    serve(registry, describe(registry, compressed(tar, how), LAYER_TYPE + SUFFIX[how]), diff_ids=[digest(tar)])


# ---- documents ----


def test_a_manifest_of_100_mib(store: Store, registry):
    def large(*_: object) -> Answer:
        return Answer(200, {"Content-Type": MANIFEST_TYPE}, itertools.repeat(bytes(PIECE), 1600), 1600 * PIECE)

    registry.lie("manifests/1", large)
    store.pull(registry.reference).refused("a manifest of more than 4194304 bytes")
    assert registry.asked("manifests/1")[0].sent < MARGIN


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>Sign in to the network first</html>", "the manifest is not JSON"),
        (b"\xff\xfe{}", "the manifest is not JSON"),
        (b"[" * 4_000_000, "the manifest is not JSON"),
        (b'{"a":' * 800_000, "the manifest is not JSON"),
        (b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the manifest is not JSON"),
        (b'{"size":' + b"9" * 4_000_000 + b"}", "the manifest is not JSON"),
        (b"[]", "the manifest is not a JSON object"),
        (b"{}", "neither a manifest nor an index"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "schema version 1"),
        (b'{"layers":[],"manifests":[]}', "neither a manifest nor an index"),
        (b'{"layers":[]}', "configuration"),
        (b'{"manifests":{}}', "no list manifests"),
    ],
)
def test_a_manifest_that_is_none(store: Store, registry, data, words):
    registry.lie("manifests/1", document(data, MANIFEST_TYPE))
    store.pull(registry.reference).refused(words)
    assert store.images() == []


def test_a_manifest_with_a_million_layers(store: Store, registry):
    config = describe(registry, b"{}", CONFIG_TYPE)
    head = json.dumps({"schemaVersion": 2, "config": config}).encode()[:-1]
    name(registry, head + b',"layers":[' + b",".join([b"1"] * 1_900_000) + b"]}")
    store.pull(registry.reference).refused("layer")


@pytest.mark.parametrize("size", [1 << 53, 1 << 64, 10**999, -1, 1.5, "7", None], ids=lambda size: str(size)[:20])
def test_a_layer_of_an_impossible_size(store: Store, registry, size):
    layer = describe(registry, make_tar([]), LAYER_TYPE) | {"size": size}
    serve(registry, layer, diff_ids=[digest(make_tar([]))])
    store.pull(registry.reference).refused("has the size")
    assert not registry.asked(layer["digest"])


@pytest.mark.parametrize("media_type", [INDEX_TYPE, MANIFEST_TYPE])
def test_an_index_of_indexes_of_indexes(store: Store, registry, media_type):
    """They are not followed to the bottom, which a registry can have them put at any depth."""
    below, platform = digest(b""), {"os": "linux", "architecture": ARCHITECTURE}
    for _ in range(50):
        item = {"mediaType": media_type, "digest": below, "size": 10, "platform": platform}
        below = name(registry, {"schemaVersion": 2, "manifests": [item]}, INDEX_TYPE)
    store.pull(registry.reference).refused("index")
    assert len(registry.log) < 8


def test_an_index_that_names_itself(store: Store, registry):
    """Its digest cannot be right, but until that is known the way down must have an end."""
    itself = {"mediaType": MANIFEST_TYPE, "digest": digest(b"x"), "size": 10}
    index = {"manifests": [itself | {"platform": {"os": "linux", "architecture": ARCHITECTURE}}]}
    registry.lie("/manifests/", document(json.dumps(index).encode(), INDEX_TYPE))
    store.pull(registry.reference).refused("sent a manifest whose digest is", f"not {digest(b'x')}")
    assert len(registry.log) < 4


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"[" * 4_000_000, "the image configuration is not JSON"),
        (b"nonsense", "the image configuration is not JSON"),
        (b"{}", "its configuration names no platform"),
    ],
)
def test_a_configuration_that_is_none(store: Store, registry, config, words):
    serve(registry, config=config, diff_ids=[])
    store.pull(registry.reference).refused(words)
    assert store.images() == []


@pytest.mark.parametrize("lie", ["another", "exchanged", "missing", "one more", "no digest"])
def test_a_configuration_that_lies_about_its_layers(store: Store, registry, lie):
    tars = [make_tar([entry("a", "x")]), make_tar([entry("b", "x")])]
    true = [digest(tar) for tar in tars]
    diff_ids, words = {
        "another": ([true[0], digest(b"")], f"its layer {digest(b'')} has other content: its digest is {true[1]}"),
        "exchanged": (true[::-1], "has other content: its digest is"),
        "missing": (true[:1], "1 diff_ids for 2 layers"),
        "one more": ([*true, true[0]], "3 diff_ids for 2 layers"),
        "no digest": ([true[0], "sha256:../../../etc"], "rootfs.diff_ids"),
    }[lie]
    serve(registry, *(describe(registry, tar, LAYER_TYPE) for tar in tars), diff_ids=diff_ids)
    store.pull(registry.reference).refused(words)
    assert store.images() == []
    serve(registry, *(describe(registry, tar, LAYER_TYPE) for tar in tars), diff_ids=true)
    store.pull(registry.reference).well()


@pytest.mark.parametrize("how", ["gzip", "zstd", "none"])
def test_a_layer_with_another_known_media_type_is_what_its_bytes_say(store: Store, registry, how):
    tar = make_tar([entry("a", "x")])
    for said in ("gzip", "zstd", "none"):
        serve(registry, describe(registry, compressed(tar, how), LAYER_TYPE + SUFFIX[said]), diff_ids=[digest(tar)])
        (layer,) = store.pull(registry.reference).well().layers
        assert (Path(layer) / "a").read_text() == "x"


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/vnd.oci.image.layer.v1.tar+bzip2"])
def test_a_layer_with_an_unknown_media_type(store: Store, registry, media_type):
    tar = make_tar([entry("a", "x")])
    serve(registry, describe(registry, tar, media_type), diff_ids=[digest(tar)])
    store.pull(registry.reference).refused(f"its layer {digest(tar)}", f"of the type {media_type}")
    assert not registry.asked(digest(tar))


# ---- layers ----


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_bomb(store: Store, registry, how):
    """A megabyte that says it is a file of a terabyte, and would be: it ends at the limit."""
    zeros = 64 << 20
    head = entry("zeros")[0]
    head.size = 1 << 40
    start = compressed(head.tobuf(tarfile.PAX_FORMAT), how)
    member = gzip.compress(bytes(zeros), 9, mtime=0) if how == "gzip" else compressed(bytes(zeros), "zstd")
    blob = start + member * 100  # concatenated members and frames are one stream
    assert len(blob) * 900 < zeros * 100
    serve(registry, describe(registry, blob, LAYER_TYPE + SUFFIX[how]), diff_ids=[digest(b"")])
    store.pull(registry.reference).refused("unpacks to more than")
    assert store.images() == []


@pytest.mark.parametrize(
    ("window", "words"), [(27, ""), (28, "zstd stream is damaged"), (41, "zstd stream is damaged")]
)
def test_a_zstd_layer_that_asks_for_much_memory(store: Store, registry, window, words):
    """A frame says how far back it refers, as a power of two: as far as ``zstd --long`` goes, and no further."""
    tar = make_tar([entry("a", "x")])
    block = ((len(tar) << 3) | 1).to_bytes(3, "little") + tar  # RFC 8878, 3.1.1: the last one, not compressed
    frame = b"\x28\xb5\x2f\xfd\0" + bytes([(window - 10) << 3]) + block
    serve(registry, describe(registry, frame, LAYER_TYPE + "+zstd"), diff_ids=[digest(tar)])
    ended = store.pull(registry.reference)
    ended.refused(words) if words else ended.well()


def test_a_layer_of_100_000_tiny_files(registry, tmp_path):
    """In memory: a disk that others use may take minutes to forget so many."""
    serve_tar(registry, many_files(100_000), "gzip")
    with disk(tmp_path / "disk", "size=2g") as store:
        (layer,) = store.pull(registry.reference).well().layers
        folders = [Path(layer) / name for name in os.listdir(layer)]
        assert sum(len(os.listdir(folder)) for folder in folders) == 100_000
        assert (Path(layer) / "77" / "77777").read_bytes() == b""
        assert (Path(layer) / "77" / "77700").read_bytes() == b"x"


def many_files(count: int) -> bytes:
    """A tar of empty files, a thousand a folder, and a byte in each hundredth; tarfile would take far longer."""
    parts = []
    for content in (b"", b"x"):
        header = bytearray(entry("", content)[0].tobuf(tarfile.USTAR_FORMAT))
        header[:100], header[148:156] = bytes(100), b" " * 8
        empty, total, block = bytes(header), sum(header), content and content.ljust(BLOCK, b"\0")
        for number in range(count):
            if (number % 100 == 0) != bool(content):
                continue
            path = b"%d/%d" % (number // 1000, number)
            header[: len(path)], header[148:156] = path, b"%06o\0 " % (total + sum(path))
            parts += [bytes(header), block]
            header[:] = empty
    return b"".join([*parts, TAR_END])


def test_a_path_deeper_than_the_kernel_takes_at_once(store: Store, registry):
    deep = "/".join(["deep"] * 1500)
    assert len(deep) > 4096
    serve_tar(registry, make_tar([entry(f"{deep}/file", "x"), entry(f"{deep}/link", hardlink=f"{deep}/file")]))
    (layer,) = store.pull(registry.reference).well().layers
    command = ["find", layer, "-type", "f", "-links", "2", "-printf", "%d %f\n"]
    found = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert sorted(found) == ["1501 file", "1501 link"]


def test_names_that_are_no_utf8(store: Store, registry):
    names = [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"new\nline", b"\x1b[31m", "é".encode(), "e\u0301".encode()]
    serve_tar(registry, make_tar([entry(os.fsdecode(name), "x") for name in names], format=tarfile.GNU_FORMAT))
    (layer,) = store.pull(registry.reference).well().layers
    assert sorted(os.listdir(os.fsencode(layer))) == sorted(names)
    serve_tar(registry, make_tar([entry("../\udcff\x1b[31m\n", "x")], format=tarfile.GNU_FORMAT))
    error = store.pull(registry.reference).refused("cannot be unpacked").error
    assert error.isprintable()


@pytest.mark.parametrize(
    "fault", ["cut in a file", "cut in a header", "checksum", "no tar", "gzip of nothing", "empty"]
)
def test_a_layer_that_is_no_tar(store: Store, registry, fault):
    tar = make_tar([entry("a", "x" * 3000), entry("b", "x" * 3000)])
    broken = {
        "cut in a file": tar[:2000],
        "cut in a header": tar[: 3000 + 1096 + 100],
        "checksum": tar[:148] + b"0000000\0" + tar[156:],
        "no tar": hashlib.sha512(b"x").digest() * 100,
        "gzip of nothing": gzip.compress(b""),
        "empty": b"",
    }[fault]
    plain = b"" if fault == "gzip of nothing" else broken
    serve(registry, describe(registry, broken, LAYER_TYPE), diff_ids=[digest(plain)])
    ended = store.pull(registry.reference)
    ended.well() if not plain else ended.refused(f"its layer {digest(plain)} cannot be unpacked")
