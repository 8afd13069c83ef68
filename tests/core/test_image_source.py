# SPDX-License-Identifier: Apache-2.0
"""Where images come from and go to: the names of places, and what is in an archive."""

import gzip
import io
import json
import os
import tarfile
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import HostError, ImageError
from podwright.images.documents import CONFIGS, DOCKER_MANIFEST, LAYERS, OCI_MANIFEST, Descriptor, digest_of
from podwright.images.formats.destination import copy_out, open_destination
from podwright.images.formats.source import open_source, split_path
from podwright.images.layout import NAME, Entry, Layout
from podwright.images.progress import Silent

CONFIG = json.dumps({"rootfs": {"diff_ids": [digest_of(b"one"), digest_of(b"two")]}}).encode()


def make_tar(path, members):
    """An archive of files, and of links where the content is a text."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return str(path)


def listed(*images):
    return json.dumps([dict(zip(("Config", "RepoTags", "Layers"), image, strict=True)) for image in images]).encode()


def read(source):
    """The manifest that a source has, and its blobs by digest."""
    with closing(source):
        manifest = json.loads(source.top())
        parts = [manifest["config"], *manifest["layers"]]
        return manifest, [
            b"".join(source.blob(Descriptor(*(part[key] for key in ("mediaType", "digest", "size"))))) for part in parts
        ]


# ---- names of places ----


@pytest.mark.parametrize("text", ["", "busybox", "docker://busybox", "oci", "oci:", "dir:/x", "rootfs:"])
def test_what_names_no_image(text):
    with pytest.raises(
        ImageError, match="names no image: it must begin with one of oci:, oci-archive:, docker-archive:, rootfs: and"
    ):
        open_source(text)


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive", "rootfs"])
def test_what_is_not_there(transport, tmp_path):
    with pytest.raises(
        ImageError, match=rf"there is no file or folder '{tmp_path}/none.*' \(asked for was '{tmp_path}/none:1'\)"
    ):
        open_source(f"{transport}:{tmp_path}/none:1")


@pytest.mark.parametrize(
    "text", ["", "busybox", "docker:busybox", "oci:", "oci-archive:", "docker-archive::x", "rootfs:/x"]
)
def test_what_names_no_place(text):
    with pytest.raises(ImageError, match=r"names no place for an image: it must be one of docker://REFERENCE, oci:DIR"):
        open_destination(text)


def test_a_path_may_have_colons(tmp_path):
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a").mkdir()
    assert split_path(f"{tmp_path}/a:b") == (f"{tmp_path}/a:b", "")
    assert split_path(f"{tmp_path}/a:c") == (f"{tmp_path}/a", "c")
    assert split_path(f"{tmp_path}/a:docker.io/x:1") == (f"{tmp_path}/a", "docker.io/x:1")
    assert split_path(f"{tmp_path}/new:docker.io/x:1") == (f"{tmp_path}/new", "docker.io/x:1")
    assert split_path(f"{tmp_path}/new") == (f"{tmp_path}/new", "")


# ---- docker-archive ----


def test_a_docker_archive_gets_dockers_manifest(tmp_path):
    path = make_tar(
        tmp_path / "a.tar",
        {
            "c.json": CONFIG,
            "1/layer.tar": b"one",
            "2": b"two",
            "manifest.json": listed(("c.json", ["x:1"], ["1/layer.tar", "2"])),
        },
    )
    manifest, blobs = read(open_source(f"docker-archive:{path}"))
    assert manifest["mediaType"] == DOCKER_MANIFEST
    assert manifest["config"]["mediaType"] == CONFIGS[1]
    assert [layer["mediaType"] for layer in manifest["layers"]] == ["application/vnd.docker.image.rootfs.diff.tar"] * 2
    assert [layer["digest"] for layer in manifest["layers"]] == [digest_of(b"one"), digest_of(b"two")]
    assert blobs == [CONFIG, b"one", b"two"]


def test_layers_of_an_old_archive_are_links_and_come_twice(tmp_path):
    config = json.dumps({"rootfs": {"diff_ids": [digest_of(b"one")] * 3}}).encode()
    members = {"1/layer.tar": "../2/layer.tar", "2/layer.tar": b"one", "c.json": config}
    path = make_tar(
        tmp_path / "a.tar",
        members | {"manifest.json": listed(("c.json", None, ["1/layer.tar", "2/layer.tar", "1/layer.tar"]))},
    )
    manifest, blobs = read(open_source(f"docker-archive:{path}"))
    assert len({layer["digest"] for layer in manifest["layers"]}) == 1
    assert blobs == [config, b"one", b"one", b"one"]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: b"\x28\xb5\x2f\xfd" + data])
def test_a_compressed_layer_keeps_its_compression(tmp_path, pack):
    config = json.dumps({"rootfs": {"diff_ids": [digest_of(b"one")]}}).encode()
    blob = pack(b"one")
    path = make_tar(tmp_path / "a.tar", {"c": config, "l": blob, "manifest.json": listed(("c", [], ["l"]))})
    manifest, blobs = read(open_source(f"docker-archive:{path}"))
    assert manifest["layers"][0]["digest"] == digest_of(blob)
    assert manifest["layers"][0]["mediaType"] in LAYERS
    assert manifest["layers"][0]["mediaType"].endswith((".gzip", ".zstd"))
    assert blobs[1] == blob


@pytest.mark.parametrize("name", ["busybox", "busybox:latest", "docker.io/library/busybox:latest"])
def test_names_are_compared_in_full(tmp_path, name):
    other = json.dumps({"rootfs": {}}).encode()
    images = listed(
        ("other.json", ["quay.io/x:1", "not a reference"], []), ("c.json", ["busybox:latest", "b:2"], ["1", "2"])
    )
    path = make_tar(
        tmp_path / "a.tar", {"other.json": other, "c.json": CONFIG, "1": b"one", "2": b"two", "manifest.json": images}
    )
    assert read(open_source(f"docker-archive:{path}:{name}"))[1][0] == CONFIG
    assert read(open_source(f"docker-archive:{path}:quay.io/x:1"))[1] == [other]
    with pytest.raises(
        ImageError,
        match=r"2 images, so name one as PATH:NAME \(there are: b:2, busybox:latest, not a reference, quay.io/x:1\)",
    ):
        open_source(f"docker-archive:{path}").top()
    with pytest.raises(ImageError, match=r"has no images docker\.io/library/c:latest \(there are: b:2, "):
        open_source(f"docker-archive:{path}:c").top()
    with pytest.raises(ImageError, match="not a valid image reference"):
        open_source(f"docker-archive:{path}:C").top()


GOOD = listed(("c.json", ["x:1"], ["1", "2"]))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "it is empty"),
        ({"x": b""}, "it is nothing that docker save wrote, it has no manifest.json"),
        ({"manifest.json": b"<html>"}, "its manifest.json is no list of images"),
        ({"manifest.json": b"[" * 100_000}, "its manifest.json is no list of images"),
        ({"manifest.json": b"{}"}, "its manifest.json is no list of images"),
        ({"manifest.json": b"[1]"}, "its manifest.json is no list of images"),
        ({"manifest.json": listed((1, [], []))}, "its manifest.json is no list of images"),
        ({"manifest.json": listed(("c", {"x": 1}, []))}, "its manifest.json is no list of images"),
        ({"manifest.json": listed(("c", [], [None]))}, "its manifest.json is no list of images"),
        ({"manifest.json": bytes(5 << 20)}, "its manifest.json of 5242880 bytes is over the limit"),
        ({"manifest.json": GOOD}, "its configuration 'c.json' is missing"),
        ({"manifest.json": GOOD, "c.json": CONFIG, "1": b"one"}, "its layer '2' is missing"),
        ({"manifest.json": GOOD, "c.json": CONFIG, "1": b"one", "2": "../2"}, r"its link to '\.\./2' leads out"),
        ({"manifest.json": GOOD, "c.json": CONFIG, "1": b"one", "2": "/etc/passwd"}, "'/etc/passwd' leads out"),
        ({"manifest.json": GOOD, "c.json": b'{"rootfs": {"diff_ids": ["../x", "y"]}}'}, "no valid rootfs.diff_ids"),
        ({"manifest.json": GOOD, "c.json": b'{"rootfs": {"diff_ids": []}}'}, "it has 2 layers and 0 diff_ids"),
        ({"manifest.json": listed(("../c", [], [])), "c": CONFIG}, "its configuration '../c' is missing"),
    ],
)
def test_what_is_no_docker_archive(tmp_path, members, reason):
    path = make_tar(tmp_path / "a.tar", members)
    if not members:
        (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(ImageError, match=f"the archive {path} cannot be used: .*{reason}"):
        open_source(f"docker-archive:{path}").top()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["c", "1", "", "x:1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Config", "RepoTags", "Layers", "rootfs", "diff_ids"]), inner)
    ),
)


@given(JSON, JSON)
def test_no_documents_make_more_than_an_image_error(tmp_path_factory, listing, config):
    members = {"manifest.json": json.dumps(listing).encode(), "c": json.dumps(config).encode(), "1": b"one"}
    source = open_source(f"docker-archive:{make_tar(tmp_path_factory.mktemp('archive') / 'a.tar', members)}")
    try:
        source.top()
    except ImageError:
        pass
    finally:
        source.close()


# ---- oci-archive ----


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"x": b""}, "it is no OCI archive, it has no oci-layout and index.json"),
        ({"oci-layout": b'{"imageLayoutVersion": "2.0.0"}', "index.json": b"{}"}, "of another version"),
        (
            {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": b"{}"},
            "its index.json is damaged .it has no list",
        ),
        (
            {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": b'{"manifests": []}'},
            "0 images.*there are: none",
        ),
    ],
)
def test_what_is_no_oci_archive(tmp_path, members, reason):
    path = make_tar(tmp_path / "a.tar", members)
    with pytest.raises(ImageError, match=f"{path} .*{reason}"):
        open_source(f"oci-archive:{path}").top()


@pytest.fixture
def layout(tmp_path):
    """A layout of one image of two layers, the lower one twice."""
    layout = Layout(str(tmp_path / "layout"))
    layout.create()
    blobs = {"one": b"one", "two": b"two"}
    config = json.dumps({"rootfs": {"diff_ids": [digest_of(blobs[name]) for name in ("one", "two", "one")]}}).encode()
    about = {
        name: {"mediaType": LAYERS[0], "digest": digest_of(data), "size": len(data)} for name, data in blobs.items()
    }
    for data in (config, *blobs.values()):
        layout.add(Descriptor("", digest_of(data), len(data)), iter([data]))
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": CONFIGS[0], "digest": digest_of(config), "size": len(config)},
    }
    manifest = json.dumps(document | {"layers": [about[name] for name in ("one", "two", "one")]}).encode()
    descriptor = Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest))
    layout.add(descriptor, iter([manifest]))
    layout.record(Entry(descriptor, {NAME: "it"}))
    return layout


class Watcher(Silent):
    """Adds up what it is told."""

    def __init__(self):
        self.sizes, self.moved, self.ended = {}, {}, []

    def begin(self, digest, size):
        self.sizes[digest] = size

    def advance(self, digest, size):
        self.moved[digest] = self.moved.get(digest, 0) + size

    def done(self, digest):
        self.ended.append(digest)


def copy(layout, text, progress=None):
    with closing(open_destination(text)) as destination:
        return copy_out(layout, layout.entries()[0].descriptor, destination, progress or Silent())


@pytest.mark.parametrize("form", ["oci:{}/out", "oci:{}/out:v1", "oci-archive:{}/out", "docker-archive:{}/out:x"])
def test_a_copy_has_what_the_image_has(layout, tmp_path, form):
    place = form.format(tmp_path)
    watcher = Watcher()
    assert copy(layout, place, watcher) == layout.entries()[0].descriptor.digest
    theirs, ours = read(open_source(place)), read(open_source(f"oci:{layout.root}"))
    assert theirs[1] == ours[1]
    assert theirs[0] == ours[0] or "docker" in form
    assert watcher.sizes == watcher.moved
    assert sorted(watcher.ended) == sorted(watcher.sizes)
    assert len(watcher.ended) == 3
    again = Watcher()
    copy(layout, place, again)
    assert again.moved == watcher.moved


def test_a_docker_archive_is_not_named_by_a_digest(layout, tmp_path):
    with pytest.raises(ImageError, match="a docker-archive names images by a tag, not by a digest"):
        copy(layout, f"docker-archive:{tmp_path}/a.tar:x@sha256:{'ab' * 32}")
    copy(layout, f"docker-archive:{tmp_path}/a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.loads(manifest.read())[0]["RepoTags"] == []


def test_layers_that_the_configuration_does_not_know(layout, tmp_path):
    entry = layout.entries()[0].descriptor
    document = json.loads(layout.read(entry.digest) or b"")
    document["layers"].reverse()
    document["layers"].pop()
    data = json.dumps(document).encode()
    other = Descriptor(OCI_MANIFEST, digest_of(data), len(data))
    layout.add(other, iter([data]))
    with closing(open_destination(f"docker-archive:{tmp_path}/a.tar")) as destination:
        with pytest.raises(
            ImageError, match=f"the layers of {other.digest} are not those that its configuration names"
        ):
            copy_out(layout, other, destination, Silent())
    assert os.listdir(tmp_path) == ["layout"]


@pytest.mark.parametrize("form", ["oci:{}/out", "oci-archive:{}/out", "docker-archive:{}/out"])
def test_a_blob_that_is_missing(layout, tmp_path, form):
    layout.discard(digest_of(b"two"))
    with pytest.raises(ImageError, match=f"its blob {digest_of(b'two')} is missing from the store: pull it again"):
        copy(layout, form.format(tmp_path))
    layout.discard(layout.entries()[0].descriptor.digest)
    with pytest.raises(ImageError, match=r"its manifest sha256:\w+ is missing from the store, or damaged"):
        copy(layout, form.format(tmp_path))


def test_a_place_that_cannot_be_written(layout, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match=r"file: Not a directory"):
        copy(layout, f"oci-archive:{tmp_path}/file/a.tar")
    with pytest.raises(ImageError, match="file is not an OCI image layout"):
        copy(layout, f"oci:{tmp_path}/file")
    with pytest.raises(HostError, match=r"file/out cannot be made a layout: .*: Not a directory"):
        copy(layout, f"oci:{tmp_path}/file/out")


def test_an_index_of_others_that_is_damaged_stays(layout, tmp_path):
    copy(layout, f"oci:{tmp_path}/out")
    (tmp_path / "out" / "index.json").write_text("{}")
    with pytest.raises(ImageError, match=r"out/index\.json is damaged"):
        copy(layout, f"oci:{tmp_path}/out:other")
    assert (tmp_path / "out" / "index.json").read_text() == "{}"
