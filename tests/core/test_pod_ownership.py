# SPDX-License-Identifier: Apache-2.0
"""Volumes given to a pod's group."""

import os
import stat
from pathlib import Path

import pytest

from podwright.errors import HostError
from podwright.pods import ownership, volumes

GROUP = os.getgid()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "volume"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").write_text("x")
    (top / "tool").write_text("x")
    (top / "outside").write_text("x")
    (tmp_path / "host").write_text("x")
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/file").write_text("x")
    (top / "a/link").symlink_to(tmp_path / "host")
    (top / "a/links").symlink_to(tmp_path / "hosts")
    for path, mode in (("a", 0o755), ("a/b", 0o700), ("a/b/file", 0o600), ("tool", 0o4755), ("../host", 0o600)):
        (top / path).chmod(mode)
    (tmp_path / "hosts").chmod(0o700)
    top.chmod(0o777)
    return top


def modes(tree: Path, *paths: str) -> list[str]:
    return [oct(stat.S_IMODE((tree / path).stat().st_mode)) for path in paths]


def test_a_group_may_write_and_hands_itself_down(tree: Path) -> None:
    ownership.give(str(tree), GROUP)
    assert modes(tree, ".", "a", "a/b") == ["0o2777", "0o2775", "0o2770"]
    assert modes(tree, "a/b/file", "tool") == ["0o660", "0o4775"]
    assert modes(tree.parent, "host", "hosts") == ["0o600", "0o700"]


def test_a_group_may_only_read(tree: Path) -> None:
    ownership.give(str(tree), GROUP, read_only=True)
    assert modes(tree, ".", "a/b", "a/b/file") == ["0o2777", "0o2750", "0o640"]


def test_a_root_that_fits_is_enough(tree: Path) -> None:
    ownership.give(str(tree), GROUP, unless_root_fits=True)
    (tree / "a/b/file").chmod(0o600)
    ownership.give(str(tree), GROUP, unless_root_fits=True)
    assert modes(tree, "a/b/file") == ["0o600"]
    tree.chmod(0o2755)
    ownership.give(str(tree), GROUP, unless_root_fits=True)
    assert modes(tree, ".", "a/b/file") == ["0o2775", "0o660"]


def test_what_cannot_be_given_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"/missing: cannot be given to the group \d+: No such file"):
        ownership.give(str(tmp_path / "missing"), GROUP)


def test_an_empty_dir_on_disk_is_given_and_one_in_memory_is_left_to_its_mount(tmp_path: Path) -> None:
    given = [
        {"name": "disk", "emptyDir": {}},
        {"name": "fast", "emptyDir": {"medium": "Memory"}},
        {"name": "host", "hostPath": {"path": str(tmp_path / "host")}},
        {"name": "map", "configMap": {"name": "m"}},
    ]
    volumes.make(given, str(tmp_path), GROUP)
    assert modes(tmp_path, "volumes/disk", "volumes/fast", "host") == ["0o2777", "0o777", "0o755"]
    assert volumes.shared_memory(given, None, 7) == [
        {"path": "volumes/fast", "size": 0, "group": 7},
        {"path": "volumes/map", "size": 0, "content": True, "group": 7},
    ]
