# SPDX-License-Identifier: Apache-2.0
"""The image store against a real registry, against one that lies, and beside the tools of others."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

import podwright
from imagetools import (
    ARCHITECTURE,
    CONFIG_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    busybox_layer,
    compressed,
    digest,
    entry,
    make_busybox_image,
    make_index,
    make_layout,
    make_tar,
    push,
    put_blob,
    write_index,
)
from podtools import eventually
from podwright.errors import HostError, ImageError
from podwright.images import layers
from podwright.images.store import ImageStore
from registry import LyingRegistry, Registry
from treewalk import snapshot

PODINIT = str(Path(podwright.__file__).parent / "_bin" / "podinit")


@pytest.fixture
def store(tmp_path):
    return ImageStore(str(tmp_path / "root"), podinit=PODINIT)


@pytest.fixture(scope="module")
def registry():
    with Registry() as registry:
        yield registry


@pytest.fixture
def place(registry, request):
    """A reference in the real registry that no other test uses."""
    return f"{registry.address}/{abs(hash(request.node.name)):x}/image"


def content(tmp_path):
    """What the store holds: names of blobs, of layers, and of images."""
    root = tmp_path / "root"
    blobs = root / "images" / "blobs" / "sha256"
    index = root / "images" / "index.json"
    return {
        "blobs": sorted(os.listdir(blobs)) if blobs.exists() else [],
        "layers": sorted(set(os.listdir(root / "layers")) - {".lock"}) if (root / "layers").exists() else [],
        "images": json.loads(index.read_text())["manifests"] if index.exists() else [],
    }


NOTHING: dict[str, list[str]] = {"blobs": [], "layers": [], "images": []}


def read(store, image, name):
    """Find a file in the topmost layer that has it."""
    return next(path.read_text() for path in (Path(d) / name for d in store.layer_dirs(image)) if path.exists())


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
    assert content(tmp_path) == NOTHING


def test_import_of_a_layout(store, tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("a", "x")]], tag="v1")
    image = store.import_layout(layout, "demo:1")
    assert image.reference == "docker.io/library/demo:1"
    assert store.get("demo:1") == image
    assert store.import_layout(f"{layout}:v1", "demo:1") == image
    with pytest.raises(ImageError, match=r"image docker\.io/library/demo:2: .* no image 'v2' \(there are: v1\)"):
        store.import_layout(f"{layout}:v2", "demo:2")


def test_import_of_a_multi_platform_layout(store, tmp_path):
    layout = make_index(tmp_path / "layout", [("s390x", "other"), (ARCHITECTURE, "ours")])
    assert read(store, store.import_layout(layout, "demo"), "platform") == "ours"


def test_a_layer_that_comes_twice_is_one_directory(store, tmp_path):
    twice, between = [entry("a", "x")], [entry("b", "x")]
    image = store.import_layout(make_layout(tmp_path / "layout", [twice, between, twice]), "demo")
    assert len(image.diff_ids) == 3
    assert [os.listdir(path) for path in store.layer_dirs(image)] == [["a"], ["b"]]


def test_images_share_layers_and_blobs(store, tmp_path):
    base = [entry("base", "x")]
    store.import_layout(make_layout(tmp_path / "1", [base, [entry("a", "1")]]), "one")
    store.import_layout(make_layout(tmp_path / "2", [base, [entry("a", "2")]]), "two")
    assert len(content(tmp_path)["layers"]) == 3


def test_layers_are_unpacked_again_from_the_store(store, tmp_path):
    image = store.import_layout(make_layout(tmp_path / "layout", [[entry("a", "x")]]), "demo")
    (directory,) = store.layer_dirs(image)
    subprocess.run(["rm", "-rf", directory], check=True)
    assert store.layer_dirs(image) == [directory]
    assert os.listdir(directory) == ["a"]


def test_what_is_damaged_in_the_store_is_missed_and_mended(store, tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("a", "x")]])
    image = store.import_layout(layout, "demo")
    before = content(tmp_path)
    for blob in before["blobs"]:
        path = tmp_path / "root" / "images" / "blobs" / "sha256" / blob
        good = path.read_bytes()
        path.write_bytes(good[:-1] + b"?")
        subprocess.run(["rm", "-rf", *store.layer_dirs(image)] if good[:2] == b"\x1f\x8b" else ["true"], check=True)
        if good[:2] == b"\x1f\x8b":
            with pytest.raises(ImageError, match="its gzip stream is damaged"):
                store.layer_dirs(image)
        else:
            assert store.get("demo") is None
        assert store.import_layout(layout, "demo") == image
        assert path.read_bytes() == good
    assert content(tmp_path) == before


# ---- beside other tools ----


def test_other_tools_read_the_store_as_it_lies(store, tmp_path):
    store.import_layout(make_busybox_image(tmp_path / "layout"), "demo")
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
    lower = ":".join(store.layer_dirs(store.import_layout(layout, "demo")))
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


# ---- what is wrong ----


def refused(store, tmp_path, reference, *words, left=NOTHING):
    with pytest.raises(ImageError) as caught:
        store.pull(reference)
    message = str(caught.value)
    assert message.startswith(f"image {reference}: ")
    assert "\n" not in message
    for word in words:
        assert word in message
    assert content(tmp_path) == left
    return message


def test_an_image_that_does_not_exist(store, place, tmp_path):
    assert refused(store, tmp_path, f"{place}:1") == f"image {place}:1: the registry has no such manifest"
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
        refused(store, tmp_path, registry.reference, f"the configuration {config} came with the digest")
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
        registry.failures = 2
        assert store.pull(registry.reference).reference == registry.reference
        registry.failures = 10
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


def test_a_bad_layer_leaves_the_good_ones_for_the_next_pull(store, place, tmp_path):
    good = [entry("a", "x")]
    push(make_layout(tmp_path / "layout", [good, [entry("../x")]]), f"{place}:1")
    with pytest.raises(ImageError):
        store.pull(f"{place}:1")
    left = content(tmp_path)
    assert left["layers"] == [digest(make_tar(good)).removeprefix("sha256:")]
    assert (len(left["blobs"]), left["images"]) == (1, [])


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
        store.import_layout(make_busybox_image(tmp_path / "layout"), "demo")
    assert content(tmp_path)["layers"] == []


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "root").write_text("a file")
    store = ImageStore(str(tmp_path / "root"), podinit=PODINIT)
    with pytest.raises(HostError, match="the store cannot be used"):
        store.import_layout(make_busybox_image(tmp_path / "layout"), "demo")


# ---- several at once, and crashes ----

PULL = """
import sys
from podwright.images.store import ImageStore
print(ImageStore(sys.argv[1], podinit=sys.argv[2]).pull(sys.argv[3]).digest)
"""


def start_pull(tmp_path, reference):
    return subprocess.Popen([sys.executable, "-c", PULL, tmp_path / "root", PODINIT, reference], stdout=subprocess.PIPE)


def test_processes_that_pull_the_same_image(store, place, tmp_path):
    push(make_layout(tmp_path / "layout", [busybox_layer(), [entry("a", "x")]]), f"{place}:1")
    processes = [start_pull(tmp_path, f"{place}:1") for _ in range(4)]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(outputs) == 1
    found = content(tmp_path)
    assert [len(found[key]) for key in ("blobs", "layers", "images")] == [4, 2, 1]
    assert store.get(f"{place}:1") is not None


def test_threads_that_pull_different_images(store, place, tmp_path):
    for number in range(4):
        push(make_layout(tmp_path / f"{number}", [[entry("a", str(number))]]), f"{place}:{number}")
    threads = [threading.Thread(target=store.pull, args=(f"{place}:{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read(store, image, "a") for image in store.list()] == ["0", "1", "2", "3"]


def test_a_pull_that_was_killed_is_taken_up_by_the_next(store, tmp_path):
    """Killed in the middle of the second layer's body: the first layer is done and is not fetched again."""
    layout = make_layout(tmp_path / "layout", [busybox_layer(), [entry("big", os.urandom(1 << 20))]])
    with LyingRegistry() as registry:
        manifest = registry.add_layout(layout, "image", "1")
        first, second = (layer["digest"] for layer in manifest["layers"])
        registry.stall.add(second)
        process = start_pull(tmp_path, registry.reference)
        folder = tmp_path / "root" / "images" / "blobs" / "sha256"
        assert registry.stalled.wait(60)
        partial = eventually(lambda: [path for path in folder.glob(".tmp-*") if path.stat().st_size], "half a blob")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        assert partial[0].exists()
        assert store.get(registry.reference) is None
        registry.stall.clear()
        store.pull(registry.reference)
        assert registry.requests.count(f"GET /v2/image/blobs/{first}") == 1
    found = content(tmp_path)
    assert [len(found[key]) for key in ("blobs", "layers", "images")] == [4, 2, 1]


def test_unpacked_halves_of_dead_processes_go(store, tmp_path):
    folder = tmp_path / "root" / "layers"
    (folder / ".tmp-dead" / "a" / "b").mkdir(parents=True)
    (folder / ".tmp-alive").mkdir()
    with subprocess.Popen([PODINIT, "unpack", folder / ".tmp-alive"], stdin=subprocess.PIPE) as alive:
        status = Path(f"/proc/{alive.pid}/status")
        eventually(lambda: "NoNewPrivs:\t1" in status.read_text(), "podinit to hold its lock")
        store.import_layout(make_layout(tmp_path / "layout", [[entry("a", "x")]]), "demo")
        assert len(content(tmp_path)["layers"]) == 2
        assert (folder / ".tmp-alive").exists()
        assert not (folder / ".tmp-dead").exists()
    store.import_layout(make_layout(tmp_path / "layout2", [[entry("b", "x")]]), "demo")
    assert not (folder / ".tmp-alive").exists()


def test_a_caller_with_sigpipe_at_its_default_survives_a_bad_layer(tmp_path):
    layout = make_layout(tmp_path / "layout", [[entry("../x"), entry("big", bytes(8 << 20))]])
    script = (
        "import signal, sys; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "from podwright.images.store import ImageStore as S\n"
        "S(sys.argv[1], podinit=sys.argv[2]).import_layout(sys.argv[3], 'demo')"
    )
    command = [sys.executable, "-c", script, tmp_path / "root", PODINIT, layout]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert '../x: its path has a ".." component' in done.stderr


def test_reading_the_store_needs_no_heavy_module(store, tmp_path):
    store.import_layout(make_layout(tmp_path / "layout", [[entry("a", "x")]]), "demo")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from podwright.images.store import ImageStore as S\n"
        "store = S(sys.argv[2], podinit=''); store.layer_dirs(store.get('demo'))\n"
        "print(*{'urllib3', 'zstandard', 'zlib', 'subprocess', 'pathlib', 'dataclasses', 'shutil'} & set(sys.modules))"
    )
    folder = str(Path(podwright.__file__).parents[1])
    # -S: an editable installation's own finder would import some of them
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, folder, tmp_path / "root"], capture_output=True)
    assert (done.stdout, done.stderr) == (b"\n", b"")


def test_a_caller_that_ignores_sigchld_is_told(tmp_path):
    """Its children's exit codes are lost, so nobody could vouch for a layer."""
    make_busybox_image(tmp_path / "layout")
    script = (
        "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from podwright.images.store import ImageStore; from podwright.runtime import PODINIT\n"
        "ImageStore(sys.argv[1], podinit=PODINIT).import_layout(sys.argv[2], 'localhost/x:1')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "root"), str(tmp_path / "layout")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "must not ignore SIGCHLD" in done.stderr.splitlines()[-1]
    assert [name for name in os.listdir(tmp_path / "root/layers") if not name.startswith(".")] == []
