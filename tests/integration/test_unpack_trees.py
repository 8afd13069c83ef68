# SPDX-License-Identifier: Apache-2.0
"""podinit unpack: any tree, put into a tar by GNU tar or by Python in any format, comes out as it was."""

import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treewalk import snapshot
from unpacktools import run

BLOCK = 4096
SECOND = 10**9

NAMES = st.sampled_from(["a", "b", "c", "ü", "-rf", " ", "n\nl", "\udcff", "l" * 120, "m" * 255])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CONTENT = st.lists(st.tuples(st.integers(0, 99), st.binary(min_size=1, max_size=2 * BLOCK)), max_size=6)
FILES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["file", "file", "dir", "dir", "symlink", "hardlink", "fifo", "char", "block"]),
        "mode": st.integers(0, 0o7777),
        "owner": st.tuples(*[st.sampled_from([0, 0, 1, 1000, 65534, 2_097_151])] * 2),
        "mtime": st.integers(0, 2**33 * SECOND - 1),
        "content": CONTENT,
        "hole": st.integers(0, 2 * BLOCK),
        "target": st.sampled_from(["a", "../..", "/etc/passwd", "t" * 90, "t" * 900]),
        "device": st.tuples(st.integers(0, 4095), st.integers(1, 2**20 - 1)),
        "xattrs": st.dictionaries(
            st.sampled_from(["user.a", "user.b.c", "trusted.d"]), st.binary(max_size=100), max_size=2
        ),
    }
)
TREES = st.dictionaries(PATHS, FILES, max_size=12)


@contextmanager
def workshop():
    """Two empty directories, of which no other example knows."""
    folder = Path(tempfile.mkdtemp(prefix="podwright-trees-"))
    try:
        (folder / "tree").mkdir()
        (folder / "jail").mkdir()
        yield folder / "tree", folder / "jail"
    finally:
        shutil.rmtree(folder)


def grow(root, tree):
    """Make a tree; what cannot be, because something else is in the way, is left out."""
    made = []
    for path, about in sorted(tree.items()):
        place = root / path
        if any((root / above).is_symlink() for above in reversed(Path(path).parents)):
            continue  # it leads out of the tree
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            make(place, about, made)
        except (FileExistsError, NotADirectoryError):
            continue
    for path in sorted({path for path, _ in made}, reverse=True):  # what is in a directory moves its time
        dress(path, dict(made)[path])


def make(place, about, made):
    kind = about["kind"]
    if kind == "dir":
        place.mkdir(exist_ok=True)
    elif kind == "symlink":
        place.symlink_to(about["target"])
    elif kind == "hardlink":
        files = [path for path, other in made if other["kind"] == "file"]  # neither tar links anything else
        if files:
            os.link(files[0], place)
        return
    elif kind == "file":
        with place.open("xb") as file:
            for block, data in about["content"]:
                file.seek(block * BLOCK)
                file.write(data)
            file.truncate(file.seek(0, os.SEEK_END) + about["hole"])
    else:
        mode = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK}[kind]
        os.mknod(place, mode | 0o600, os.makedev(*about["device"]))
    made.append((place, about))


def dress(path, about):
    link = about["kind"] == "symlink"
    os.chown(path, *about["owner"], follow_symlinks=False)
    if not link:
        os.chmod(path, about["mode"])
    for name, value in about["xattrs"].items():
        if name.startswith("trusted.") or about["kind"] in ("file", "dir"):
            os.setxattr(path, name, value, follow_symlinks=False)
    os.utime(path, ns=(0, about["mtime"]), follow_symlinks=False)


def by_python(form):
    def pack(root):
        def with_all(info):
            path = root / info.name
            about = os.lstat(path)
            info.mtime = about.st_mtime_ns // SECOND  # tarfile's is a float, which may round up
            if form != tarfile.PAX_FORMAT:
                return info
            info.pax_headers["mtime"] = f"{about.st_mtime_ns // SECOND}.{about.st_mtime_ns % SECOND:09}"
            for name in os.listxattr(path, follow_symlinks=False):
                value = os.getxattr(path, name, follow_symlinks=False)
                info.pax_headers[f"SCHILY.xattr.{name}"] = value.decode(errors="surrogateescape")
            return info

        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w", format=form, errors="surrogateescape") as tar:
                tar.add(root, arcname=".", filter=with_all)
            file.seek(0)
            return file.read()

    return pack


def by_gnu_tar(*options):
    def pack(root):
        command = ["tar", *options, "-C", root, "-cf", "-", "."]
        return subprocess.run(command, capture_output=True, check=True).stdout

    return pack


ALL_XATTRS = ("--xattrs", "--xattrs-include=*")
EXACT = {
    "python pax": by_python(tarfile.PAX_FORMAT),
    "gnu tar pax": by_gnu_tar("--format=posix", *ALL_XATTRS),
    "sparse 0.0": by_gnu_tar("--format=posix", "--sparse", "--sparse-version=0.0", *ALL_XATTRS),
    "sparse 0.1": by_gnu_tar("--format=posix", "--sparse", "--sparse-version=0.1", *ALL_XATTRS),
    "sparse 1.0": by_gnu_tar("--format=posix", "--sparse", "--sparse-version=1.0", *ALL_XATTRS),
}
WHOLE_SECONDS = {
    "python gnu": by_python(tarfile.GNU_FORMAT),
    "gnu tar gnu": by_gnu_tar("--format=gnu", "--sparse"),
    "gnu tar oldgnu": by_gnu_tar("--format=oldgnu", "--sparse"),
}


def settings_of(count):
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", EXACT)
@given(tree=TREES)
@settings_of(25)
def test_nothing_is_lost(how, tree):
    with workshop() as (root, jail):
        grow(root, tree)
        done = run(jail, EXACT[how](root))
        assert (done.returncode, done.stderr) == (0, b"")
        assert snapshot(jail) == snapshot(root)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", WHOLE_SECONDS)
@given(tree=TREES)
@settings_of(25)
def test_formats_without_attributes_and_parts_of_seconds(how, tree):
    with workshop() as (root, jail):
        grow(root, tree)
        done = run(jail, WHOLE_SECONDS[how](root))
        assert (done.returncode, done.stderr) == (0, b"")
        assert poor(snapshot(jail)) == poor(snapshot(root))


def poor(found):
    """Leave out of a snapshot what the format has no place for."""
    for about in found.values():
        about["xattrs"] = {}
        about["mtime"] //= SECOND
    return found


USTAR = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c", "d" * 40, "ü"]), min_size=1, max_size=3).map("/".join),
    FILES.filter(lambda about: len(about["target"]) < 100),
    max_size=12,
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pack", [by_python(tarfile.USTAR_FORMAT), by_gnu_tar("--format=ustar")], ids=["python", "gnu"])
@given(tree=USTAR)
@settings_of(25)
def test_ustar(pack, tree):
    with workshop() as (root, jail):
        grow(root, tree)
        done = run(jail, pack(root))
        assert (done.returncode, done.stderr) == (0, b"")
        assert poor(snapshot(jail)) == poor(snapshot(root))
