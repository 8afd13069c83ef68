#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide an OCI layout of a real Debian image in four layers; the last line printed is its directory.

debootstrap and umoci make it, once for each state of this file, in the cache that tools/recipes.py names: about
75 MB as gzip, three minutes. Its layers hold what real ones do, and what they seldom do:

1. base: what debootstrap makes of Debian, device nodes and all
2. packages, and every kind of file: hard links, attributes, file capabilities, a sparse file, odd names and times
3. deletions, and what became another kind of file, as umoci writes them: with whiteouts, and with a file that changed
   in place but without the directory that holds it
4. GNU tar's: opaque directories, sparse files in its own form, nothing of the directory above them
"""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from recipes import cached, log  # noqa: E402 - tools/ is no package

NAME = "latest"
"""The image's name within its layout."""

PACKAGES = ("iputils-ping", "libcap2-bin", "python3", "perl")

# struct vfs_cap_data of linux/capability.h: revision 2, effective; permitted CAP_NET_RAW
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")


def debian_image() -> Path:
    """Return the directory of the OCI layout; the image in it is named NAME."""
    return cached("debian-image", [Path(__file__).resolve()], build) / "layout"


def build(work: Path, result: Path) -> None:
    """Make ``result/layout``; the root file system is put together below ``work``."""
    layout, bundle = result / "layout", work / "bundle"
    image = f"{layout}:{NAME}"
    root = bundle / "rootfs"
    _run("umoci", "init", "--layout", layout)
    _run("umoci", "new", "--image", image)
    _run("umoci", "unpack", "--image", image, bundle)
    for change in (install_base, install_packages, delete_and_replace):
        log(f"layer: {change.__name__}")
        change(root)
        _run("umoci", "repack", "--refresh-bundle", "--image", image, bundle)
    last = work / "layer.tar"
    log("layer: by_gnu_tar")
    by_gnu_tar(work / "change", last)
    _run("umoci", "raw", "add-layer", "--image", image, last)
    _run("umoci", "config", "--image", image, "--config.cmd", "/bin/bash", "--config.env", "PATH=/usr/bin:/bin")
    _run("umoci", "gc", "--layout", layout)


# ---- the layers ----


def install_base(root: Path) -> None:
    """Debian's smallest variant."""
    _run(*_alone(), "debootstrap", "--variant=minbase", "bookworm", root)
    (root / "etc/hostname").write_text("debian\n")
    _clean(root)


def install_packages(root: Path) -> None:
    """Packages, and one of each kind of file that they do not bring."""
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    install = f"apt-get -q update && apt-get -q -y --no-install-recommends install {' '.join(PACKAGES)}"
    _run(*_alone(), "chroot", root, "sh", "-ec", install)
    _clean(root)
    _make_files(root / "srv/kinds")
    _make_names(root / "srv/names")
    for name in ("emptied", "becomes-file", "becomes-link", "opaque/below", "opaque-only"):
        (root / "srv" / name).mkdir(parents=True)
        (root / "srv" / name / "inside").write_text(name)
    (root / "srv/private").mkdir()
    os.chown(root / "srv/private", 10, 20)
    os.chmod(root / "srv/private", 0o2770)
    for name in ("becomes-directory", "deleted", "opaque/gone", "private/changed"):
        (root / "srv" / name).write_text(name)
    (root / "srv/link-becomes-directory").symlink_to("kinds")
    (root / "srv/link-becomes-file").symlink_to("/etc/hostname")


def delete_and_replace(root: Path) -> None:
    """Deletions, and files that became another kind of file."""
    for name in ("usr/share/doc/perl", "usr/share/man", "srv/becomes-file", "srv/becomes-link"):
        shutil.rmtree(root / name)
    for name in ("deleted", "emptied/inside", "becomes-directory", "link-becomes-directory", "link-becomes-file"):
        (root / "srv" / name).unlink()
    (root / "srv/becomes-file").write_text("a file")
    (root / "srv/becomes-link").symlink_to("kinds")
    (root / "srv/becomes-directory").mkdir(mode=0o700)
    (root / "srv/becomes-directory/inside").write_text("new")
    (root / "srv/link-becomes-directory").mkdir()
    (root / "srv/link-becomes-file").write_text("a file")
    (root / "srv/kinds/hard-2").unlink()  # one name of three
    (root / "srv/private/changed").write_text("in place")
    os.chmod(root / "srv/kinds/setuid", 0o755)
    os.chown(root / "srv/kinds/plain", 7, 8)


def by_gnu_tar(folder: Path, tar: Path) -> None:
    """A layer as GNU tar writes it; umoci does not write opaque directories when it compares trees."""
    for name in ("srv/opaque", "srv/opaque-only", "srv/late"):
        (folder / name).mkdir(parents=True)
    (folder / "srv/opaque/.wh..wh..opq").touch()
    (folder / "srv/opaque/new").write_text("new")
    (folder / "srv/opaque-only/.wh..wh..opq").touch()
    _make_sparse(folder / "srv/late/sparse", [(0, b"head"), (1 << 20, b"middle" * 1000)], (8 << 20) + 5)
    _make_sparse(folder / "srv/late/hole", [], 3 << 20)
    many = [(index << 16, b"x" * 4096) for index in range(200)]  # more than fit into one header of a sparse file
    _make_sparse(folder / "srv/late/many-holes", many, 200 << 16)
    (folder / "srv/late/attribute").write_text("x")
    os.setxattr(folder / "srv/late/attribute", "user.late", b"\0\1binary\xff")
    os.chmod(folder / "srv/late", 0o3775)
    os.utime(folder / "srv/late", ns=(0, 1_234_567_890_123_456_789))
    # trusted.overlay.* and the like would be this machine's
    form = ("--format=posix", "--sparse", "--xattrs", "--xattrs-include=user.*", "--sort=name", "--numeric-owner")
    _run("tar", *form, "--no-recursion", "-C", folder, "-cf", tar, *_below(folder))


def _below(folder: Path) -> list[str]:
    """Return what is below ``folder/srv``, which itself is not in the layer: a directory of the layers below."""
    return sorted(str(path.relative_to(folder)) for path in (folder / "srv").rglob("*"))


def _make_files(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    for name in ("plain", "setuid", "setgid", "capable", "attributes", "hard-1"):
        (folder / name).write_text(name)
    os.chown(folder / "setuid", 1000, 1001)
    os.chmod(folder / "setuid", 0o4755)
    os.chmod(folder / "setgid", 0o2755)
    os.setxattr(folder / "capable", "security.capability", NET_RAW)
    os.setxattr(folder / "attributes", "user.text", b"a=b\nc")
    os.link(folder / "hard-1", folder / "hard-2")
    os.link(folder / "hard-1", folder / "hard-3")
    (folder / "link").symlink_to("/nowhere/at/all")
    (folder / "far-link").symlink_to("t" * 300)
    os.lchown(folder / "link", 5, 6)
    os.mkfifo(folder / "pipe", 0o640)
    os.mknod(folder / "char", stat.S_IFCHR | 0o600, os.makedev(259, 70000))
    os.mknod(folder / "block", stat.S_IFBLK | 0o660, os.makedev(8, 17))
    _make_sparse(folder / "sparse", [(5 << 20, b"data")], 16 << 20)
    (folder / "sticky").mkdir()
    os.chmod(folder / "sticky", 0o1777)
    os.utime(folder / "plain", ns=(0, 1_600_000_000_123_456_789))
    os.utime(folder / "setgid", (0, 0))
    os.utime(folder / "sticky", ns=(0, 987_654_321_000_000_001))


def _make_names(folder: Path) -> None:
    folder.mkdir()
    for name in ("n" * 255, "ünïcödé", "new\nline", "tab\t", " space ", "back\\slash", "\udcff\udcfe", "=", "-rf"):
        (folder / name).write_text(name, errors="surrogateescape")
    deep = folder.joinpath(*["deep-" + "d" * 95] * 5)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")


def _make_sparse(path: Path, pieces: list[tuple[int, bytes]], size: int) -> None:
    with path.open("wb") as file:
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
        file.truncate(size)


# ---- tools ----


def _alone() -> list[str]:
    """Return the words before a command whose mounts and processes end with it."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]


def _clean(root: Path) -> None:
    """Leave out what apt can make anew, and what is this machine's."""
    for name in ("var/cache/apt", "var/lib/apt/lists", "var/log/apt"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "etc/resolv.conf").unlink(missing_ok=True)


def _run(*command: str | Path) -> None:
    """Run a command; what it says goes to the person who waits."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=True)


if __name__ == "__main__":
    try:
        print(debian_image(), flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"debian image: {error}")
