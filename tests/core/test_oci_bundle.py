# SPDX-License-Identifier: Apache-2.0
"""Bundles: what is read from the disk before anything is made."""

import json
import os

import pytest

from podwright.errors import ManifestError
from podwright.oci.bundle import MAX_CONFIG, load_bundle
from podwright.oci.default_spec import default_spec


@pytest.fixture
def bundle(tmp_path):
    """Make a bundle from a configuration, or from the text of one."""

    def make(content=None):
        (tmp_path / "rootfs").mkdir(exist_ok=True)
        text = content if isinstance(content, bytes) else json.dumps(content or default_spec()).encode()
        (tmp_path / "config.json").write_bytes(text)
        return tmp_path

    return make


def with_root(path):
    return default_spec() | {"root": {"path": path}}


def test_a_bundle(bundle):
    path = bundle()
    found = load_bundle(f"{path}/rootfs/..")
    assert found.path == str(path)
    assert found.rootfs == f"{path}/rootfs"
    assert found.spec == default_spec()
    assert json.loads(found.text) == found.spec


def test_a_relative_path(bundle, monkeypatch):
    monkeypatch.chdir(bundle())
    assert load_bundle(".").path == os.getcwd()


def test_a_root_elsewhere(bundle, tmp_path):
    (tmp_path / "other").mkdir()
    for path in (f"{tmp_path}/other", f"{tmp_path}/other/", "rootfs/../other", "./other"):
        assert load_bundle(str(bundle(with_root(path)))).rootfs == f"{tmp_path}/other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is not JSON: a value was expected at character 0"),
        (b"{} {}", "is not JSON: more text follows"),
        (b'{"a": NaN}', "is not JSON: NaN is not JSON"),
        (b"\xff\xfe{}", "is not JSON: "),
        (b"[" * 100_000, "is not JSON: it is nested too deeply"),
        (b'{"ociVersion": ' + b"1" * 5000 + b"}", "is not JSON: "),
        (b"[]", " is [], but must be an object"),
        (b"{}", "ociVersion is missing"),
        (b" " * (MAX_CONFIG + 1), f"but may have {MAX_CONFIG} at most"),
    ],
    ids=["empty", "two", "NaN", "no UTF-8", "deep", "number", "list", "nothing", "long"],
)
def test_files_that_are_refused(bundle, text, reason):
    with pytest.raises(ManifestError) as caught:
        load_bundle(str(bundle(text)))
    assert reason in caught.value.message


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_configuration_that_is_no_file(tmp_path, make):
    make(tmp_path / "config.json")
    with pytest.raises(ManifestError, match=r"config\.json is no regular file"):
        load_bundle(str(tmp_path))


def test_a_missing_configuration(tmp_path):
    with pytest.raises(ManifestError, match=r"cannot read .*/config\.json: No such file or directory"):
        load_bundle(str(tmp_path))


@pytest.mark.parametrize("path", ["", "/nowhere", "/dev/null", "a\0b"])
def test_a_bundle_that_is_no_directory(path):
    with pytest.raises(ManifestError) as caught:
        load_bundle(path)
    assert caught.value.field == "bundle"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "root.path is empty"),
        ("nothing", "is no directory"),
        ("config.json", "is no directory"),
        ("link", "is a symlink; give its target"),
        ("link/", "is a symlink; give its target"),
        ("/", "is the root of the host"),
        ("/usr/..", "is the root of the host"),
    ],
)
def test_roots_that_are_refused(bundle, path, reason):
    folder = bundle(with_root(path))
    (folder / "link").symlink_to("rootfs")
    with pytest.raises(ManifestError) as caught:
        load_bundle(str(folder))
    assert reason in caught.value.message
    assert caught.value.field == "root.path"
