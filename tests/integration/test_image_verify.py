# SPDX-License-Identifier: Apache-2.0
"""Damage in the store, whatever did it, is found and named, taken out unless something lies on it, and mended."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imagetools import ARCHITECTURE, busybox_layer, digest, entry, make_busybox_image, make_layout, make_tar, put_blob
from podtools import IMAGE, container, pod
from podwright.errors import ImageError
from podwright.images import gate
from podwright.images.store import ImageStore
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
from podwright.images.upkeep.verify import Damage, verify
from podwright.pods.in_use import in_use
from storetools import PODINIT, import_layout
from treewalk import snapshot

DEMO = "docker.io/library/demo:latest"
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000").decode("latin-1")
LAYER = [
    entry("folder", kind="dir", mode=0o1777, uid=1, gid=2, mtime=7),
    entry("folder/file", "content" * 1000, mode=0o4755, uid=3, pax_headers={"SCHILY.xattr.user.note": "v"}),
    entry("folder/capable", "x", pax_headers={"SCHILY.xattr.security.capability": CAPABILITY}),
    entry("folder/hard", hardlink="folder/file"),
    entry("folder/link", symlink="/nowhere", uid=5, mtime=99),
    entry("folder/null", kind="char", devmajor=1, devminor=3),
    entry("folder/pipe", kind="fifo"),
    entry("implied/by/its/file", "x"),
    entry("opaque/.wh..wh..opq"),
    entry("opaque/.wh.gone"),
    entry("deep/" * 40 + "file", "x"),
]


@pytest.fixture
def layout(tmp_path):
    return make_layout(tmp_path / "layout", [busybox_layer(), LAYER], {"Cmd": ["sh"]})


@pytest.fixture
def store(tmp_path, layout):
    store = ImageStore(str(tmp_path / "root"), podinit=PODINIT)
    import_layout(store, layout, "demo")
    return store


def nothing_used():
    return Used({}, {})


def top(store):
    """The directory of the image's topmost layer."""
    return Path(store.root, "layers", digest(make_tar(LAYER)).removeprefix("sha256:"))


def blob(store, number):
    """The file of the manifest (0), the configuration (1), or a layer."""
    manifest = store.layout.find(DEMO).descriptor.digest
    document = json.loads(Path(store.layout.blob_path(manifest)).read_bytes())
    reached = [manifest, document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
    return Path(store.layout.blob_path(reached[number]))


def test_a_sound_store_is_told_to_be(store):
    assert verify(store, nothing_used) == ([], 1, 4, 2, [])


def test_an_empty_store_is_sound(tmp_path):
    assert verify(ImageStore(str(tmp_path / "root"), podinit=PODINIT), nothing_used) == ([], 0, 0, 0, [])


# ---- blobs ----


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (flip, "it has other content: its digest is sha256:"),
        (lambda path: os.truncate(path, 7), "it has 7 bytes instead of "),
        (os.unlink, "it is missing"),
    ],
    ids=["flipped", "truncated", "missing"],
)
def test_a_damaged_blob(store, layout, number, harm, reason):
    path = blob(store, number)
    good = path.read_bytes()
    before = store.get("demo")
    harm(path)
    found = verify(store, nothing_used)
    (damage,) = found.damages
    name = f"sha256:{path.name}"
    assert damage == Damage("blob", name, [DEMO], damage.reason, reason != "it is missing")
    assert damage.reason.startswith(reason)
    assert (found.images, found.blobs) == (0, 3)
    assert not path.exists()
    again = verify(store, nothing_used).damages
    assert [damage.reason for damage in again] == ["it is missing"]
    assert import_layout(store, layout, "demo") == before
    assert path.read_bytes() == good
    assert verify(store, nothing_used) == ([], 1, 4, 2, [])


def test_a_blob_that_no_image_reaches_is_checked_too(store):
    path = blob(store, 2)
    store.remove("demo")
    flip(path)
    (damage,) = verify(store, nothing_used).damages
    assert (damage.kind, damage.images, damage.removed) == ("blob", [], True)


def test_a_layer_whose_blob_is_gone_cannot_be_checked(store):
    diff_id = digest(make_tar(LAYER))
    blob(store, 3).unlink()
    found = verify(store, nothing_used)
    assert found.unchecked == [diff_id]
    assert found.layers == 1
    assert top(store).exists()


# ---- layers ----


def rewrite(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text)


EDITS: list[tuple[str, Callable[[Path], object], str]] = [
    ("folder/file", os.unlink, "folder/file is missing"),
    ("folder", shutil.rmtree, "folder is missing"),
    ("implied/by", shutil.rmtree, "implied/by is missing"),
    ("folder/file", lambda path: os.truncate(path, 5), "folder/file has 5 bytes instead of 7000"),
    ("folder/capable", rewrite("y"), "other content"),
    ("folder/file", lambda path: path.chmod(0o755), "folder/file has the mode 0755 instead of 4755"),
    ("folder", lambda path: path.chmod(0o777), "folder has the mode 0777 instead of 1777"),
    ("implied/by", lambda path: path.chmod(0o700), "implied/by has the mode 0700 instead of 0755"),
    (".", lambda path: path.chmod(0o700), "its root has the mode 0700 instead of 0755"),
    ("folder", lambda path: os.chown(path, 9, 2), "folder has the owner 9:2 instead of 1:2"),
    ("folder/link", lambda path: os.lchown(path, 0, 0), "folder/link has the owner 0:0 instead of 5:0"),
    ("folder/file", lambda path: os.utime(path, (1, 1)), "folder/file has the time 1000000000 instead of 16"),
    ("folder/file", lambda path: os.removexattr(path, "user.note"), "folder/file has the attributes {} instead of"),
    ("folder/file", lambda path: os.setxattr(path, "user.note", b"w"), "folder/file has the attributes {'user.note'"),
    ("folder/capable", lambda path: os.removexattr(path, "security.capability"), "folder/capable has the attributes"),
    ("opaque", lambda path: os.removexattr(path, "trusted.overlay.opaque"), "opaque has the attributes {"),
    ("opaque/gone", os.unlink, "opaque/gone is missing"),
    ("folder/new", rewrite("x"), "folder/new is not of this layer"),
    ("implied/new", lambda path: path.mkdir(), "implied/new is not of this layer"),
    ("folder/new", lambda path: os.symlink("/etc", path), "folder/new is not of this layer"),
]


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


EDITS += [
    ("folder/link", lambda path: replaced(path, lambda it: it.symlink_to("/etc")), "folder/link has the target /etc"),
    ("folder/link", lambda path: replaced(path, rewrite("")), "folder/link is a file instead of a symbolic link"),
    ("folder/pipe", lambda path: replaced(path, lambda it: it.mkdir()), "folder/pipe is a directory instead of a FIFO"),
    ("folder/null", lambda path: replaced(path, lambda it: os.mknod(it, 0o20644, 5)), "folder/null has the device 5"),
    ("folder/hard", lambda path: replaced(path, lambda it: shutil.copy2(f"{it.parent}/file", it)), "number of links 1"),
]


def link_to_etc(path):
    shutil.rmtree(path)
    path.symlink_to("/etc")


EDITS.append(("implied", link_to_etc, "implied is a symbolic link instead of a directory"))
EDITS.append(("deep/" * 40 + "file", os.unlink, "deep/deep/"))


@pytest.mark.parametrize(("path", "harm", "reason"), EDITS, ids=[f"{path[:16]}-{why[-20:]}" for path, _, why in EDITS])
def test_an_edited_layer(store, path, harm, reason):
    good = snapshot(top(store), times=False)
    harm(top(store) / path)
    found = verify(store, nothing_used)
    (damage,) = found.damages
    assert damage == Damage("layer", digest(make_tar(LAYER)), [DEMO], damage.reason, True)
    assert reason in damage.reason
    assert found.layers == 1
    assert not top(store).exists()
    store.layer_dirs(store.get("demo"))
    assert snapshot(top(store), times=False) == good
    assert verify(store, nothing_used) == ([], 1, 4, 2, [])


def test_more_than_one_difference_is_counted(store):
    for name in ("a", "b", "c"):
        (top(store) / "implied" / name).touch()
    (damage,) = verify(store, nothing_used).damages
    assert damage.reason == "implied/a is not of this layer, and 2 more"


def test_nothing_of_the_checking_is_left(store):
    top(store).chmod(0o700)
    verify(store, nothing_used)
    assert sorted(os.listdir(f"{store.root}/layers"))[:-1] == [".lock"]


# ---- what is left in its place ----


def test_a_layer_that_a_pod_lies_on_is_named_and_left(host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    host.apply(pod("web", container("a", "sleep", "1000")), "--wait")
    store = ImageStore(host.config.root, podinit=PODINIT)
    (folder,) = store.layer_dirs(store.get(IMAGE))
    Path(folder, "etc/group").write_text("")
    for _ in range(2):
        (damage,) = verify(store, lambda: in_use(host.config)).damages
        assert not damage.removed
        assert "etc/group has" in damage.reason
        assert damage.reason.endswith("(left: pod default/web lies on it; delete that, and verify again)")
    host.delete("web")
    assert [damage.removed for damage in verify(store, lambda: in_use(host.config)).damages] == [True]
    host.apply(pod("web", container("a", "sleep", "1000")), "--wait")
    assert verify(store, lambda: in_use(host.config)).damages == []


def test_damage_is_left_while_the_store_is_in_use(store, monkeypatch):
    monkeypatch.setattr(gate.alone, "__defaults__", (0.1,))
    flip(blob(store, 2))
    with gate.shared(store.root):
        (damage,) = verify(store, nothing_used).damages
    assert not damage.removed
    assert "(left: the image store below" in damage.reason
    assert blob(store, 2).exists()


def test_what_is_not_ours_is_named_and_left(store):
    Path(store.root, "images/notes.txt").touch()
    Path(store.root, "layers/mine").mkdir()
    found = verify(store, nothing_used)
    assert [(damage.kind, damage.name, damage.removed) for damage in found.damages] == [
        ("foreign", f"{store.root}/images/notes.txt", False),
        ("foreign", f"{store.root}/layers/mine", False),
    ]
    assert Path(store.root, "layers/mine").exists()


def test_an_image_that_contradicts_itself_is_named(store, tmp_path):
    """As another tool may have put it there."""
    layout = Path(store.root, "images")
    document = {"os": "linux", "architecture": ARCHITECTURE, "rootfs": {"type": "layers", "diff_ids": []}}
    manifest = json.loads(blob(store, 0).read_bytes())
    document["rootfs"]["diff_ids"] = [digest(make_tar(LAYER))]
    manifest["config"] = put_blob(layout, json.dumps(document).encode(), manifest["config"]["mediaType"])
    top_level = put_blob(layout, json.dumps(manifest).encode(), manifest["mediaType"])
    top_level["annotations"] = {"org.opencontainers.image.ref.name": "theirs"}
    index = json.loads((layout / "index.json").read_text())
    index["manifests"].append(top_level)
    (layout / "index.json").write_text(json.dumps(index))
    found = verify(store, nothing_used)
    reason = "its configuration has 1 diff_ids for 2 layers"
    assert found.damages == [Damage("image", "theirs", ["theirs"], reason, False)]
    assert found.images == 1


def test_a_damaged_index_has_a_way_out(store):
    Path(store.root, "images/index.json").write_text("[]")
    for check in (lambda: verify(store, nothing_used), lambda: prune(store, nothing_used)):
        with pytest.raises(ImageError, match="remove it and pull or import the images again"):
            check()
    assert top(store).exists()


# ---- a check that is killed, and one beside pulls ----


VERIFY = """
import os, sys
from podwright.images.store import ImageStore
from podwright.images.upkeep.verify import verify
from podwright.images.upkeep.used import Used
sys.path.insert(0, sys.argv[3])
from killer import arm
store = ImageStore(sys.argv[1], podinit=sys.argv[4])
steps = arm(int(sys.argv[2]))
verify(store, lambda: Used({}, {}))
print(steps())
"""


def test_a_check_killed_at_any_step_leaves_nothing_wrong(store, layout):
    faults = str(Path(__file__).parents[1] / "faults")

    def harm_and_check(step):
        flip(blob(store, 2))
        top(store).chmod(0o700)
        command = [sys.executable, "-c", VERIFY, store.root, str(step), faults, PODINIT]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    total = int(harm_and_check(0).stdout)
    assert total > 15
    for step in range(1, total + 1, 5):
        import_layout(store, layout, "demo")
        store.layer_dirs(store.get("demo"))
        assert harm_and_check(step).returncode == -9, f"step {step} of {total}"
        verify(store, nothing_used)
        import_layout(store, layout, "demo")
        store.layer_dirs(store.get("demo"))
        assert verify(store, nothing_used) == ([], 1, 4, 2, []), f"step {step} of {total}"
        prune(store, nothing_used)
        assert len(os.listdir(f"{store.root}/layers")) == 3, f"step {step} of {total}"
