# SPDX-License-Identifier: Apache-2.0
"""podinit unpack: what each entry becomes, and that nothing leaves the directory."""

import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from imagetools import entry, make_tar
from podtools import eventually
from podwright.trees import remove_tree
from treewalk import snapshot
from unpacktools import IMPLIED, IMPLIES, PODINIT, refused, run, unpack

# ---- what entries become ----


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_entry(jail, form):
    found = unpack(
        jail,
        entry("d", kind="dir", mode=0o2750, uid=3, gid=4, mtime=1_500_000_000),
        entry("d/file", "hello", mode=0o4755, uid=1000, gid=1001),
        entry("d/again", hardlink="d/file"),
        entry("d/link", symlink="/etc/passwd", uid=7, mtime=1_400_000_000),
        entry("d/null", kind="char", devmajor=1, devminor=3, mode=0o666),
        entry("d/disk", kind="block", devmajor=8, devminor=17, mode=0o600),
        entry("d/pipe", kind="fifo", mode=0o640),
        entry("d/empty"),
        form=form,
    )
    assert found["d"] == {"mode": "0o42750", "owner": "3:4", "mtime": 1_500_000_000 * 10**9, "xattrs": {}}
    assert found["d/file"]["mode"] == "0o104755"
    assert found["d/file"]["owner"] == "1000:1001"
    assert found["d/file"]["links"] == 2
    assert found["d/file"] == found["d/again"]
    assert (jail / "d/file").read_text() == "hello"
    assert found["d/link"]["target"] == "/etc/passwd"
    assert (found["d/link"]["owner"], found["d/link"]["mtime"]) == ("7:0", 1_400_000_000 * 10**9)
    assert (found["d/null"]["device"], found["d/null"]["mode"]) == ("1:3", "0o20666")
    assert (found["d/disk"]["device"], found["d/disk"]["mode"]) == ("8:17", "0o60600")
    assert found["d/pipe"]["mode"] == "0o10640"
    assert found["d/empty"]["size"] == 0


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_targets_and_big_numbers(jail, form):
    name = "/".join("d" * 200 for _ in range(10)) + "/" + "f" * 255
    target = "t" * 3000
    found = unpack(
        jail,
        entry(name, "x", uid=3_000_000_000, gid=2_097_152, mtime=2**34),
        entry("link", symlink=target),
        entry("hard", hardlink=name),
        form=form,
    )
    assert found[name]["owner"] == "3000000000:2097152"
    assert found["link"]["target"] == target
    assert found["hard"] == found[name]


def test_times_to_the_nanosecond_before_and_after_1970(jail):
    found = unpack(
        jail,
        entry("a", pax_headers={"mtime": "1600000000.123456789"}),
        entry("b", pax_headers={"mtime": "-1.25"}),
        entry("c", pax_headers={"mtime": "5.1234567899999"}),
        entry("d", kind="dir", pax_headers={"mtime": "1.5"}),
        entry("d/inside"),
    )
    assert [found[name]["mtime"] for name in "abcd"] == [
        1600000000123456789,
        -1_250_000_000,
        5_123_456_789,
        1_500_000_000,
    ]


def test_times_before_1970_and_far_off_in_gnu_tars(jail):
    times = {"a": -5, "b": 2**33 + 7, "c": 0}
    found = unpack(jail, *[entry(name, mtime=time) for name, time in times.items()], form=tarfile.GNU_FORMAT)
    assert {name: about["mtime"] for name, about in found.items()} == {
        name: time * 10**9 for name, time in times.items()
    }


def test_what_a_global_header_says_is_nothing_to_layers(jail):
    """As to Docker, containerd and podman: an image must be the same everywhere. (umoci refuses such a layer.)"""
    data = make_tar([entry("x", "x", mtime=7)])
    first = tarfile.TarInfo.create_pax_global_header({"mtime": "9", "comment": "0123"})
    assert run(jail, first + data).returncode == 0
    assert os.stat(jail / "x").st_mtime == 7


def test_extended_attributes(jail):
    # cap_net_raw=ep, as setcap(8) writes it (linux/capability.h, struct vfs_cap_data)
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    headers = {
        "SCHILY.xattr.user.note": "a=b\nc",
        "SCHILY.xattr.security.capability": capability.decode("latin-1"),
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.security.selinux": "label",
        "SCHILY.xattr.security.SMACK64": "label",
        "SCHILY.xattr.security.apparmor": "label",
        "SCHILY.xattr.security.evm": "seal",
        "SCHILY.xattr.system.nfs4_acl": "acl",
        "LIBARCHIVE.xattr.user.twice": "b25jZQ",
    }
    found = unpack(jail, entry("ping", "x", mode=0o755, uid=5, pax_headers=headers), entry("d", kind="dir"))
    assert found["ping"]["xattrs"] == {"security.capability": capability.hex(), "user.note": b"a=b\nc".hex()}


def test_names_are_bytes(jail):
    found = unpack(jail, entry("bad\udcff\udcfe", "x"), entry("n\nl", "x"), entry("ünï", "x"), form=tarfile.GNU_FORMAT)
    assert set(found) == {"bad\udcff\udcfe", "n\nl", "ünï"}


def test_absolute_and_odd_names_count_from_the_root(jail):
    found = unpack(
        jail,
        entry("./", kind="dir", mode=0o711),
        entry("/etc/x", "x"),
        entry("./a//./b", "y"),
        entry("c", hardlink="/etc/x"),
        entry("plain-slash/"),
    )
    assert set(found) == {"etc", "etc/x", "a", "a/b", "c", "plain-slash"}
    assert stat.S_IMODE(jail.stat().st_mode) == 0o711


def test_missing_parents_are_made(jail):
    """As if nothing had made them, even in a directory that passes its group on."""
    found = unpack(jail, entry("s", kind="dir", mode=0o2777, gid=5), entry("s/b/c/file", "x", mtime=7))
    assert (found["s/b"]["mode"], found["s/b"]["owner"], found["s/b"]["mtime"]) == ("0o40755", "0:0", 7 * 10**9)
    assert found["s/b/c"] == found["s/b"]
    assert found["s/b/c/file"]["owner"] == "0:0"


def implied(jail):
    return {name for name, about in snapshot(jail).items() if IMPLIED in about["xattrs"]}


def test_directories_without_an_entry_are_marked(jail):
    """Only the layers below know how they look (podwright/images/parents.py)."""
    early = [entry("a/b/x", "x"), entry("a", kind="dir", mode=0o700), entry("c/x", "x")]
    late = [entry("d/.wh.x"), entry("e/x"), entry("e", "a file"), entry("f/.wh..wh..opq")]
    unpack(jail, *early, *late)
    assert implied(jail) == {".", "a/b", "c", "d", "f"}
    assert os.getxattr(jail, IMPLIES) == b"y"


def test_a_layer_with_an_entry_for_each_directory_has_no_mark(jail):
    unpack(jail, entry("./", kind="dir"), entry("a/x", "x"), entry("a", kind="dir"))
    assert implied(jail) == set()
    assert not [name for name in os.listxattr(jail) if name.startswith("trusted.")]


def test_a_later_entry_replaces_an_earlier_one(jail):
    found = unpack(
        jail,
        *[entry("file", "old"), entry("file", "newer", mode=0o600)],
        *[entry("dir/a/b/c", "x"), entry("dir", "now a file")],
        *[entry("link", symlink="/etc"), entry("link", kind="dir"), entry("link/in", "x")],
        *[entry("kept", kind="dir"), entry("kept/x", "x"), entry("kept", kind="dir", mode=0o700)],
        *[entry("was-file", "x"), entry("was-file", symlink="file")],
        *[entry("self", "x"), entry("self", hardlink="self")],
    )
    assert (jail / "file").read_text() == "newer"
    assert (jail / "dir").read_text() == "now a file"
    assert set(found) == {"file", "dir", "link", "link/in", "kept", "kept/x", "was-file", "self"}
    assert found["kept"]["mode"] == "0o40700"
    assert found["was-file"]["target"] == "file"


def test_a_hard_link_to_a_symbolic_link_is_the_link_itself(jail):
    unpack(jail, entry("link", symlink="/etc/passwd"), entry("hard", hardlink="link"))
    assert os.lstat(jail / "link").st_ino == os.lstat(jail / "hard").st_ino


def test_a_very_deep_tree_comes_and_goes(jail):
    deep = "/".join("d" * 2000)
    found = unpack(jail, entry(deep, "x"), entry("d", "gone"))
    assert set(found) == {"d"}


def test_a_tree_deeper_than_a_path_reaches(jail):
    """What tar can say and the kernel can hold, though no one path names it."""
    deep = "/".join(["e" * 255] * 30)
    done = run(
        jail,
        make_tar(
            [
                entry(f"{deep}/file", "x", mode=0o640, uid=5, mtime=7),
                entry(f"{deep}/again", hardlink=f"{deep}/file"),
                entry(deep, kind="dir", mode=0o700, mtime=9),
                entry("near", hardlink=f"{deep}/file"),
            ]
        ),
    )
    try:
        assert (done.returncode, done.stderr) == (0, b"")
        about = (jail / "near").stat()
        assert (about.st_nlink, about.st_uid, about.st_mtime) == (3, 5, 7)
        last = down(jail, deep)
        assert sorted(os.listdir(last)) == ["again", "file"]
        assert (stat.S_IMODE(os.fstat(last).st_mode), os.fstat(last).st_mtime) == (0o700, 9)
        os.close(last)
    finally:
        remove_tree(str(jail / ("e" * 255)))


def down(folder, path):
    fd = os.open(folder, os.O_RDONLY)
    for name in path.split("/"):
        child = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = child
    return fd


# ---- whiteouts (OCI image specification, layer.md) ----


def whiteouts(found):
    return {name for name, about in found.items() if about.get("device") == "0:0"}


OPAQUE = {"trusted.overlay.opaque": b"y".hex()}


def test_whiteouts_take_overlays_form(jail):
    found = unpack(
        jail, entry(".wh.top"), entry("a", kind="dir"), entry("a/.wh.gone"), entry("o/.wh..wh..opq"), entry("o/x")
    )
    assert whiteouts(found) == {"top", "a/gone"}
    assert found["o"]["xattrs"] == OPAQUE
    assert set(found) == {"top", "a", "a/gone", "o", "o/x"}


def test_a_whiteout_never_hides_its_own_layer(jail):
    """Nor does it matter which comes first: a new directory then hides what the layers below have in its place."""
    found = unpack(
        jail,
        *[entry("f1", "x"), entry(".wh.f1")],
        *[entry(".wh.f2"), entry("f2", "x")],
        *[entry("d1/x", "x"), entry(".wh.d1")],
        *[entry(".wh.d2"), entry("d2", kind="dir"), entry("d2/x", "x")],
        *[entry(".wh.d3"), entry("d3/sub/x", "x")],
    )
    assert whiteouts(found) == set()
    assert [found[name]["xattrs"] for name in ("d1", "d2", "d3")] == [OPAQUE] * 3
    assert found["d3/sub"]["xattrs"] == {}
    assert (jail / "f1").exists()
    assert (jail / "f2").exists()


@pytest.mark.parametrize("mark", [".wh.canary", ".wh..wh..opq", "sub/.wh.x"])
def test_a_whiteout_below_no_directory_hides_nothing_more(jail, mark):
    """umoci writes these for what was in a directory that has become something else."""
    found = unpack(
        jail,
        *[entry("out", symlink=".."), entry("in", symlink="d"), entry("d", kind="dir"), entry("d/x", "x")],
        *[entry("file", "x"), entry(".wh.gone")],
        *[entry(f"{name}/{mark}") for name in ("out", "in", "file", "gone")],
    )
    assert set(found) == {"out", "in", "d", "d/x", "file", "gone"}
    assert whiteouts(found) == {"gone"}
    assert found["d"]["xattrs"] == {}


def test_metadata_of_aufs_is_skipped(jail):
    assert unpack(jail, entry(".wh..wh.plnk", kind="dir"), entry(".wh..wh.plnk/1.2", "x"), entry(".wh..wh.aufs")) == {}


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh..."])
def test_a_whiteout_of_nothing(jail, name):
    assert refused(jail, entry(name)) == f"{name}: a whiteout of nothing"


# ---- what is refused ----


@pytest.mark.parametrize("name", ["../../etc/x", "..", "a/../../x", "a/..", "/../x"])
def test_a_path_with_dots(jail, name):
    assert refused(jail, entry("good", "x"), entry(name, "x")) == f'{name}: its path has a ".." component'


@pytest.mark.parametrize("target", ["/etc", "../etc", "/", "../..", "real", "nowhere"])
def test_a_file_through_a_symbolic_link(jail, target):
    entries = [entry("real", kind="dir"), entry("link", symlink=target)]
    assert refused(jail, *entries, entry("link/x", "x")) == "link/x: its path goes through a symbolic link"


def test_a_file_in_what_is_new_through_a_symbolic_link(jail):
    assert "symbolic link" in refused(jail, entry("link", symlink=".."), entry("link/a/b", "x"))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("../../etc/passwd", 'its hard link target ../../etc/passwd has a ".." component'),
        ("../canary", 'its hard link target ../canary has a ".." component'),
        ("/canary", "its hard link target /canary is not in the layer"),
        ("link/passwd", "its hard link target link/passwd goes through a symbolic link"),
        ("none", "its hard link target none is not in the layer"),
        ("/", "its hard link target / is not in the layer"),
        ("dir", "cannot make the hard link to dir: Operation not permitted"),
    ],
)
def test_a_hard_link_out_of_the_root(jail, target, reason):
    entries = [entry("link", symlink="/etc"), entry("dir", kind="dir")]
    assert refused(jail, *entries, entry("hard", hardlink=target)) == f"hard: {reason}"


def test_the_root_stays_a_directory(jail):
    for name in (".", "/", "./"):
        assert "the root of the layer must be a directory" in refused(jail, entry(name, symlink="/etc"))


def test_a_path_through_a_file(jail):
    reason = "its path goes through something that is not a directory"
    assert refused(jail, entry("file", "x"), entry("file/x", "x")) == f"file/x: {reason}"


def test_names_longer_than_anything_takes(jail):
    assert "over the limit of 65535" in refused(jail, entry("a/" * 33000 + "x", "x"))
    assert "cannot make the symbolic link: Filename too long" in refused(jail, entry("x", symlink="t" * 5000))
    for name in ("n" * 256, "n" * 256 + "/x"):
        assert "its path has a component longer than 255 bytes" in refused(jail, entry(name, "x"))


def test_strange_names_make_one_line(jail):
    assert refused(jail, entry("../a\nb\x1b[31m\\", "x")).startswith("../a\\x0ab\\x1b[31m\\x5c: ")
    assert len(refused(jail, entry("../" + "x" * 4000, "x"))) < 300


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"uid": "4294967295"}, "the uid 4294967295 is out of range"),
        ({"gid": "x"}, "the pax gid is malformed"),
        ({"mtime": "yesterday"}, "the pax mtime is malformed"),
        ({"path": "a\0b"}, "a path holds a NUL byte"),
        ({"SCHILY.xattr.nonsense": "x"}, "cannot set the extended attribute nonsense"),
    ],
)
def test_pax_records_that_make_no_sense(jail, headers, reason):
    assert reason in refused(jail, entry("x", "x", pax_headers=headers))


def test_a_device_out_of_range(jail):
    assert "the device number 5000:0 is out of range" in refused(jail, entry("x", kind="char", devmajor=5000))


def test_an_unknown_kind_of_entry(jail):
    assert refused(jail, entry("x", "", type=b"V")) == "x: an entry of the unknown type 'V'"
    assert refused(jail, entry("x", "", type=b"\x07")) == "x: an entry of the unknown type 0x07"


# ---- the program ----


def test_a_directory_that_is_not_empty_is_left_alone(jail):
    (jail / "x").write_text("mine")
    done = run(jail, make_tar([entry("x", "x")]))
    assert (done.returncode, done.stderr.decode()) == (1, f"{jail}: the directory is not empty\n")
    assert (jail / "x").read_text() == "mine"


@pytest.mark.parametrize("data", [entry("x", "x" * (2 << 20)), entry("x" * 200, kind="dir")], ids=["bytes", "inodes"])
def test_a_full_disk_is_told_from_a_bad_layer(tmp_path, data):
    """Its line ends in the kernel's words, which podwright.images.unpacker looks for."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "layer.tar").write_bytes(make_tar([entry(f"d{number}", kind="dir") for number in range(40)] + [data]))
    script = 'mount -t tmpfs -o size=1m,nr_inodes=41 none "$1" && mkdir "$1/jail" && exec "$2" unpack "$1/jail" < "$3"'
    arguments = [tmp_path / "disk", PODINIT, tmp_path / "layer.tar"]
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", script, "sh", *arguments], capture_output=True)
    assert done.returncode == 1
    assert done.stderr.endswith(b": No space left on device\n")
    assert done.stderr.count(b"\n") == 1


def test_system_calls_of_small_files(tmp_path):
    """Four each (open, write, set the time, close), and none that the filter refuses."""
    count = 500
    files = [entry(f"d{number // 100}/f{number}", "x") for number in range(count)]
    (tmp_path / "jail").mkdir()
    with (tmp_path / "layer.tar").open("w+b") as tar, (tmp_path / "calls").open("w+") as calls:
        tar.write(make_tar(files))
        tar.seek(0)
        subprocess.run(["strace", "-o", calls.name, PODINIT, "unpack", tmp_path / "jail"], stdin=tar, check=True)
        lines = calls.readlines()
    assert len(lines) < 4 * count + 250
    assert [line for line in lines if "EPERM" in line] == []


def test_wrong_usage_and_a_missing_directory(tmp_path):
    assert subprocess.run([PODINIT, "unpack"], capture_output=True).returncode == 2
    done = run(tmp_path / "none", b"")
    assert done.returncode == 1
    assert b"cannot open the directory: No such file or directory" in done.stderr


def test_it_works_in_a_jail_with_few_capabilities(jail):
    """Caught while it waits for its input: root is the directory, and only seven capabilities and a filter are left."""
    # CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, SYS_ADMIN 21, MKNOD 27, SETFCAP 31 (linux/capability.h)
    wanted = sum(1 << bit for bit in (0, 1, 3, 4, 21, 27, 31))
    with (jail.parent / "canary").open() as file:
        process = subprocess.Popen([PODINIT, "unpack", jail], stdin=subprocess.PIPE, pass_fds=[file.fileno()])
    assert process.stdin is not None
    try:
        process.stdin.write(make_tar([entry("a", "x")])[:512])
        process.stdin.flush()
        proc = Path(f"/proc/{process.pid}")
        eventually(lambda: f"CapPrm:\t{wanted:016x}" in (proc / "status").read_text(), "it to drop its capabilities")
        status = (proc / "status").read_text()
        eventually(lambda: "Seccomp:\t2" in (proc / "status").read_text(), "its filter of system calls")
        root = os.readlink(proc / "root")
        opened = {name: os.readlink(proc / "fd" / name) for name in os.listdir(proc / "fd")}
    finally:
        process.stdin.close()
        process.wait()
    assert f"CapEff:\t{wanted:016x}" in status
    assert f"CapBnd:\t{wanted:016x}" in status
    assert f"CapInh:\t{0:016x}" in status
    assert str(jail.parent / "canary") not in opened.values()
    assert "NoNewPrivs:\t1" in status
    assert root == str(jail)
