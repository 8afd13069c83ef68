# SPDX-License-Identifier: Apache-2.0
import errno
import os
from types import SimpleNamespace

import pytest

from podwright.images import space


@pytest.fixture
def disk(monkeypatch):
    """A file system of which the test says what is left."""
    state = SimpleNamespace(f_bavail=5, f_frsize=1000, f_files=10, f_favail=3)
    monkeypatch.setattr(os, "statvfs", lambda _path: state)
    return state


def test_an_error_names_what_is_needed_and_what_there_is(disk):
    error = space.lacking("/root", 7000)
    assert "needs at least 7000 bytes below /root, where 5000 bytes and 3 inodes are available" in error.message


def test_who_ran_out_needs_more_than_there_is(disk):
    assert "at least 5001 bytes" in space.lacking("/root", 7, OSError(errno.ENOSPC, "x")).message


def test_inodes_run_out_as_well(disk):
    disk.f_favail = 0
    full = space.Full("file: No space left on device", "/root")
    disk.f_favail = 3
    assert space.is_full(full)
    assert "needs more inodes below /root" in space.lacking("/root", 7, full).message


def test_a_file_system_that_does_not_count_inodes_does_not_lack_them(disk):
    disk.f_files = disk.f_favail = 0
    assert not space.Full("x", "/root").inodes


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_a_full_disk_is_told_from_others(number, full):
    assert space.is_full(OSError(number, "x")) is full
    assert not space.is_full(ValueError())
