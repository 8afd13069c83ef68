# SPDX-License-Identifier: Apache-2.0
"""Hostile images and volumes against podwright-oci's mounts, and its namespaces. SNN is an item of the checklist."""

import array
import fcntl
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from ocihost import make_rootfs, oci_host

NS_GET_USERNS = 0xB701  # linux/nsfs.h

# Exchanges, again and again, a directory of a shared volume and a link out of it (renameat2, RENAME_EXCHANGE).
RACER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(int count, char **argv) {
    (void)count;
    for (;;)
        if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0) return 1;
}
"""


@pytest.fixture(scope="module")
def module_oci():
    with oci_host() as made:
        yield made


@pytest.fixture
def oci(module_oci):
    yield module_oci
    module_oci.close()


def own_root(oci, name):
    """Make a root that a test may spoil."""
    return make_rootfs(oci.host.root / name)


def tree(folder):
    return sorted(f"{path} {path.lstat().st_mode:o}" for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def racer(module_oci, tmp_path_factory):
    folder = tmp_path_factory.mktemp("racer")
    (folder / "racer.c").write_text(RACER)
    subprocess.run(["gcc", "-O1", "-static", "-o", folder / "racer", folder / "racer.c"], check=True)
    return folder / "racer"


@pytest.mark.parametrize(
    "mount",
    [
        {"destination": "/vol/swap/deep/er", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/swap", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/swap/file", "source": "/etc/hostname", "options": ["bind"]},
    ],
    ids=lambda mount: mount["destination"],
)
def test_s14_s15_s16_a_racer_in_a_shared_volume_moves_no_mount(oci, tmp_path, racer, mount):
    """CVE-2021-30465, CVE-2024-45310: another container of the same volume exchanges what is on the way to a target."""
    canary, volume = tmp_path / "canary", tmp_path / "volume"
    canary.mkdir(), (volume / "swap").mkdir(parents=True)
    (volume / "link").symlink_to(canary)

    def change(spec):
        spec["mounts"] += [{"destination": "/vol", "source": str(volume), "options": ["rbind"]}, mount]
        (oci.rootfs / "vol").mkdir(exist_ok=True)

    bundle = oci.bundle("c1", "true", change=change)
    mounts = Path("/proc/self/mountinfo").read_text().count(str(tmp_path))
    codes = []
    with subprocess.Popen([racer, volume / "swap", volume / "link"]) as exchanging:
        try:
            end = time.monotonic() + 6
            while len(codes) < 40 and time.monotonic() < end:
                codes.append(oci.quiet("run", "-b", bundle, "c1"))
            assert exchanging.poll() is None
        finally:
            exchanging.kill()
    assert set(codes) <= {0, 1}
    assert tree(canary) == []
    assert Path("/proc/self/mountinfo").read_text().count(str(tmp_path)) == mounts


def spoil(path, target):
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.symlink_to(target)


@pytest.mark.parametrize("name", ["dev", "sys", "proc", "tmp", "etc"])
def test_s17_s20_directories_that_are_links_lead_nowhere(oci, tmp_path, name):
    """CVE-2026-41579, CVE-2019-19921, and what else an image may put at a mount point."""
    canary = tmp_path / "canary"
    (canary / "pts").mkdir(parents=True)
    (canary / "null").write_text("kept")
    before = tree(canary)
    root = own_root(oci, f"root-{name}")
    spoil(root / name, canary)

    def change(spec):
        spec["root"]["path"] = str(root)
        spec["mounts"].append({"destination": f"/{name}/made/here", "type": "tmpfs", "source": "tmpfs"})

    done = oci.end_of("c1", "true", change=change)
    assert done.returncode in (0, 1)
    assert tree(canary) == before
    assert (canary / "null").read_text() == "kept"


def terminal_of(oci, container_id, bundle, tmp_path):
    """Create a container with a terminal; return its master's descriptor, or the error."""
    path = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        done = oci.run("create", "-b", bundle, "--console-socket", path, container_id)
        os.unlink(path)
        if done.returncode:
            return done.stderr
        with server.accept()[0] as connection:
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    return array.array("i", ancillary[0][2])[0]


@pytest.mark.parametrize("name", ["console", "ptmx", "pts/0"])
def test_s23_a_terminal_is_the_kernels_whatever_the_image_has(oci, tmp_path, name):
    """CVE-2025-52565."""
    canary = tmp_path / "canary"
    canary.write_text("kept")
    before = os.stat(canary)
    root = own_root(oci, f"root-{name.replace('/', '-')}")
    (root / "dev/pts").mkdir()
    (root / "dev" / name).symlink_to(canary)

    def change(spec):
        spec["root"] = {"path": str(root)}
        spec["process"]["terminal"] = True
        # no tmpfs at /dev: what the image has is seen
        spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] in ("/proc", "/dev/pts")]

    found = terminal_of(oci, "c1", oci.bundle("c1", "sh", "-c", "echo $((6 * 7)); sleep 600", change=change), tmp_path)
    if isinstance(found, str):
        assert f"/dev/{name}" in found
    else:
        try:
            oci("start", "c1")
            assert os.read(found, 100).startswith(b"42")
        finally:
            os.close(found)
    after = os.stat(canary)
    assert canary.read_text() == "kept"
    assert (after.st_uid, after.st_mode, after.st_rdev) == (before.st_uid, before.st_mode, before.st_rdev)


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", ".a", "", "a b", "a\nb", "ä", "x" * 5000, "-x;y"])
def test_s27_an_id_is_a_name(oci, name):
    bundle = oci.bundle("c1", "true")
    for words in (
        ["create", "-b", bundle],
        ["state"],
        ["start"],
        ["kill"],
        ["delete", "-f"],
        ["exec"],
        ["run", "-b", bundle],
    ):
        done = oci.run(*words, "--", name)
        assert done.returncode == 1, words
        assert len(done.stderr.splitlines()) == 1
        assert len(done.stderr) < 700
    assert not oci.root.is_dir() or os.listdir(oci.root) == []


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ({"destination": "tmp", "type": "tmpfs"}, ".destination is 'tmp'"),
        ({"destination": "/a/../../b", "type": "tmpfs"}, ".destination is '/a/../../b'"),
        ({"destination": "/" + "x/" * 3000, "type": "tmpfs"}, ".destination is longer"),
        ({"destination": "/t\0mp", "type": "tmpfs"}, ".destination"),
        ({"destination": "/tmp", "source": "/srv\0", "options": ["bind"]}, ".source"),
        ({"destination": "/tmp", "source": "/" + "x" * 5000, "options": ["bind"]}, ".source is longer"),
        ({"destination": "/tmp", "source": "/srv", "options": ["bind", "subvol=/"]}, ".options"),
        ({"destination": "/tmp", "type": "tmpfs", "options": ["ro"] * 2000}, ".options"),
        ({"destination": "/tmp", "type": "tmpfs", "options": ["mpol=" + "x" * 5000]}, ".options"),
        ({"destination": "/tmp", "type": "tm\0pfs"}, ".type"),
        ({"destination": "/tmp", "type": "../tmpfs"}, ".type"),
    ],
)
def test_s28_a_mount_that_is_not_one_makes_no_container(oci, mount, words):
    done = oci.end_of("c1", "true", change=lambda spec: spec["mounts"].append(mount))
    assert done.returncode == 1
    assert f"mounts[7]{words}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 600
    assert oci.host.cgroup_dirs() == []


# S31, S32, S37: namespaces.


def namespaces_of(pid):
    return {
        name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("ipc", "mnt", "net", "pid", "uts", "cgroup", "user")
    }


def test_s31_a_namespace_is_of_its_type_and_given_once(oci, tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    for kind, path in (
        ("network", "/proc/self/ns/uts"),
        ("pid", "/proc/self/ns/user"),
        ("user", "/proc/self/ns/mnt"),
        ("ipc", str(tmp_path / "file")),
        ("ipc", str(tmp_path / "fifo")),
        ("ipc", str(tmp_path / "none")),
        ("ipc", "/dev/null"),
        ("ipc", "/"),
    ):
        done = oci.end_of("c1", "true", change=lambda spec, e=(kind, path): join(spec, *e))
        assert done.returncode == 1
        assert f".path: {path}" in done.stderr or f"cannot open {path}" in done.stderr


def join(spec, kind, path):
    spec["linux"]["namespaces"] = [
        *(entry for entry in spec["linux"]["namespaces"] if entry["type"] != kind),
        {"type": kind, "path": path},
    ]


def mapped(spec, first=100000):
    mapping = [{"containerID": 0, "hostID": first, "size": 1000}]
    spec["linux"] |= {"uidMappings": mapping, "gidMappings": mapping}
    spec["linux"]["namespaces"].append({"type": "user"})


def test_s32_a_user_namespace_owns_the_containers_others(oci):
    pid = oci.begin("c1", "sleep", "600", change=mapped)
    own = os.stat(f"/proc/{pid}/ns/user").st_ino
    assert own != os.stat("/proc/self/ns/user").st_ino
    for name in ("ipc", "mnt", "net", "pid", "uts", "cgroup"):
        fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        owner = fcntl.ioctl(fd, NS_GET_USERNS)
        os.close(fd)
        assert os.fstat(owner).st_ino == own, name
        os.close(owner)


def test_s37_anothers_user_namespace_is_joined_whole_or_not_at_all(oci):
    first = oci.begin("c1", "sleep", "600", change=mapped)

    def all_of(pid, *kinds):
        def change(spec):
            for kind, name in kinds:
                join(spec, kind, f"/proc/{pid}/ns/{name}")

        return change

    second = oci.begin("c2", "sleep", "600", change=all_of(first, ("user", "user"), ("network", "net"), ("ipc", "ipc")))
    one, other = namespaces_of(first), namespaces_of(second)
    assert {name for name in one if one[name] == other[name]} == {"user", "net", "ipc"}
    oci.begin("c3", "sleep", "600", change=lambda spec: mapped(spec, 200000))
    # a network that belongs to another one's user namespace than the one that is joined
    third = oci.state("c3")["pid"]

    def mixed(spec):
        join(spec, "user", f"/proc/{first}/ns/user")
        join(spec, "network", f"/proc/{third}/ns/net")

    done = oci.end_of("c4", "true", change=mixed)
    # the kernel lets the host's root join it before the user namespace; its sysfs the container may not mount then
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


# S34: parameters of the kernel.


@pytest.mark.parametrize("sign", [".", "/"])
def test_s34_only_parameters_of_own_namespaces_are_set(oci, sign):
    def refused(name, kinds=()):
        def change(spec):
            spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] not in kinds]
            spec["linux"]["sysctl"] = {name.replace("/", sign): "1"}

        done = oci.end_of("c1", "true", change=change)
        return done.returncode == 1 and "linux.sysctl" in done.stderr

    hosts = (
        "kernel/core_pattern kernel/hostname kernel/modprobe vm/overcommit_memory user/max_net_namespaces fs/file-max"
    )
    for name in (*hosts.split(), "kernel/shm_next_id_", "fs/mqueue", "net"):
        assert refused(name), name
    assert refused("net/ipv4/ip_forward", ("network",))
    assert refused("kernel/msgmax", ("ipc",))
    before = Path("/proc/sys/kernel/msgmax").read_text()
    larger = {f"kernel{sign}msgmax": "9000"}
    done = oci.end_of("c2", "cat", "/proc/sys/kernel/msgmax", change=lambda spec: spec["linux"].update(sysctl=larger))
    assert done.stdout == "9000\n"
    assert Path("/proc/sys/kernel/msgmax").read_text() == before
