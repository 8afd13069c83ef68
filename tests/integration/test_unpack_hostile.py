# SPDX-License-Identifier: Apache-2.0
"""podinit unpack: tars that are damaged, or made to do damage. What they do, the sanitizers watch."""

import os
import random
import subprocess
import tarfile

import pytest

from imagetools import entry, make_tar
from unpacktools import run, why

# ---- the archive itself ----


def test_a_tar_may_end_without_zeros_and_be_empty(jail):
    data = make_tar([entry("a", "x" * 512)])
    assert run(jail, data[: 1024 + 512 - 512]).returncode == 0
    assert (jail / "a").read_bytes() == b"x" * 512


@pytest.mark.parametrize("data", [b"", bytes(512), bytes(1024), bytes(10240)])
def test_no_entries(jail, data):
    assert run(jail, data).returncode == 0
    assert list(jail.iterdir()) == []


def test_every_truncation_is_noticed(jail, tmp_path):
    data = make_tar([entry("n" * 150, "x" * 700, pax_headers={"SCHILY.xattr.user.a": "b" * 600})])
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512
    for size in range(100, end, 97):
        folder = jail / str(size)
        folder.mkdir()
        done = run(folder, data[:size])
        assert (done.returncode, b"truncated" in done.stderr) == (1, True), size


def test_what_follows_the_end_is_read_and_ignored(jail):
    assert run(jail, make_tar([entry("a", "x")]) + os.urandom(1 << 20)).returncode == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"junk" * 128, "its checksum is wrong"),
        (bytes(512) + make_tar([entry("a", "x")]), "a lone zero block"),
        (b"x" * 100, "truncated"),
    ],
)
def test_what_is_no_tar(jail, data, reason):
    done = run(jail, data)
    assert done.returncode == 1
    assert done.stderr.startswith(b"layer: ")
    assert reason.encode() in done.stderr


# ---- made by hand ----


def header(name="x", kind=b"0", size=b"%011o\0" % 0, magic=b"ustar\x0000", **fields):
    """A tar header with whatever is in its fields, and the right checksum."""
    places = {
        "mode": (100, 8),
        "uid": (108, 8),
        "gid": (116, 8),
        "mtime": (136, 12),
        "major": (329, 8),
        "tail": (345, 167),
    }
    block = bytearray(512)
    for value, (offset, length) in [
        (name.encode(), (0, 100)),
        (size, (124, 12)),
        (kind, (156, 1)),
        (magic, (257, 8)),
        *[(value, places[key]) for key, value in fields.items()],
    ]:
        block[offset : offset + length] = value.ljust(length, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def pax(records, kind=b"x"):
    """A pax header with these bytes, right or wrong, as its records."""
    return header(kind=kind, size=b"%011o\0" % len(records)) + padded(records)


def big(number, length=12):
    """A number in base-256."""
    return (number & ((1 << 8 * length) - 1) | 1 << (8 * length - 1)).to_bytes(length, "big")


def old_sparse(pieces, real, data=b"", stored=None, more=b"\0"):
    """A sparse file in the old GNU form."""
    tail = bytes(41) + b"".join(b"%011o\0%011o\0" % piece for piece in pieces).ljust(96, b"\0") + more
    stored = len(data) if stored is None else stored
    return header(kind=b"S", magic=b"ustar  \0", size=b"%011o\0" % stored, tail=tail + real) + padded(data)


def record(key, value):
    """A pax record of the right length."""
    size = len(key) + len(value) + 3
    while len(str(size)) + len(key) + len(value) + 3 != size:
        size = len(str(size)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (size, key, value)


def sparse_pax(data, **records):
    """A sparse file in a form of pax records."""
    names = b"".join(record(b"GNU.sparse." + key.encode(), value) for key, value in records.items())
    return pax(names) + header(size=b"%011o\0" % len(data)) + padded(data)


BAD_MAP = "the map of a sparse file is malformed"
BAD_FIT = "does not fit its pieces"
HOSTILE = {
    "a size that is negative": (header(size=big(-1)), "a size of -1 bytes is out of range"),
    "a size of all there is": (header(size=big((1 << 63) - 1)), "is out of range"),
    "a size beyond 64 bits": (header(size=b"\x80" + b"\xff" * 11), "a number in the tar header is malformed"),
    "a size in pax beyond 64 bits": (pax(record(b"size", b"9" * 20)) + header(), "the pax size is malformed"),
    "a negative size in pax": (pax(record(b"size", b"-1")) + header(), "the pax size is malformed"),
    "a negative owner": (header(uid=big(-2, 8)), "the uid -2 is out of range"),
    "an owner that chown takes for none": (header(gid=big((1 << 32) - 1, 8)), "the gid 4294967295 is out of range"),
    "digits that are none": (header(mode=b"0000x44\0"), "a number in the tar header is malformed"),
    "a device beyond the kernel's": (header(kind=b"3", major=b"0010000\0"), "the device number 4096:0 is out of range"),
    "a header of gigabytes": (header(kind=b"x", size=big(1 << 40)), "is over the limit of 1048576"),
    "a name of gigabytes": (header(kind=b"L", size=big(1 << 40)), "is over the limit of 65535"),
    "a header of negative size": (header(kind=b"x", size=big(-1)), "the size of an extended header is malformed"),
    "a record longer than all": (pax(b"99 path=a\n") + header(), "a pax record is malformed"),
    "a record shorter than itself": (pax(b"5 path=a\n") + header(), "a pax record is malformed"),
    "a record of no length": (pax(b"0 path=a\n") + header(), "a pax record is malformed"),
    "a record without a key": (pax(b"5 =a\n") + header(), "a pax record is malformed"),
    "a record without a value": (pax(b"8 patha\n") + header(), "a pax record is malformed"),
    "a record without an end": (pax(b"10 path=ab") + header(), "a pax record is malformed"),
    "a key with a NUL": (pax(b"10 pa\0h=a\n") + header(), "a pax record is malformed"),
    "attributes without end": (
        pax(b"".join(record(b"SCHILY.xattr.user.%d" % number, b"x") for number in range(300))) + header(),
        "more than 256 extended attributes",
    ),
    "an attribute too big for any file": (
        pax(record(b"SCHILY.xattr.user.a", b"x" * 70000)) + header(),
        "cannot set the extended attribute user.a: ",
    ),
    "an attribute that no one has a name for": (
        pax(record(b"SCHILY.xattr.user." + b"n" * 300, b"x")) + header(),
        "cannot set the extended attribute user.nnn",
    ),
    "old pieces out of order": (old_sparse([(512, 1), (0, 1)], b"%011o\0" % 1024, b"ab"), "out of order"),
    "old pieces over each other": (old_sparse([(0, 2), (1, 1)], b"%011o\0" % 1024, b"abc"), "out of order"),
    "old pieces beyond the end": (old_sparse([(512, 4)], b"%011o\0" % 100, b"abcd"), BAD_FIT),
    "old pieces of more than there is": (old_sparse([(0, 900)], b"%011o\0" % 1024, b"abcd"), BAD_FIT),
    "old pieces of less than there is": (old_sparse([(0, 1)], b"%011o\0" % 1024, b"abcd"), BAD_FIT),
    "a sparse file of negative size": (old_sparse([], big(-5)), BAD_FIT),
    "old pieces that never end": (old_sparse([], b"%011o\0" % 1, more=b"\1"), "truncated"),
    "a sparse file of another tar": (header(kind=b"S"), "a sparse file of an unknown kind"),
    "a sparse directory": (
        pax(record(b"GNU.sparse.size", b"9")) + header(kind=b"5"),
        "a sparse file of an unknown kind",
    ),
    "a map of odd numbers": (sparse_pax(b"a", map=b"0,1,2", size=b"9"), BAD_MAP),
    "a map of words": (sparse_pax(b"a", map=b"zero,one", size=b"9"), BAD_MAP),
    "a map of too much": (sparse_pax(b"a", map=b"0,%d" % (1 << 62), size=b"9"), BAD_FIT),
    "a map that overflows": (sparse_pax(b"a", map=b"9223372036854775807,9", size=b"9"), "out of order"),
    "a piece without a length": (sparse_pax(b"a", offset=b"0", size=b"9"), "out of order"),
    "a length without a piece": (sparse_pax(b"a", numbytes=b"1", size=b"9"), "makes no sense"),
    "a version of the future": (sparse_pax(b"a", major=b"2", minor=b"0"), "GNU.sparse.major=2 makes no sense"),
    "a map in the data that is none": (sparse_pax(b"nonsense\n", major=b"1", minor=b"0", realsize=b"9"), BAD_MAP),
    "a map in no data": (sparse_pax(b"", major=b"1", minor=b"0", realsize=b"9"), BAD_MAP),
    "a map of a number without end": (sparse_pax(b"1" * 512, major=b"1", minor=b"0", realsize=b"9"), BAD_MAP),
    "a map of more than there is": (sparse_pax(padded(b"9\n0\n1\n"), major=b"1", minor=b"0", realsize=b"9"), BAD_MAP),
    "a name of a sparse file that leaves": (sparse_pax(b"", map=b"", name=b"../x", size=b"0"), 'has a ".." component'),
    "a name with a NUL": (sparse_pax(b"", map=b"", name=b"a\0b", size=b"0"), "a path holds a NUL byte"),
    "a directory with content": (header(name="d/", size=b"%011o\0" % 1) + padded(b"x"), "a directory of 1 bytes"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_numbers_and_records_that_cannot_be(jail, sanitized, what):
    data, reason = HOSTILE[what]
    assert reason in why(run(jail, data, sanitized))


def test_a_million_pieces_and_one(jail, sanitized):
    pieces = b"".join(b"%d,0," % number for number in range(1 << 16))
    assert "over the limit" in why(run(jail, sparse_pax(b"", map=pieces * 16, size=b"1"), sanitized))
    lines = b"%d\n" % ((1 << 20) + 1) + b"1\n0\n" * ((1 << 20) + 1)
    data = sparse_pax(padded(lines), major=b"1", minor=b"0", realsize=b"9")
    assert "has more than 1048576 pieces" in why(run(jail, data, sanitized))


def test_attributes_that_fill_a_file_are_not_a_full_disk(jail, sanitized):
    """ext4 says ENOSPC of attributes that one block does not hold; other file systems take them, or say E2BIG."""
    records = {f"SCHILY.xattr.user.{name}": name * 3000 for name in "abcdefgh"}
    done = run(jail, make_tar([entry("x", "x", pax_headers=records)]), sanitized)
    assert done.returncode in (0, 1)
    assert b"No space left" not in done.stderr


def test_one_name_as_everything_in_turn(jail, sanitized):
    """Whatever replaces whatever, only the last counts, and no link is followed."""
    kinds = [
        lambda: [entry("x", "data")],
        lambda: [entry("x", kind="dir"), entry("x/y/z", "data")],
        lambda: [entry("x", symlink="../canary")],
        lambda: [entry("x", hardlink="other")],
        lambda: [entry("x", kind="fifo")],
        lambda: [entry("x", kind="char", devmajor=1, devminor=3)],
        lambda: [entry(".wh.x")],
    ]
    for first in range(len(kinds)):
        for second in range(len(kinds)):
            folder = jail / f"{first}-{second}"
            folder.mkdir()
            done = run(folder, make_tar([entry("other", "other"), *kinds[first](), *kinds[second]()]), sanitized)
            assert (done.returncode, done.stderr) == (0, b""), (first, second)
            assert (folder / "other").read_text() == "other"
            assert len(os.listdir(folder)) == 2


def test_an_entry_for_the_root_that_is_no_directory(jail, sanitized):
    for kind in (b"0", b"1", b"2", b"3", b"6"):
        assert "the root of the layer must be a directory" in why(run(jail, header(name=".", kind=kind), sanitized))


def small_tar():
    """One entry of each form that takes more than one header."""
    parts = [
        make_tar([entry("n" * 120, "x" * 10, pax_headers={"SCHILY.xattr.user.a": "b"})]).rstrip(b"\0"),
        make_tar([entry("g" * 120, symlink="t" * 120)], tarfile.GNU_FORMAT).rstrip(b"\0"),
        old_sparse([(0, 1), (512, 1), (1024, 1), (1536, 1)], b"%011o\0" % 4096, b"abcde", more=b"\1")[:512]
        + (b"%011o\0%011o\0" % (2048, 1)).ljust(512, b"\0")
        + padded(b"abcde"),
        sparse_pax(padded(b"1\n512\n1\n") + b"z", major=b"1", minor=b"0", realsize=b"600", name=b"late"),
    ]
    return b"".join(map(padded, parts))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cut_off_at_any_byte(jail, sanitized):
    """It is an error, unless the cut is between entries; every byte with podinit, some with the sanitizers."""
    data = small_tar()
    whole = 0
    for size in range(len(data) + 1):
        binaries = [sanitized] if size % 512 in (0, 1, 300, 511) else []
        for number, binary in enumerate([None, *binaries]):
            folder = jail / f"{size}-{number}"
            folder.mkdir()
            done = run(folder, data[:size], *([binary] if binary else []))
            assert done.returncode in (0, 1), (size, done.stderr)
            assert done.stderr.count(b"\n") == done.returncode
            assert done.returncode == 0 or b"truncated" in done.stderr, (size, done.stderr)
            whole += done.returncode == 0 and number == 0
            subprocess.run(["rm", "-rf", folder], check=True)
    assert whole == 5  # nothing, and after each of the four


# ---- by chance ----


def seed_tar(chance):
    """A small tar in which most things are right."""
    names = ["a", "a/b", "c", "/abs", "d//e/", "a/f", "n" * 99, "p/" * 40 + "q", ".wh.a", "a/.wh..wh..opq", "d/.wh.x"]
    links = ["a", "c", "/abs", "a/f", "../a", "n" * 99]
    headers = [{}, {}, {"mtime": "1.5"}, {"SCHILY.xattr.trusted.x": "v" * 50}, {"size": "3"}, {"path": "a/b"}]
    entries = []
    for _ in range(chance.randint(1, 6)):
        kind = chance.choice(["file", "file", "file", "dir", "dir", "symlink", "hardlink", "char", "fifo"])
        link = {kind: chance.choice(links)} if kind in ("symlink", "hardlink") else {}
        data = chance.randbytes(chance.choice([0, 1, 511, 512, 2000])) if kind == "file" else b""
        entries.append(entry(chance.choice(names), data, kind=kind, pax_headers=chance.choice(headers), **link))
    return make_tar(entries, chance.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))


def mutated(tar, chance):
    """Change some bytes, repair the checksums so that the change is read, and perhaps cut the end off."""
    data = bytearray(tar)
    for _ in range(chance.randint(0, 8)):
        block = chance.randrange(len(data) // 512) * 512
        offset = block + chance.choice([0, 100, 108, 116, 124, 136, 156, 157, 257, 329, 345, chance.randrange(500)])
        data[offset] = chance.choice(
            [0, 0xFF, 0x80, 0x20, 0x2F, 0x2E, 0x30, 0x37, 0x78, 0x4C, 0x53, chance.randrange(256)]
        )
    for block in range(0, len(data), 512):
        if data[block + 257 : block + 262] == b"ustar":
            data[block + 148 : block + 156] = b" " * 8
            data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.1 else data)


@pytest.mark.slow
def test_mutated_tars_end_well_or_in_one_line(jail, sanitized):
    outcomes = {0: 0, 1: 0}
    for number in range(int(os.environ.get("PODWRIGHT_FUZZ", "300"))):
        chance = random.Random(number)
        folder = jail / str(number)
        folder.mkdir()
        done = run(folder, mutated(seed_tar(chance) if number % 4 else small_tar(), chance), sanitized)
        assert done.returncode in outcomes, (number, done.stderr.decode(errors="replace"))
        assert done.stderr.count(b"\n") == done.returncode, (number, done.stderr)
        outcomes[done.returncode] += 1
        subprocess.run(["rm", "-rf", folder], check=True)
    assert all(outcomes.values()), outcomes
