# SPDX-License-Identifier: Apache-2.0
"""Atomic writes, and locks."""

import os
import stat

import pytest

from podwright import files


def test_a_write_replaces_the_whole_file_with_the_mode_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_text("old and longer")
    files.write_atomic(str(path), b"new", mode=0o640)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def full(_fd, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(str(path), b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    (tmp_path / "leases.json.1.abcd.tmp").write_text("half")
    (tmp_path / "leases.json").write_text("{}")
    files.remove_temporary(str(tmp_path))
    assert os.listdir(tmp_path) == ["leases.json"]


def test_canonical_json_is_one_text_per_value():
    assert files.canonical_json({"b": 1, "a": ["é"]}) == '{"a":["é"],"b":1}'.encode()


def test_a_lock_is_seen_by_others_while_it_is_held(tmp_path):
    path = str(tmp_path / "lock")
    assert not files.is_locked(path)
    with files.locked(path):
        assert files.is_locked(path)
    assert not files.is_locked(path)
