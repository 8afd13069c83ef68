# SPDX-License-Identifier: Apache-2.0
"""Plain file systems, folders and tars, as images."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from copytools import copy, run, take
from imagetools import entry, make_tar
from podmantools import Podman
from podwright.errors import ImageError
from podwright.images.documents import Descriptor
from podwright.images.formats.source import open_source
from treewalk import snapshot


@pytest.fixture(scope="module")
def podman():
    engine = Podman()
    yield engine
    engine.close()


def make_rootfs(root):
    """A folder with all that a layer can hold."""
    for name in ("bin", "etc", "var/empty", "ünï", "b" * 150):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    (root / "said").write_text("rootfs\n")
    os.link(root / "said", root / "etc" / "same")
    os.symlink("/nowhere", root / "link")
    os.symlink("x" * 200, root / "long")
    (root / "etc" / "private").write_bytes(b"p" * 1025)
    os.chown(root / "etc" / "private", 3_000_000_000, 1234)
    os.chmod(root / "etc" / "private", 0o4750)
    os.setxattr(root / "etc" / "private", "user.note", b"\x00\xff=\n")
    os.setxattr(
        root / "bin" / "busybox", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000")
    )
    os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))
    os.mkfifo(root / "pipe", 0o600)
    with open(root / "sparse", "wb") as file:
        file.truncate(3_000_001)
    with open(os.fsencode(root) + b"/bytes\xff", "wb") as file:
        file.write(b"x")
    os.utime(root / "said", ns=(0, 1_234_567_890_123_456_789))
    os.utime(root / "null", ns=(0, -1_500_000_000))
    os.chmod(root, 0o751)
    for folder, _, _ in os.walk(root):
        os.utime(folder, ns=(0, 1_600_000_000_000_000_000))
    return root


def test_a_folder_is_an_image_of_the_same_tree(store, tmp_path):
    root = make_rootfs(tmp_path / "rootfs")
    image = take(store, f"rootfs:{root}")
    (layer,) = store.layer_dirs(image)
    assert snapshot(layer) == snapshot(root)
    assert os.stat(f"{layer}/said").st_ino == os.stat(f"{layer}/etc/same").st_ino
    assert image.config["config"] == {}


def test_the_same_folder_is_the_same_image(store, tmp_path):
    root = make_rootfs(tmp_path / "rootfs")
    first = take(store, f"rootfs:{root}")
    assert take(store, f"rootfs:{root}") == first
    run("cp", "-a", root, tmp_path / "copied")
    assert take(store, f"rootfs:{tmp_path}/copied", "copied").digest == first.digest
    (root / "more").write_text("x")
    assert take(store, f"rootfs:{root}").digest != first.digest


def test_an_imported_folder_runs_in_podman(store, podman, tmp_path):
    take(store, f"rootfs:{make_rootfs(tmp_path / 'rootfs')}")
    copy(tmp_path / "root" / "images", f"docker-archive:{tmp_path}/archive.tar:localhost/rootfs:1")
    podman.run("load", "-q", "-i", tmp_path / "archive.tar")
    assert (
        podman.run("run", "--rm", "--network", "none", "localhost/rootfs:1", "/bin/busybox", "cat", "/etc/same")
        == "rootfs"
    )


@pytest.mark.parametrize("flags", [[], ["--gzip"], ["--zstd"]])
def test_a_tar_is_an_image_of_the_same_tree(store, tmp_path, flags):
    root = make_rootfs(tmp_path / "rootfs")
    run("tar", "-C", root, "--format=pax", "--xattrs", "--numeric-owner", *flags, "-cf", tmp_path / "rootfs.tar", ".")
    image = take(store, f"rootfs:{tmp_path}/rootfs.tar")
    (layer,) = store.layer_dirs(image)
    assert snapshot(layer) == snapshot(root)
    assert take(store, f"rootfs:{tmp_path}/rootfs.tar", "again").digest == image.digest


@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_file_system_that_changes_meanwhile(store, tmp_path, change, kind):
    path = tmp_path / "rootfs"
    if kind == "folder":
        path.mkdir()
        path = path / "file"
    before, after = b"x" * 70_000, {"longer": b"x" * 300_000, "shorter": b"", "other": b"y" * 70_000}[change]
    path.write_bytes(make_tar([entry("a", before)]) if kind == "tar" else before)
    source = open_source(f"rootfs:{tmp_path}/rootfs")
    top = json.loads(source.top())
    path.write_bytes(make_tar([entry("a", after)]) if kind == "tar" else after)
    (layer,) = top["layers"]
    with pytest.raises(ImageError, match=f"{tmp_path}/rootfs changed while it was read: try again"):
        b"".join(source.blob(Descriptor(layer["mediaType"], layer["digest"], layer["size"])))


def test_what_a_layer_cannot_hold(store, tmp_path):
    root = tmp_path / "rootfs"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / ".wh.passwd").write_text("")
    with pytest.raises(
        ImageError, match=rf"{root}/etc/\.wh\.passwd cannot be in an image: .* stands for a file that goes"
    ):
        take(store, f"rootfs:{root}")
    os.rename(root / "etc" / ".wh.passwd", root / "etc" / "passwd")
    os.mknod(root / "gone", 0o020000, 0)
    with pytest.raises(ImageError, match="gone cannot be in an image: in a layer, a device 0:0 stands for a file"):
        take(store, f"rootfs:{root}")
    os.unlink(root / "gone")
    script = 'mount -t tmpfs none "$1/etc" && exec "$2" -c "$3" "$1"'
    code = "import sys\nfrom podwright.images.formats.source import open_source\n"
    code += "open_source('rootfs:' + sys.argv[1]).top()"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", root, sys.executable, code], capture_output=True, text=True
    )
    assert "etc cannot be in an image: another file system is mounted there: unmount it" in done.stderr


def test_a_socket_is_left_out_and_told(store, tmp_path):
    root = tmp_path / "rootfs"
    root.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "listening"))
        image = take(store, f"rootfs:{root}")
    assert os.listdir(store.layer_dirs(image)[0]) == []
    assert image.config["history"][0]["comment"] == "without the sockets listening"
