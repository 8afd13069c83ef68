# SPDX-License-Identifier: Apache-2.0
"""Volumes on the host: what is checked, what is made, and the memory that containers share."""

import os
import socket
from typing import Any

import pytest

from podwright.errors import HostError
from podwright.pods import volumes


def host_path(path: object, kind: str = "") -> list[dict[str, Any]]:
    return [{"name": "v", "hostPath": {"path": str(path), **({"type": kind} if kind else {})}}]


@pytest.fixture
def places(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("folder")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("folder", ""),
        ("folder", "Directory"),
        ("link", "Directory"),
        ("file", "File"),
        ("file", "FileOrCreate"),
        ("socket", "Socket"),
        ("missing", ""),
        ("missing", "DirectoryOrCreate"),
        ("missing", "FileOrCreate"),
    ],
)
def test_what_can_be_mounted_passes_and_is_not_touched(places, name, kind):
    before = sorted(os.listdir(places))
    volumes.check(host_path(places / name, kind))
    assert sorted(os.listdir(places)) == before


@pytest.mark.parametrize(
    ("name", "kind", "field", "reason"),
    [
        ("file", "Directory", "type", "is not a directory"),
        ("file", "DirectoryOrCreate", "type", "is not a directory"),
        ("folder", "FileOrCreate", "type", "is not a file"),
        ("folder", "Socket", "type", "is not a socket"),
        ("file", "CharDevice", "type", "is not a character device"),
        ("file", "BlockDevice", "type", "is not a block device"),
        ("missing", "Directory", "path", "cannot be used: No such file or directory"),
        ("missing", "Socket", "path", "cannot be used: No such file or directory"),
        ("file/below", "DirectoryOrCreate", "path", "cannot be used: Not a directory"),
    ],
)
def test_what_cannot_be_mounted_is_named(places, name, kind, field, reason):
    with pytest.raises(HostError, match=reason) as caught:
        volumes.check(host_path(places / name, kind))
    assert caught.value.field == f"spec.volumes[v].hostPath.{field}"


@pytest.mark.parametrize("umask", [0, 0o77])
def test_what_is_made_has_kubernetes_modes_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        volumes.make(host_path(tmp_path / "a/b", "DirectoryOrCreate"), "/none")
        volumes.make(host_path(tmp_path / "c"), "/none")
        volumes.make(host_path(tmp_path / "file", "FileOrCreate"), "/none")
        volumes.make([{"name": "data", "emptyDir": {}}], str(tmp_path / "pod"))
    finally:
        os.umask(before)
    modes = {name: (tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b", "c", "file", "pod/volumes/data")}
    assert modes == {"a": 0o755, "a/b": 0o755, "c": 0o755, "file": 0o644, "pod/volumes/data": 0o777}


def test_a_file_needs_its_folder(tmp_path):
    with pytest.raises(HostError, match=r"^cannot make the host path .*: No such file or directory"):
        volumes.make(host_path(tmp_path / "a/file", "FileOrCreate"), "/none")


def test_what_is_there_stays(places):
    volumes.make(host_path(places / "file", "Socket"), "/none")
    (places / "pod/volumes/data").mkdir(parents=True)
    (places / "pod/volumes/data/kept").touch()
    volumes.make([{"name": "data", "emptyDir": {}}], str(places / "pod"))
    assert (places / "pod/volumes/data/kept").exists()


@pytest.mark.parametrize(
    ("limit", "pod_limit", "size"),
    [
        (None, None, 0),
        ("1Mi", None, 1 << 20),
        (None, 1 << 20, 1 << 20),
        ("2Mi", 1 << 20, 1 << 20),
        ("1Ki", 1 << 20, 1024),
    ],
)
def test_memory_is_bounded_by_its_limit_and_the_pods(limit, pod_limit, size):
    empty = {"medium": "Memory", **({"sizeLimit": limit} if limit else {})}
    given = [{"name": "fast", "emptyDir": empty}, {"name": "slow", "emptyDir": {}}, *host_path("/x")]
    assert volumes.shared_memory(given, pod_limit) == [{"path": "volumes/fast", "size": size}]
