# SPDX-License-Identifier: Apache-2.0
import fcntl
import os

from podwright.files import is_held
from podwright.images.upkeep import inventory

HEX = "0123456789abcdef" * 4


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).mkdir() if path.endswith("/") else (root / path).touch()


def test_an_empty_store_holds_nothing(tmp_path):
    assert inventory.take(str(tmp_path)) == ([], [], [], [])


def test_everything_is_told_apart_by_its_name(tmp_path):
    blobs = "images/blobs/sha256"
    usual = ["images/oci-layout", "images/index.json", "images/.lock", "images/.gate", "layers/.lock"]
    unfinished = [
        "images/index.json.12.abcd.tmp",
        f"{blobs}/.tmp-1",
        f"images/ingest/{HEX}",
        f"layers/{HEX}.lock",
        "layers/.tmp-1/",
    ]
    foreign = ["images/notes", "images/blobs/sha512/", f"{blobs}/README", f"{blobs}/{HEX[:-1]}a/", "layers/umoci.json"]
    foreign.append(f"layers/{HEX[:-1]}b")  # a file where a layer would be a directory
    make(tmp_path, *usual, *unfinished, *foreign, f"{blobs}/{HEX}", f"layers/{HEX}/")
    found = inventory.take(str(tmp_path))
    assert found.blobs == found.layers == [f"sha256:{HEX}"]
    assert found.unfinished == sorted(f"{tmp_path}/{path}".rstrip("/") for path in unfinished)
    assert found.foreign == sorted(f"{tmp_path}/{path}".rstrip("/") for path in foreign)


def test_what_is_held_by_a_lock_of_either_kind(tmp_path):
    make(tmp_path, "file", "folder/")
    for name in ("file", "folder"):
        for how in (fcntl.LOCK_SH, fcntl.LOCK_EX):
            fd = os.open(tmp_path / name, os.O_RDONLY)
            assert not is_held(str(tmp_path / name))
            fcntl.flock(fd, how)
            assert is_held(str(tmp_path / name))
            os.close(fd)
    assert not is_held(str(tmp_path / "none"))
