# SPDX-License-Identifier: Apache-2.0
"""Headers against Python's tarfile, and archives that are read where they lie."""

import gzip
import io
import itertools
import os
import random
import tarfile
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images.formats import gzipped, tarball
from podwright.images.formats.tarball import Tarball
from podwright.images.formats.tarheader import BLOCK, END, Header, Kind, padding, parse_block, parse_pax
from podwright.images.formats.tarwriter import TarWriter

NAMES = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and name.strip(b"/") == name)
HEADERS = st.builds(
    Header,
    name=NAMES,
    kind=st.sampled_from([Kind.SYMLINK, Kind.HARD_LINK, Kind.FIFO, Kind.CHARACTER, Kind.BLOCK]),
    size=st.just(0),
    link=NAMES,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime=st.integers(-(2**60), 2**62),
    device=st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1)),
    xattrs=st.dictionaries(st.sampled_from([b"user.a", b"user.b", b"security.capability"]), st.binary(max_size=200)),
)


@given(st.lists(HEADERS, max_size=4))
def test_headers_are_read_by_tarfile_as_they_were_written(headers):
    data = b"".join(header.encode() for header in headers) + END
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        found = tar.getmembers()
    assert len(found) == len(headers)
    for header, info in zip(headers, found, strict=True):
        assert (os.fsencode(info.name), info.type, os.fsencode(info.linkname)) == (
            header.name,
            header.kind,
            header.link,
        )
        assert (info.mode, info.uid, info.gid) == (header.mode, header.uid, header.gid)
        assert float(info.mtime) == pytest.approx(header.mtime / 1e9)
        assert (info.devmajor, info.devminor) == header.device
        for key, value in header.xattrs.items():
            assert info.pax_headers[f"SCHILY.xattr.{key.decode()}"].encode("utf-8", "surrogateescape") == value


@given(st.integers(-(2**63), 2**63))
def test_times_are_exact(mtime):
    encoded = Header(b"a", mtime=mtime).encode()
    records = parse_pax(encoded[BLOCK:-BLOCK].rstrip(b"\0")) if len(encoded) > BLOCK else {}
    text = records.get(b"mtime", str(int(encoded[136:147], 8)).encode()).decode()
    seconds, _, fraction = text.lstrip("-").partition(".")
    exact = int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)
    assert (-exact if text.startswith("-") else exact) == mtime


def test_a_large_size_is_read_back():
    for size in (8**11 - 1, 8**11, 1 << 50):
        block = Header(b"a", size=size).encode()
        assert len(block) == BLOCK
        found = parse_block(block)
        assert found is not None
        assert found.size == size


def make_tar(members, form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def opened(tmp_path, data):
    path = tmp_path / "archive.tar"
    path.write_bytes(data)
    return Tarball(str(path))


def read(archive, name, offset=0):
    member = archive.find(name)
    assert member is not None
    return b"".join(archive.chunks(member, offset))


LONG = "/".join(["folder"] * 30) + "/file"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_members_of_every_form(tmp_path, form, pack):
    members = {"a": b"", "./b": b"x" * 511, "c/d": b"y" * 512, LONG: b"z" * 70_000, "ü": b"u"}
    archive = opened(tmp_path, pack(make_tar(members, form)))
    for name, content in members.items():
        assert read(archive, name) == content
        assert read(archive, name, 300) == content[300:]
    assert archive.find("b") == archive.find("./b")
    assert archive.find("c") is None
    archive.close()


def test_links_lead_to_members(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, link in (
            ("x/layer.tar", tarfile.SYMTYPE, "../y/layer.tar"),
            ("y/layer.tar", tarfile.LNKTYPE, "z/layer.tar"),
            ("circle", tarfile.SYMTYPE, "circle"),
            ("nothing", tarfile.SYMTYPE, "x/nothing"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info)
        info = tarfile.TarInfo("z/layer.tar")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"xyz"))
    archive = opened(tmp_path, buffer.getvalue())
    assert read(archive, "x/layer.tar") == b"xyz"
    assert archive.find("nothing") is None
    with pytest.raises(ImageError, match=r"archive\.tar cannot be used: its link 'circle' leads to no end"):
        archive.find("circle")


def link(name, target, kind=Kind.SYMLINK):
    return Header(name, kind, link=target).encode()


def pax(*records):
    data = b"".join(b"%d %b\n" % (len(record) + len(str(len(record) + 4)) + 2, record) for record in records)
    return Header(b"PaxHeaders", b"x", size=len(data)).encode() + data + padding(len(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"<html>" * 200, "it is damaged, or no tar archive"),
        (b"x", "it is damaged, or no tar archive"),
        (Header(b"../etc/passwd").encode(), r"its member '\.\./etc/passwd' leads out of it"),
        (Header(b"a/../../b").encode(), r"its member '\.\./b' leads out of it"),
        (Header(b"/etc/passwd").encode(), "its member '/etc/passwd' leads out of it"),
        (link(b"a", b"/etc/passwd"), "its link to '/etc/passwd' leads out of it"),
        (link(b"a/b", b"../../etc/passwd"), r"its link to '\.\./etc/passwd' leads out of it"),
        (link(b"a", b"../x", Kind.HARD_LINK), r"its link to '\.\./x' leads out of it"),
        (pax(b"path=/etc/passwd") + Header(b"a").encode(), "its member '/etc/passwd' leads out of it"),
        (Header(b"a", size=1 << 80).encode(), "it has a damaged pax header|it is damaged"),
        (pax(b"size=9999999999999999999999") + Header(b"a").encode(), "it has a damaged pax header"),
        (pax(b"size=-1") + Header(b"a").encode(), "it has a damaged pax header"),
        (Header(b"a", b"x", size=8).encode() + b"99 a=b\n\n" + bytes(504), "it has a damaged pax header"),
        (Header(b"a", b"x", size=2 << 20).encode(), "it has an extended header of 2097152 bytes, more than 1048576"),
        (Header(b"a", b"x", size=2000).encode(), "it is truncated"),
        (Header(b"a", b"S").encode(), "its member b'a' is stored in GNU's own form"),
        (gzip.compress(Header(b"a").encode())[:-9], "its gzip stream is truncated"),
        (b"\x1f\x8bnothing", "its gzip stream is damaged"),
    ],
)
def test_a_hostile_archive(tmp_path, data, reason):
    with pytest.raises(ImageError, match=rf"the archive {tmp_path}/archive\.tar cannot be used: {reason}"):
        opened(tmp_path, data).find("a")


def test_content_that_is_not_there(tmp_path):
    for pack in (bytes, gzip.compress):
        archive = opened(tmp_path, pack(Header(b"a", size=1 << 40).encode() + b"x"))
        member = archive.find("a")
        assert member is not None
        with pytest.raises(ImageError, match="it is truncated"):
            b"".join(archive.chunks(member))


def test_a_document_is_bounded(tmp_path):
    archive = opened(tmp_path, Header(b"a", size=5 << 20).encode() + bytes(5 << 20))
    with pytest.raises(ImageError, match="its a of 5242880 bytes is over the limit of 4194304"):
        archive.document("a")
    assert archive.document("b") is None


def test_the_index_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tarball, "MAX_MEMBERS", 10)
    with pytest.raises(ImageError, match="more than 10 members"):
        opened(tmp_path, make_tar({str(number): b"" for number in range(11)})).find("a")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ImageError, match=f"{path} is not a regular file"):
            Tarball(str(path))


@given(st.binary(max_size=2000))
def test_no_bytes_make_more_than_an_image_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tar") / "archive.tar"
    for content in (data, gzip.compress(data), Header(b"a", size=10).encode() + data, b"\x1f\x8b" + data):
        path.write_bytes(content)
        archive = Tarball(str(path))
        try:
            if member := archive.find("a"):
                b"".join(archive.chunks(member))
        except ImageError:
            pass
        finally:
            archive.close()


# ---- gzip at any place ----


@pytest.fixture
def plain():
    return random.Random(1).randbytes(300_000) + bytes(1_000_000) + random.Random(2).randbytes(300_000)


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(gzipped, "SPACING", 10_000)
    monkeypatch.setattr(gzipped, "MAX_MARKS", 16)


def packed(tmp_path, plain):
    """Two streams one after the other, then zeros, as gzip files may have them."""
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(plain[:500_001], 1) + gzip.compress(plain[500_001:], 9) + bytes(100_000))
    return gzipped.Gzipped(os.open(path, os.O_RDONLY))


def test_any_place_of_a_gzip_file(tmp_path, plain, small_steps):
    file = packed(tmp_path, plain)
    reader = file.reader()
    places = random.Random(3)
    for _ in range(200):
        position, size = places.randrange(len(plain) + 1000), places.randrange(40_000)
        assert reader.read(position, size) == plain[position : position + size]
    assert reader.read(0, len(plain) + 1) == plain
    assert reader.read(len(plain), 1) == b""


def test_marks_stay_few_and_save_the_way(tmp_path, plain, small_steps):
    file = packed(tmp_path, plain)
    assert file.reader().read(len(plain) - 1, 1) == plain[-1:]
    positions = [file.before(position).position for position in range(0, len(plain), 1000)]
    assert 8 <= len(set(positions)) <= 17
    assert max(b - a for a, b in itertools.pairwise(positions)) < 400_000


def test_threads_read_one_gzip_file(tmp_path, plain, small_steps):
    file = packed(tmp_path, plain)
    wrong = []

    def look(seed):
        reader, places = file.reader(), random.Random(seed)
        for _ in range(50):
            position = places.randrange(len(plain))
            if reader.read(position, 5000) != plain[position : position + 5000]:
                wrong.append(position)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- writing ----


def test_what_is_written_tarfile_reads(tmp_path):
    writer = TarWriter(str(tmp_path / "new.tar"))
    writer.add(iter([b"x" * 1000, b"y"]), lambda: "one")
    with pytest.raises(ZeroDivisionError):
        writer.add((bytes(5000 // number) for number in (1, 0)), lambda: "never")
    writer.add(iter([]), lambda: "two")
    writer.finish()
    writer.close()
    with tarfile.open(tmp_path / "new.tar") as tar:
        assert [(info.name, info.size) for info in tar] == [("one", 1001), ("two", 0)]
    assert (tmp_path / "new.tar").stat().st_size == 4 * BLOCK + 2 * BLOCK


def test_where_no_archive_can_be(tmp_path):
    with pytest.raises(ImageError, match=f"{tmp_path} is a folder"):
        TarWriter(str(tmp_path))
    with pytest.raises(ImageError, match=f"{tmp_path}/none: No such file"):
        TarWriter(str(tmp_path / "none" / "a.tar"))
