# SPDX-License-Identifier: Apache-2.0
"""Images in the forms of other tools: what they write is read, and what is written here they read, run and compare."""

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

import podwright
from imagetools import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    busybox_layer,
    digest,
    entry,
    make_layout,
    make_tar,
    push,
    put_blob,
    write_index,
)
from podmantools import IMAGE, Podman
from podwright.errors import ImageError
from podwright.images import reference as references
from podwright.images import upload
from podwright.images.destination import copy_out, open_destination
from podwright.images.documents import Descriptor
from podwright.images.http import NetworkTransport
from podwright.images.layout import Layout
from podwright.images.progress import Silent
from podwright.images.repository import Repository
from podwright.images.source import open_source
from podwright.images.store import ImageStore
from registry import Registry
from treewalk import snapshot

PODINIT = str(Path(podwright.__file__).parent / "_bin" / "podinit")
CONFIG = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh", "-c", "cat /said"]}


@pytest.fixture
def store(tmp_path):
    return ImageStore(str(tmp_path / "root"), podinit=PODINIT)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """An image of three layers, the first of which is there twice; it says ``upper`` when it runs."""
    twice = [entry("twice", "x")]
    layers = [busybox_layer(), twice, [entry("said", "lower\n")], twice, [entry("said", "upper\n"), entry(".wh.twice")]]
    return make_layout(tmp_path_factory.mktemp("formats") / "layout", layers, CONFIG)


@pytest.fixture(scope="module")
def podman():
    engine = Podman()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def registry():
    with Registry() as registry:
        yield registry


@pytest.fixture
def place(registry, request):
    """A repository in the real registry that no other test uses."""
    return f"{registry.address}/{abs(hash(request.node.name)):x}/image"


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def take(store, text, name="demo"):
    return store._fetch(str(references.parse(name)), open_source(text))


def top_of(layout):
    """The descriptor of a layout's only manifest."""
    (found,) = Layout(str(layout)).entries()
    return found.descriptor


def copy(layout, text, progress=None, **options):
    with closing(open_destination(text, **options)) as destination:
        return copy_out(Layout(str(layout)), top_of(layout), destination, progress or Silent())


def blobs(source):
    """All that a source gives, by digest, and its top."""
    with closing(source):
        top = json.loads(source.top())
        found = {}
        for item in (top["config"], *top["layers"]):
            descriptor = Descriptor(item["mediaType"], item["digest"], item["size"])
            found[descriptor.digest] = b"".join(source.blob(descriptor))
            assert b"".join(source.blob(descriptor, 100)) == found[descriptor.digest][100:]
    return found


def image_id(layout):
    """The digest of an image's configuration, which is its ID at Docker and podman."""
    return json.loads(Path(Layout(str(layout)).blob_path(top_of(layout).digest)).read_bytes())["config"]["digest"]


def said(store, image):
    """What the image would say."""
    paths = [Path(folder) / "said" for folder in store.layer_dirs(image)]
    return next(path.read_text() for path in paths if path.exists())


def compress(path):
    Path(f"{path}.gz").write_bytes(gzip.compress(Path(path).read_bytes(), 1))
    return f"{path}.gz"


# ---- what other tools write ----


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_oci_archive_of_skopeo(store, layout, tmp_path, gzipped):
    path = tmp_path / "archive.tar"
    run("skopeo", "copy", f"oci:{layout}:latest", f"oci-archive:{path}:v1")
    path = compress(path) if gzipped else path
    image = take(store, f"oci-archive:{path}")
    assert image == take(store, f"oci-archive:{path}:v1")
    assert (image.digest, said(store, image)) == (top_of(layout).digest, "upper\n")
    with pytest.raises(ImageError, match=rf"{path} has no images 'v2' \(there are: v1\)"):
        take(store, f"oci-archive:{path}:v2")


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_docker_archive_of_skopeo(store, layout, tmp_path, gzipped):
    path = tmp_path / "archive.tar"
    run("skopeo", "copy", f"oci:{layout}:latest", f"docker-archive:{path}:localhost/said:1")
    path = compress(path) if gzipped else path
    image = take(store, f"docker-archive:{path}")
    assert image == take(store, f"docker-archive:{path}:localhost/said:1")
    assert image.digest == digest(open_source(f"docker-archive:{path}").top())
    assert image.diff_ids == store.import_layout(layout, "other").diff_ids
    assert said(store, image) == "upper\n"
    with pytest.raises(ImageError, match=rf"{path} has no images localhost/said:2 \(there are: localhost/said:1\)"):
        take(store, f"docker-archive:{path}:localhost/said:2")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_what_podman_saves(store, podman, tmp_path, form):
    path = tmp_path / "saved.tar"
    podman.run("save", "-q", "--format", form, "-o", path, IMAGE)
    image = take(store, f"{form}:{path}")
    assert image.config["config"]["Env"] == ["PATH=/bin"]
    assert os.path.exists(f"{store.layer_dirs(image)[0]}/bin/busybox")
    assert (
        podman.run("images", "--no-trunc", "-q", IMAGE)
        == json.loads(open_source(f"{form}:{path}").top())["config"]["digest"]
    )


def test_one_of_several_images_that_podman_saves(store, podman, layout, tmp_path):
    run("skopeo", "copy", f"oci:{layout}:latest", f"docker-archive:{tmp_path}/said.tar:localhost/said:1")
    podman.run("load", "-q", "-i", tmp_path / "said.tar")
    path = tmp_path / "both.tar"
    podman.run("save", "-q", "-m", "-o", path, IMAGE, "localhost/said:1")
    assert said(store, take(store, f"docker-archive:{path}:localhost/said:1")) == "upper\n"
    assert len(take(store, f"docker-archive:{path}:{IMAGE}").diff_ids) == 1
    with pytest.raises(
        ImageError, match=rf"2 images, so name one as PATH:NAME \(there are: {IMAGE}, localhost/said:1\)"
    ):
        take(store, f"docker-archive:{path}")


def test_what_umoci_makes(store, tmp_path):
    images = tmp_path / "images"
    run("umoci", "init", "--layout", images)
    for name in ("one", "two"):
        run("umoci", "new", "--image", f"{images}:{name}")
        run("umoci", "unpack", "--image", f"{images}:{name}", tmp_path / name)
        (tmp_path / name / "rootfs" / "said").write_text(name)
        run("umoci", "repack", "--image", f"{images}:{name}", tmp_path / name)
        run("umoci", "config", "--image", f"{images}:{name}", "--config.cmd", name)
    image = take(store, f"oci:{images}:two")
    assert (image.config["config"]["Cmd"], said(store, image)) == (["two"], "two")
    with pytest.raises(ImageError, match=r"2 images, so name one as PATH:NAME \(there are: one, two\)"):
        take(store, f"oci:{images}")


def test_an_index_in_an_index(store, layout, tmp_path):
    """As tools that put an image of several platforms into a layout make it."""
    shutil.copytree(layout, tmp_path / "nested")
    top = json.loads((tmp_path / "nested" / "index.json").read_text())["manifests"][0]
    for _ in range(2):
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [top]}
        top = put_blob(tmp_path / "nested", json.dumps(index).encode(), INDEX_TYPE)
    write_index(tmp_path / "nested", [top])
    image = take(store, f"oci:{tmp_path}/nested")
    assert (image.digest, said(store, image)) == (top["digest"], "upper\n")
    for _ in range(2):
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [top]}
        top = put_blob(tmp_path / "nested", json.dumps(index).encode(), INDEX_TYPE)
    write_index(tmp_path / "nested", [top])
    with pytest.raises(ImageError, match="leads to another index, and so on, more than 4 times"):
        take(store, f"oci:{tmp_path}/nested")


# ---- what other tools read ----


def test_an_oci_archive_for_skopeo(layout, tmp_path):
    name = f"oci-archive:{tmp_path}/archive.tar:v1"
    assert copy(layout, name) == top_of(layout).digest
    assert json.loads(run("skopeo", "inspect", name))["Digest"] == top_of(layout).digest
    run("skopeo", "copy", name, f"oci:{tmp_path}/copied:v1")
    assert top_of(tmp_path / "copied") == top_of(layout)
    assert blobs(open_source(name)) == blobs(open_source(f"oci:{layout}"))


def test_a_docker_archive_for_podman(podman, layout, tmp_path):
    path = tmp_path / "archive.tar"
    copy(layout, f"docker-archive:{path}:localhost/ours:1")
    assert "localhost/ours:1" in podman.run("load", "-i", path)
    assert podman.run("images", "--no-trunc", "-q", "localhost/ours:1") == image_id(layout)
    assert podman.run("run", "--rm", "--network", "none", "localhost/ours:1") == "upper"


def test_a_docker_archive_for_skopeo(store, layout, tmp_path):
    path = tmp_path / "archive.tar"
    copy(layout, f"docker-archive:{path}:ours")
    inspected = json.loads(run("skopeo", "inspect", f"docker-archive:{path}"))
    assert inspected["Env"] == CONFIG["Env"]
    (listed,) = json.loads(run("tar", "-xOf", path, "manifest.json"))
    assert listed["RepoTags"] == ["docker.io/library/ours:latest"]
    assert listed["Config"] == image_id(layout).removeprefix("sha256:") + ".json"
    assert take(store, f"docker-archive:{path}:ours").diff_ids == store.import_layout(layout, "other").diff_ids
    run("skopeo", "copy", f"docker-archive:{path}", f"dir:{tmp_path}/dir")


def test_a_layout_for_umoci_beside_its_own_images(layout, tmp_path):
    images = tmp_path / "images"
    run("umoci", "init", "--layout", images)
    run("umoci", "new", "--image", f"{images}:theirs")
    index = json.loads((images / "index.json").read_text())
    index["manifests"][0]["annotations"]["what.only.they"] = "know"
    index["annotations"] = {"of": "them"}
    (images / "index.json").write_text(json.dumps(index))
    for _ in range(2):
        copy(layout, f"oci:{images}:ours")
    assert run("umoci", "list", "--layout", images).split() == ["theirs", "ours"]
    now = json.loads((images / "index.json").read_text())
    assert now["manifests"].pop()["digest"] == top_of(layout).digest
    assert now == index
    run("umoci", "unpack", "--image", f"{images}:ours", tmp_path / "bundle")
    assert (tmp_path / "bundle" / "rootfs" / "said").read_text() == "upper\n"
    assert run("umoci", "stat", "--image", f"{images}:theirs")


def test_a_new_layout_and_a_folder_that_is_none(layout, tmp_path):
    copy(layout, f"oci:{tmp_path}/new/images")
    assert blobs(open_source(f"oci:{tmp_path}/new/images:latest")) == blobs(open_source(f"oci:{layout}"))
    assert os.stat(tmp_path / "new/images/blobs/sha256").st_mode & 0o777 == 0o755
    with pytest.raises(ImageError, match="is not an OCI image layout"):
        copy(layout, f"oci:{tmp_path}")


def test_dockers_manifest_stays_dockers(store, layout, place, tmp_path):
    push(layout, f"{place}:1", docker_format=True)
    image = store.pull(f"{place}:1")
    images = tmp_path / "root" / "images"
    assert copy(images, f"docker://{place}:2") == image.digest
    assert "docker.distribution.manifest.v2" in run(
        "skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{place}:2"
    )
    for name in (f"oci:{tmp_path}/out:v1", f"oci-archive:{tmp_path}/out.tar:v1"):
        assert copy(images, name) == image.digest
        assert blobs(open_source(name)) == blobs(open_source(f"oci:{images}"))
    copy(images, f"docker-archive:{tmp_path}/d.tar:x")
    assert take(store, f"docker-archive:{tmp_path}/d.tar").diff_ids == image.diff_ids


# ---- to a registry ----


class Recording(NetworkTransport):
    """What was asked of a registry: "METHOD PATH" and the size of the body."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def request(self, method, url, headers, body=None):
        self.asked.append((method, "/" + url.split("/", 3)[3], headers))
        return super().request(method, url, headers, body)

    def methods(self):
        return [method for method, _, _ in self.asked if method not in ("HEAD",)]


def push_out(layout, name, source=None, transport=None):
    reference = references.parse(name)
    repository = Repository(reference, push=True, transport=transport)
    with closing(upload.RegistryDestination(reference, repository, source and references.parse(source))) as destination:
        return copy_out(Layout(str(layout)), top_of(layout), destination, Silent())


def test_a_push_that_podman_pulls_and_runs(podman, layout, place):
    assert copy(layout, f"docker://{place}:1") == top_of(layout).digest
    assert (
        json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{place}:1"))["Digest"]
        == top_of(layout).digest
    )
    podman.run("pull", "-q", "--tls-verify=false", f"{place}:1")
    assert podman.run("run", "--rm", "--network", "none", f"{place}:1") == "upper"


def test_pushed_pulled_and_pushed_again(store, layout, place, tmp_path):
    copy(layout, f"docker://{place}:1")
    image = store.pull(f"{place}:1")
    assert image.digest == top_of(layout).digest
    assert copy(tmp_path / "root" / "images", f"docker://{place}/other:2") == image.digest
    assert store.pull(f"{place}/other@{image.digest}").config == image.config


def test_what_is_there_is_not_sent_again(layout, place):
    first, second, third = Recording(), Recording(), Recording()
    push_out(layout, f"{place}:1", transport=first)
    assert sorted(first.methods()) == sorted(["POST", "PUT"] * 5 + ["PUT"])  # 4 layers, configuration, manifest
    push_out(layout, f"{place}:2", transport=second)
    assert second.methods() == ["PUT"]
    push_out(layout, f"{place}/copy:1", source=f"{place}:1", transport=third)
    assert sorted(third.methods()) == ["POST"] * 5 + ["PUT"]
    run("skopeo", "inspect", "--tls-verify=false", f"docker://{place}/copy:1")


def test_a_mount_that_the_registry_does_not_do_is_a_push(layout, place):
    transport = Recording()
    push_out(layout, f"{place}:1", source=f"{place}/nothing:1", transport=transport)
    assert transport.methods().count("PUT") == 6


def test_a_push_by_digest(layout, place):
    right = top_of(layout).digest
    assert push_out(layout, f"{place}@{right}") == right
    with pytest.raises(ImageError, match=f"its manifest is {right}, and cannot be pushed as sha256:abab"):
        push_out(layout, f"{place}@sha256:{'ab' * 32}")


def test_a_large_blob_goes_in_pieces(monkeypatch, place, tmp_path):
    monkeypatch.setattr(upload, "WHOLE", 1 << 20)
    monkeypatch.setattr(upload, "PIECE", 400_000)
    layout = make_layout(tmp_path / "layout", [[entry("noise", os.urandom(1_500_000))]], compress="none")
    transport = Recording()
    push_out(layout, f"{place}:1", transport=transport)
    ranges = [headers["Content-Range"] for method, _, headers in transport.asked if method == "PATCH"]
    assert ranges == ["0-399999", "400000-799999", "800000-1199999"]
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{place}:1", f"dir:{tmp_path}/copied")
    assert digest((tmp_path / "copied" / "manifest.json").read_bytes()) == top_of(layout).digest


class CuttingProxy:
    """A proxy before a registry that cuts a connection once, when so many bytes went to the registry."""

    def __init__(self, address, after):
        self.target, self.after, self.cut, self.total = address, after, 0, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            host, port = self.target.split(":")
            upstream = socket.create_connection((host, int(port)))
            threading.Thread(target=self.pump, args=(client, upstream, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(upstream, client, False), daemon=True).start()

    def pump(self, source, target, counted):
        try:
            while data := source.recv(65536):
                self.total += len(data) if counted else 0
                target.sendall(data)
                if counted and not self.cut and self.total > self.after:
                    self.cut += 1
                    time.sleep(0.1)  # what was sent is to arrive
                    break
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def close(self):
        self.server.close()


@pytest.mark.parametrize("whole", [1 << 20, 8 << 20])
def test_a_push_over_a_connection_that_breaks(registry, monkeypatch, tmp_path, whole):
    monkeypatch.setattr(upload, "WHOLE", whole)
    monkeypatch.setattr(upload, "PIECE", 500_000)
    layout = make_layout(tmp_path / "layout", [[entry("noise", os.urandom(4_000_000))]], compress="none")
    with closing(CuttingProxy(registry.address, 1_700_000)) as proxy:
        transport = Recording()
        push_out(layout, f"{proxy.address}/cut{whole}/image:1", transport=transport)
        assert proxy.cut == 1
    run(
        "skopeo",
        "copy",
        "--src-tls-verify=false",
        f"docker://{registry.address}/cut{whole}/image:1",
        f"dir:{tmp_path}/copied",
    )
    sent = sum(int(headers.get("Content-Length", 0)) for method, _, headers in transport.asked if method == "PATCH")
    assert sent < 8_000_000


# ---- plain file systems ----


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
    code = "import sys; from podwright.images.source import open_source; open_source('rootfs:' + sys.argv[1]).top()"
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


# ---- archives that are not finished ----


def test_an_archive_takes_the_place_of_the_old_one_at_its_end(layout, tmp_path):
    path = tmp_path / "archive.tar"
    path.write_text("old")
    destination = open_destination(f"oci-archive:{path}")
    assert path.read_text() == "old"
    destination.close()
    assert os.listdir(tmp_path) == ["archive.tar"]
    copy(layout, f"oci-archive:{path}")
    assert path.read_bytes()[:5] == b"blobs"
    assert os.listdir(tmp_path) == ["archive.tar"]


def test_a_copy_that_fails_leaves_the_old_archive(layout, tmp_path):
    shutil.copytree(layout, tmp_path / "layout")
    for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        if path.read_bytes()[:2] == b"\x1f\x8b":
            data = path.read_bytes()
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (tmp_path / "archive.tar").write_text("old")
    for form, reason in (("oci-archive", "has other content"), ("docker-archive", "gzip stream is damaged")):
        with pytest.raises(ImageError, match=reason):
            copy(tmp_path / "layout", f"{form}:{tmp_path}/archive.tar")
    assert sorted(os.listdir(tmp_path)) == ["archive.tar", "layout"]
    assert (tmp_path / "archive.tar").read_text() == "old"


def test_the_next_copy_removes_what_a_killed_one_left(layout, tmp_path):
    script = (
        "import sys, time; from podwright.images.destination import open_destination\n"
        "open_destination('oci-archive:' + sys.argv[1]); print('open', flush=True); time.sleep(60)"
    )
    path = tmp_path / "archive.tar"
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        copy(layout, f"oci-archive:{path}")
        assert len(os.listdir(tmp_path)) == 2  # the other's file stays while it lives
        process.send_signal(signal.SIGKILL)
    copy(layout, f"oci-archive:{path}")
    assert os.listdir(tmp_path) == ["archive.tar"]


def test_a_module_goes_everywhere_but_into_a_docker_archive(place, tmp_path):
    """A WebAssembly artifact, as wasm-to-oci and CNCF's layout have it."""
    module = b"\0asm\1\0\0\0"
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    config = {"os": "wasip1", "architecture": "wasm", "layerDigests": [digest(module)]}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": put_blob(layout, json.dumps(config).encode(), "application/vnd.wasm.config.v0+json"),
        "layers": [put_blob(layout, module, "application/wasm")],
    }
    top = put_blob(layout, json.dumps(manifest).encode(), MANIFEST_TYPE)
    write_index(layout, [top])
    copy(layout, f"docker://{place}:1")
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{place}:1", f"dir:{tmp_path}/dir")
    copy(layout, f"oci-archive:{tmp_path}/archive.tar")
    assert blobs(open_source(f"oci-archive:{tmp_path}/archive.tar"))[digest(module)] == module
    with pytest.raises(ImageError, match="a docker-archive has no place for application/"):
        copy(layout, f"docker-archive:{tmp_path}/d.tar")
