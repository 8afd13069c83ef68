# SPDX-License-Identifier: Apache-2.0
"""Filters kept on disk: made once, never trusted blindly."""

import hashlib
import json
import os
import stat

import pytest

from podwright.errors import HostError, ManifestError
from podwright.security import capabilities, seccomp, seccomp_cache
from podwright.security.seccomp import compile_filter


@pytest.fixture
def no_compiler(monkeypatch):
    def never(*_):
        raise AssertionError("compiled again")

    return lambda: monkeypatch.setattr(seccomp, "compile_filter", never)


def test_a_filter_is_compiled_once(tmp_path, no_compiler):
    path = seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    assert os.path.dirname(path) == str(tmp_path / "seccomp")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    no_compiler()
    assert seccomp_cache.filter_file(str(tmp_path), arch="x86_64") == path


def test_it_holds_the_program(tmp_path):
    path = seccomp_cache.filter_file(str(tmp_path), arch="aarch64")
    with open(seccomp_cache.DEFAULT_PROFILE) as file:
        expected = compile_filter(json.load(file), "aarch64", capabilities.DEFAULT)
    with open(path, "rb") as file:
        assert file.read() == expected


def test_whatever_goes_into_a_filter_goes_into_its_name(tmp_path, monkeypatch):
    profile = tmp_path / "profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    root = str(tmp_path)
    paths = [
        seccomp_cache.filter_file(root, arch="x86_64"),
        seccomp_cache.filter_file(root, arch="aarch64"),
        seccomp_cache.filter_file(root, arch="x86_64", caps=["CAP_SYS_ADMIN"]),
        seccomp_cache.filter_file(root, arch="x86_64", profile=str(profile)),
    ]
    monkeypatch.setattr(seccomp_cache, "COMPILER_VERSION", seccomp_cache.COMPILER_VERSION + 1)
    paths.append(seccomp_cache.filter_file(root, arch="x86_64"))
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("damage", [b"", b"1234567", bytes(16), bytes(8 * 4097)])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    path = seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    with open(path, "rb") as file:
        good = file.read()
    with open(path, "wb") as file:
        file.write(damage)
    assert seccomp_cache.filter_file(str(tmp_path), arch="x86_64") == path
    with open(path, "rb") as file:
        assert file.read() == good


def test_a_file_that_others_may_write_and_a_link_are_replaced(tmp_path):
    path = seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    os.chmod(path, 0o666)
    seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    os.rename(path, f"{path}.elsewhere")
    os.symlink(f"{path}.elsewhere", path)
    seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    assert not os.path.islink(path)


def test_what_cannot_be_read_or_parsed_is_named(tmp_path):
    with pytest.raises(HostError, match="nowhere"):
        seccomp_cache.filter_file(str(tmp_path), profile="/nowhere.json", arch="x86_64")
    profile = tmp_path / "profile.json"
    profile.write_text("{")
    with pytest.raises(ManifestError, match="not JSON"):
        seccomp_cache.filter_file(str(tmp_path), profile=str(profile), arch="x86_64")
    with pytest.raises(HostError, match="riscv64"):
        seccomp_cache.filter_file(str(tmp_path), arch="riscv64")
    assert not (tmp_path / "seccomp").exists()


def test_a_change_of_the_compiler_raises_its_version():
    """A cached filter is used as long as the version stays, so the same profile must give the same program."""
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read", "write", "clone"], "action": "SCMP_ACT_ALLOW"},
            *(
                {
                    "names": ["socket", "prctl"],
                    "action": "SCMP_ACT_LOG",
                    "args": [{"index": 1, "value": 1 << 40 | 7, "valueTwo": 5, "op": f"SCMP_CMP_{name}"}],
                }
                for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
            ),
        ],
    }
    programs = b"".join(compile_filter(profile, arch, ()) for arch in ("x86_64", "aarch64"))
    assert {seccomp_cache.COMPILER_VERSION: hashlib.sha256(programs).hexdigest()} == {
        1: "dd4866366a56ada2ef101062eb65ce77876b3d127aede1cfa24e97533aa04e8a"
    }
