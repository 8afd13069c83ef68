# SPDX-License-Identifier: Apache-2.0
import fcntl
import json
import os

import pytest

from podwright.errors import ImageError
from podwright.images.documents import OCI_MANIFEST, Descriptor, digest_of
from podwright.images.formats.source import LayoutSource
from podwright.images.layout import NAME, Entry, Layout


@pytest.fixture
def layout(tmp_path):
    layout = Layout(str(tmp_path / "images"))
    layout.create()
    return layout


def descriptor(data):
    return Descriptor(OCI_MANIFEST, digest_of(data), len(data))


def blobs(layout):
    return os.listdir(os.path.join(layout.root, "blobs", "sha256"))


def test_a_new_layout_is_valid_and_stays_when_made_again(layout):
    layout.check()
    layout.create()
    assert layout.entries() == []
    with open(os.path.join(layout.root, "index.json")) as file:
        assert json.load(file)["schemaVersion"] == 2


def test_a_blob_goes_in_and_out(layout):
    data = b"x" * 1000
    layout.add(descriptor(data), iter([data[:1], data[1:]]))
    assert layout.has(descriptor(data))
    assert layout.read(digest_of(data)) == data
    assert b"".join(layout.chunks(digest_of(data))) == data
    layout.add(descriptor(data), iter([data]))  # once more: the same name, the same content
    assert blobs(layout) == [digest_of(data).removeprefix("sha256:")]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"abd", "other content"), (b"ab", "2 bytes instead of 3"), (b"abcd", "longer than the 3 bytes")],
)
def test_a_blob_that_is_not_what_it_should_be_never_enters(layout, sent, reason):
    with pytest.raises(ImageError, match=reason):
        layout.add(descriptor(b"abc"), iter([sent]))
    assert blobs(layout) == []


def test_an_endless_blob_is_cut_off(layout):
    def endless():
        while True:
            yield b"x" * 1000

    with pytest.raises(ImageError, match="longer"):
        layout.add(descriptor(b"abc"), endless())
    assert blobs(layout) == []


def test_a_damaged_blob_counts_as_missing(layout):
    layout.add(descriptor(b"abc"), iter([b"abc"]))
    assert not layout.is_damaged(digest_of(b"abc"))
    with open(layout.blob_path(digest_of(b"abc")), "wb") as file:
        file.write(b"abd")
    assert layout.read(digest_of(b"abc")) is None
    assert layout.is_damaged(digest_of(b"abc"))
    layout.discard(digest_of(b"abc"))
    layout.discard(digest_of(b"abc"))
    assert layout.read(digest_of(b"abc")) is None


def test_what_a_dead_process_left_goes_and_what_a_live_one_writes_stays(layout):
    folder = os.path.join(layout.root, "blobs", "sha256")
    with open(os.path.join(folder, ".tmp-live"), "wb") as live, open(os.path.join(folder, ".tmp-dead"), "wb"):
        fcntl.flock(live, fcntl.LOCK_EX)
        layout.add(descriptor(b"abc"), iter([b"abc"]))
        assert sorted(blobs(layout)) == [".tmp-live", digest_of(b"abc").removeprefix("sha256:")]


def test_a_name_has_one_image(layout):
    for data, name in ((b"1", "a:1"), (b"2", "b:1"), (b"3", "a:1")):
        layout.record(Entry(descriptor(data), {NAME: name}))
    found = layout.find("a:1")
    assert found is not None
    assert found.descriptor == descriptor(b"3")
    assert [entry.annotations[NAME] for entry in layout.entries()] == ["b:1", "a:1"]
    assert layout.find("c:1") is None


def test_no_layout_has_no_entries(tmp_path):
    assert Layout(str(tmp_path / "none")).entries() == []


@pytest.mark.parametrize("content", ["", "[]", '{"manifests": {}}', '{"manifests": [1]}', '{"manifests": [{}]}'])
def test_a_broken_index_is_an_image_error(layout, content):
    with open(os.path.join(layout.root, "index.json"), "w") as file:
        file.write(content)
    with pytest.raises(ImageError):
        layout.entries()


def foreign(layout, *names):
    for name in names:
        data = name.encode()
        layout.add(descriptor(data), iter([data]))
        layout.record(Entry(descriptor(data), {NAME: name}))
    return layout.root


def test_the_only_image_of_a_foreign_layout_needs_no_name(layout):
    path = foreign(layout, "v1")
    assert LayoutSource(path).top() == b"v1"
    assert LayoutSource(path, "v1").top() == b"v1"
    with pytest.raises(ImageError, match=r"no images 'v2' \(there are: v1\)"):
        LayoutSource(path, "v2").top()


def test_one_of_several_images_must_be_named(layout):
    path = foreign(layout, "v1", "v2")
    assert LayoutSource(path, "v2").top() == b"v2"
    with pytest.raises(ImageError, match=r"2 images, so name one as PATH:NAME \(there are: v1, v2\)"):
        LayoutSource(path).top()


def test_a_folder_that_is_no_layout(tmp_path):
    with pytest.raises(ImageError, match="not an OCI image layout"):
        LayoutSource(str(tmp_path)).top()
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    with pytest.raises(ImageError, match="another version"):
        LayoutSource(str(tmp_path)).top()


def test_a_foreign_layout_with_a_missing_blob(layout):
    path = foreign(layout, "v1")
    layout.discard(digest_of(b"v1"))
    with pytest.raises(ImageError, match="missing or damaged"):
        LayoutSource(path).top()
    with pytest.raises(ImageError, match="is missing"):
        next(LayoutSource(path).blob(descriptor(b"v1")))


def test_a_blob_is_not_taken_for_a_dead_process_at_its_last_step(layout, monkeypatch):
    """Whoever cleans up just before the rename must find the temporary file in use."""
    rename = os.rename

    def rename_late(source, target):
        monkeypatch.setattr(os, "rename", rename)
        layout.add(descriptor(b"other"), iter([b"other"]))
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_late)
    layout.add(descriptor(b"blob"), iter([b"blob"]))
    assert layout.has(descriptor(b"blob"))
