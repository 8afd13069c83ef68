# SPDX-License-Identifier: Apache-2.0
"""The image store against a real registry and beside the tools of others."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from imagetools import (
    ARCHITECTURE,
    digest,
    entry,
    make_busybox_image,
    make_index,
    make_layout,
    make_tar,
    push,
)
from podwright.errors import ImageError
from storetools import content, import_layout, read
from treewalk import snapshot

# ---- what works ----


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_pull_from_a_real_registry(store, place, tmp_path, compress):
    lower, upper = [entry("a", "old"), entry("b", "b")], [entry("a", "new"), entry(".wh.b")]
    push(make_layout(tmp_path / "layout", [lower, upper], {"Cmd": ["/a"]}, compress=compress), f"{place}:1")
    assert store.get(f"{place}:1") is None
    image = store.pull(f"{place}:1")
    assert image.reference == f"{place}:1"
    assert image.config["config"] == {"Cmd": ["/a"]}
    assert image.diff_ids == [digest(make_tar(lower)), digest(make_tar(upper))]
    top, bottom = store.layer_dirs(image)
    assert (Path(top) / "a").read_text() == "new"
    assert (Path(bottom) / "a").read_text() == "old"
    assert os.lstat(f"{top}/b").st_rdev == 0
    assert store.get(f"{place}:1") == image
    assert store.list() == [image]
    assert store.resolve(f"{place}:1") == image.digest
    assert store.pull(f"{place}:1") == image


def test_docker_schema_2_and_by_digest(store, place, tmp_path):
    push(make_layout(tmp_path / "layout", [[entry("a", "x")]]), f"{place}:1", docker_format=True)
    image = store.pull(f"{place}:1")
    pinned = store.pull(f"{place}@{image.digest}")
    assert pinned.digest == image.digest
    assert store.get(f"{place}@{image.digest}") == pinned
    assert [found.reference for found in store.list()] == [f"{place}:1", f"{place}@{image.digest}"]
    assert content(tmp_path)["images"][0]["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_a_tag_that_moved_is_seen_and_pulled(store, place, tmp_path):
    push(make_layout(tmp_path / "1", [[entry("a", "1")]]), f"{place}:1")
    first = store.pull(f"{place}:1")
    push(make_layout(tmp_path / "2", [[entry("a", "2")]]), f"{place}:1")
    assert store.get(f"{place}:1") == first
    assert store.resolve(f"{place}:1") != first.digest
    second = store.pull(f"{place}:1")
    assert read(store, second, "a") == "2"
    assert store.list() == [second]


def test_the_platform_of_this_machine(store, place, tmp_path):
    other = {"amd64": "arm64", "arm64": "amd64"}[ARCHITECTURE]
    push(make_index(tmp_path / "layout", [(other, "other"), (ARCHITECTURE, "ours"), ("s390x", "more")]), f"{place}:1")
    image = store.pull(f"{place}:1")
    assert read(store, image, "platform") == "ours"
    assert store.resolve(f"{place}:1") == image.digest  # the index's, by which a moved tag is noticed
    assert len(content(tmp_path)["layers"]) == 1


def test_no_manifest_for_this_machine(store, place, tmp_path):
    push(make_index(tmp_path / "layout", [("s390x", "x")]), f"{place}:1")
    with pytest.raises(ImageError, match=rf"no manifest for linux/{ARCHITECTURE} \(there are: linux/s390x\)"):
        store.pull(f"{place}:1")
    assert content(tmp_path) == {"blobs": [], "ingest": [], "layers": [], "images": []}


def test_import_of_a_layout(store, tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("a", "x")]], tag="v1")
    image = import_layout(store, layout, "demo:1")
    assert image.reference == "docker.io/library/demo:1"
    assert store.get("demo:1") == image
    assert import_layout(store, f"{layout}:v1", "demo:1") == image
    with pytest.raises(ImageError, match=r"image docker\.io/library/demo:2: .* no images 'v2' \(there are: v1\)"):
        import_layout(store, f"{layout}:v2", "demo:2")


def test_import_of_a_multi_platform_layout(store, tmp_path):
    layout = make_index(tmp_path / "layout", [("s390x", "other"), (ARCHITECTURE, "ours")])
    assert read(store, import_layout(store, layout, "demo"), "platform") == "ours"


def test_a_layer_that_comes_twice_is_one_directory(store, tmp_path):
    twice, between = [entry("a", "x")], [entry("b", "x")]
    image = import_layout(store, make_layout(tmp_path / "layout", [twice, between, twice]), "demo")
    assert len(image.diff_ids) == 3
    assert [os.listdir(path) for path in store.layer_dirs(image)] == [["a"], ["b"]]


def test_images_share_layers_and_blobs(store, tmp_path):
    base = [entry("base", "x")]
    import_layout(store, make_layout(tmp_path / "1", [base, [entry("a", "1")]]), "one")
    import_layout(store, make_layout(tmp_path / "2", [base, [entry("a", "2")]]), "two")
    assert len(content(tmp_path)["layers"]) == 3


def test_layers_are_unpacked_again_from_the_store(store, tmp_path):
    image = import_layout(store, make_layout(tmp_path / "layout", [[entry("a", "x")]]), "demo")
    (directory,) = store.layer_dirs(image)
    subprocess.run(["rm", "-rf", directory], check=True)
    assert store.layer_dirs(image) == [directory]
    assert os.listdir(directory) == ["a"]


def test_what_is_damaged_in_the_store_is_missed_and_mended(store, tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("a", "x")]])
    image = import_layout(store, layout, "demo")
    before = content(tmp_path)
    for blob in before["blobs"]:
        path = tmp_path / "root" / "images" / "blobs" / "sha256" / blob
        good = path.read_bytes()
        path.write_bytes(good[:-1] + b"?")
        subprocess.run(["rm", "-rf", *store.layer_dirs(image)] if good[:2] == b"\x1f\x8b" else ["true"], check=True)
        if good[:2] == b"\x1f\x8b":
            with pytest.raises(ImageError, match="is missing from the store: pull it again"):
                store.layer_dirs(image)
        else:
            assert store.get("demo") is None
        assert import_layout(store, layout, "demo") == image
        assert path.read_bytes() == good
    assert content(tmp_path) == before


# ---- beside other tools ----


def test_other_tools_read_the_store_as_it_lies(store, tmp_path):
    import_layout(store, make_busybox_image(tmp_path / "layout"), "demo")
    name = f"{tmp_path}/root/images:docker.io/library/demo:latest"
    inspected = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{name}"], capture_output=True, check=True).stdout)
    assert inspected["Architecture"] == ARCHITECTURE
    subprocess.run(["umoci", "unpack", "--image", name, tmp_path / "bundle"], check=True, capture_output=True)
    assert (tmp_path / "bundle" / "rootfs" / "bin" / "busybox").exists()


def real_layers(tmp_path):
    """Three layers: files of this host, then changes to them, then all that a tar can hold."""
    first = tmp_path / "first.tar"
    folders = [name for name in ("etc", "usr/sbin", "lib/terminfo", "usr/share/zoneinfo") if Path("/", name).exists()]
    command = ["tar", "--format=pax", "--xattrs", "--sort=name", "--warning=none", "--ignore-failed-read"]
    subprocess.run([*command, "-C", "/", "-cf", first, *folders], check=False)
    with tarfile.open(first) as tar:
        assert len(tar.getnames()) > 100
    capability = bytes.fromhex("0100000200200000000000000000000000000000").decode("latin-1")
    second = [
        *[entry(name, kind="dir") for name in ("etc", "usr", "usr/sbin")],
        entry("etc/.wh.passwd"),
        entry("etc/group", "changed"),
        entry("usr/sbin/.wh..wh..opq"),
        entry("usr/sbin/only", "x", mode=0o4711, uid=12, gid=34),
        entry(".wh.nothing"),
        entry("etc/alternatives", "a file in a folder's place"),
    ]
    deep = "/".join(["deep"] * 60)
    third = [
        entry("all", kind="dir", mode=0o1777, uid=1, gid=2, pax_headers={"mtime": "1234567890.987654321"}),
        entry("all/file", "x" * 100_000, pax_headers={"mtime": "1.000000001", "SCHILY.xattr.user.note": "v"}),
        entry("all/hard", hardlink="all/file"),
        entry("all/capable", "x", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": capability}),
        entry("all/link", symlink="/nowhere", uid=5, mtime=99),
        entry("all/null", kind="char", devmajor=1, devminor=3, mode=0o666),
        entry("all/disk", kind="block", devmajor=8, devminor=1, mode=0o640, gid=6),
        entry("all/pipe", kind="fifo", mode=0o600),
        entry("all/" + "n" * 240, "long"),
        entry("all/ünïcode", "x"),
        *[entry(deep[: 5 * depth - 1], kind="dir", mtime=depth) for depth in range(1, 61)],
        entry(f"{deep}/file", "deep", uid=3_000_000_000),
        entry("usr", kind="dir", mtime=77),
    ]
    return [first.read_bytes(), second, third]


def test_the_same_tree_as_umoci_unpacks(store, tmp_path):
    layout = make_layout(tmp_path / "layout", real_layers(tmp_path))
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:latest", tmp_path / "umoci"], check=True)
    theirs = snapshot(tmp_path / "umoci" / "rootfs")
    lower = ":".join(store.layer_dirs(import_layout(store, layout, "demo")))
    (tmp_path / "merged").mkdir()
    script = 'mount -t overlay overlay -o "ro,lowerdir=$1" "$2" && exec "$3" "$4" "$2"'
    walk = str(Path(__file__).with_name("treewalk.py"))
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", lower, tmp_path / "merged", sys.executable, walk],
        capture_output=True,
        check=True,
    )
    ours = json.loads(done.stdout)
    for tree in (ours, theirs):
        for parent in (".", "lib", "usr/share"):  # no layer has an entry for them: their time is that of the unpacking
            tree.get(parent, {}).pop("mtime", None)
    assert set(ours) == set(theirs)
    assert {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]} == {}
