# SPDX-License-Identifier: Apache-2.0
"""Hostile containers against their host, their neighbours and their supervisor; SNN is an item of the checklist."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hosttools import Host
from imagetools import busybox_layer, entry, make_busybox_image, make_layout
from podtools import IMAGE, container, eventually, pod, statuses

# Sends what a router would (RFC 4861): "2001:db8::/64 is on this link, and I am the default route".
ADVERTISE = """
import socket, struct
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x86DD)
link.bind(("eth0", 0x86DD))
mac = link.getsockname()[4]
source = bytes.fromhex("fe80000000000000") + bytes([mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]])
target = bytes.fromhex("ff020000000000000000000000000001")
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + bytes.fromhex("20010db8" + "0" * 24)
head, tail = bytes([134, 0]), struct.pack("!BBHII", 64, 0, 1800, 0, 0) + bytes([1, 1]) + mac + prefix
pseudo = source + target + struct.pack("!II", 4 + len(tail), 58)
advertisement = head + struct.pack("!H", checksum(pseudo + head + bytes(2) + tail)) + tail
packet = struct.pack("!IHBB", 6 << 28, len(advertisement), 58, 255) + source + target + advertisement
for _ in range(3):
    link.send(bytes.fromhex("333300000001") + mac + b"\\x86\\xdd" + packet)
"""


@pytest.fixture(scope="module")
def host(module_host: Host, tmp_path_factory):
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(layout)
    module_host.run("import", layout, IMAGE)
    return module_host


def pid_of(host: Host, name: str) -> int:
    """Return the process number, on the host, of the first container of a pod."""
    uid = host.pod(name)["metadata"]["uid"]
    return json.loads((host.run_dir / f"run/pods/{uid}/state.json").read_text())["containers"][0]["pid"]


def inside(pid: int, *command: str) -> str:
    """Run a program of the host's in a container's network namespace."""
    return subprocess.run(
        ["nsenter", "-t", str(pid), "-n", *command], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.skipif(not socket.has_ipv6, reason="this kernel has no IPv6")
def test_a_pod_that_claims_to_be_a_router_moves_nobody(host):
    """CVE-2020-13401 (the host), CVE-2020-10749 (other pods): NET_RAW is among the default capabilities."""
    for name in ("liar", "other"):
        host.apply(pod(name, container("main", "sleep", "1000")))
    inside(pid_of(host, "liar"), sys.executable, "-c", ADVERTISE)
    routes = ("ip", "-6", "route", "show")
    assert subprocess.check_output([*routes, "dev", host.bridge], text=True) == ""
    assert inside(pid_of(host, "other"), *routes) == ""
    for name in ("liar", "other"):
        host.delete(name)


def test_a_caller_without_a_umask_opens_nothing_to_other_users(tmp_path):
    """What root runs (layers, plans, records) is root's alone, and so is each folder on the way to it."""
    layout = tmp_path / "layout"
    make_busybox_image(layout)
    before = os.umask(0)
    host = Host()
    try:
        host.run("import", layout, IMAGE)
        host.apply(pod("open", container("main", "sleep", "1000")))
        tops = [host.root / "lib", host.run_dir / "run"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in tops] == [0o700, 0o700]
        layers = host.root / "lib/layers"
        ours = [path for top in tops for path in top.rglob("*") if layers not in path.parents and path.is_dir()]
        assert [str(path) for path in ours if path.stat().st_mode & 0o022 and path.name not in ("shm", "upper")] == []
    finally:
        os.umask(before)
        host.close()


def end_of(host: Host, script: str, **fields) -> tuple[dict, list[str]]:
    """Run a script in a pod of its own; return how its container ended and what it said."""
    host.apply(pod("probe", container("main", "/bin/sh", "-c", script, **fields), restartPolicy="Never"))
    state = eventually(lambda: statuses(host.pod("probe"))["main"]["state"].get("terminated"), "the script's end")
    lines = host.run("logs", "probe").stdout.splitlines()
    host.delete("probe")
    return state, lines


def add_image(host: Host, folder, entries=(), **config) -> str:
    """Import busybox with a layer and a configuration on top; return its reference."""
    name = f"localhost/hostile:{os.urandom(4).hex()}"
    host.run("import", make_layout(folder / "layout", [busybox_layer(), list(entries)], config), name)
    return name


@pytest.mark.parametrize("descriptor", [3, 4, 5, 8, 13])
def test_s09_no_descriptor_leads_out_as_working_directory(host, tmp_path, descriptor):
    """CVE-2024-21626."""
    image = add_image(host, tmp_path, WorkingDir=f"/proc/self/fd/{descriptor}")
    state, _ = end_of(host, "ls ../../../..", image=image)
    assert state["message"].startswith(f"working directory /proc/self/fd/{descriptor}: No")


def test_s11_streams_are_the_users_and_the_null_device_stays_roots(host, tmp_path):
    image = add_image(host, tmp_path, User="4711")
    before = os.stat("/dev/null")
    script = "echo said > /dev/stdout; for n in 0 1 2; do stat -L -c %u:%t,%T /proc/self/fd/$n; done"
    _, lines = end_of(host, script, image=image)
    assert lines == ["said", "0:1,3", "4711:0,0", "4711:0,0"]
    assert os.stat("/dev/null") == before


@pytest.mark.parametrize(
    ("entries", "outcome"),
    [
        ([entry("etc", symlink="{canary}")], ""),
        ([entry("dev", symlink="{canary}")], ""),
        ([entry("tmp", symlink="/")], ""),
        ([entry("etc", symlink="/proc/1/root")], "target /etc/hosts: Symbolic link loop"),
        (
            [entry("etc/resolv.conf", symlink="/proc/sys/kernel/core_pattern")],
            "target /etc/resolv.conf is inside /proc",
        ),
        ([entry("dev", symlink="/proc")], "target /dev is /proc, on which only a procfs may be mounted"),
        ([entry("dev", symlink="/")], "target /dev is the container's root itself"),
        ([entry("sys", symlink="/tmp")], "target /sys: Symbolic link loop"),
        ([entry("proc", symlink="/etc")], "target /proc: Symbolic link loop"),
        ([entry("sys", b"")], "target /sys is not a directory"),
    ],
)
def test_s15_s17_s20_links_of_an_image_lead_nowhere(host, tmp_path, entries, outcome):
    canary = tmp_path / "canary"
    canary.mkdir()
    for info, _ in entries:
        info.linkname = info.linkname.replace("{canary}", str(canary))
    state, _ = end_of(host, "true", image=add_image(host, tmp_path, entries))
    assert state.get("message", "").endswith(outcome)
    assert state["reason"] == ("StartError" if outcome else "Completed")
    assert os.listdir(canary) == []


def test_s48_nodes_can_be_made_and_not_opened(host):
    """Memory, the kernel's log, the host's console, tun, fuse, the host's disks."""
    nodes = ["c 1 1", "c 1 11", "c 5 1", "c 10 200", "c 10 229", "b 254 0", "b 8 0", "b 7 0"]
    script = (
        f"for n in {' '.join(repr(node) for node in nodes)}; do mknod /node $n && head -c1 /node 2>&1; rm /node; done"
    )
    _, lines = end_of(host, script)
    assert [line.rpartition(": ")[2] for line in lines] == ["Operation not permitted"] * len(nodes)


def test_s49_cgroups_are_read_only_and_end_at_the_containers_own(host):
    script = """
    for f in /sys/fs/cgroup/*/cgroup.procs; do echo 1 > $f; done 2>&1
    for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mkdir $d/x; done 2>&1
    ls -d /sys/fs/cgroup/*/release_agent 2>&1; cut -d: -f3 /proc/self/cgroup
    """
    _, lines = end_of(host, script)
    refused = [line for line in lines if line.endswith("Read-only file system")]
    assert len(refused) > 2
    assert set(lines) - set(refused) <= {"/", "ls: /sys/fs/cgroup/*/release_agent: No such file or directory"}


def test_s50_containers_that_do_not_want_to_end_do(host):
    """One stopped itself, one ignores SIGTERM, one is a storm of orphans that tries to kill its own init."""
    scripts = (
        "kill -STOP $$; while :; do sleep 1; done",
        "trap '' TERM; while :; do sleep 1; done",
        "while :; do (sleep 0.01 & kill -9 1; kill -9 -1) 2>/dev/null; done",
    )
    containers = [container(f"c{n}", "/bin/sh", "-c", script) for n, script in enumerate(scripts)]
    host.apply(pod("stubborn", *containers))
    pid = pid_of(host, "stubborn")
    host.delete("stubborn", grace=1)
    assert not os.path.exists(f"/proc/{pid}")


def test_s58_an_images_volumes_mount_nothing(host, tmp_path):
    """CVE-2022-23648."""
    image = add_image(host, tmp_path, Volumes={"": {}, "../..": {}, "/": {}, "/mnt": {}})
    _, with_volumes = end_of(host, "cut -d' ' -f5 /proc/self/mountinfo", image=image)
    _, without = end_of(host, "cut -d' ' -f5 /proc/self/mountinfo")
    assert with_volumes == without


def test_s60_no_socket_of_ours_is_in_reach(host):
    """CVE-2020-15257: an abstract socket would be, from a network namespace that is shared with it."""
    before = set(Path("/proc/net/unix").read_text().splitlines())
    host.apply(pod("quiet", container("main", "sleep", "1000")))
    new = {line.split()[-1] for line in set(Path("/proc/net/unix").read_text().splitlines()) - before}
    assert not [name for name in new if name.startswith("@") and ("podwright" in name or "pod" in name)]
    assert inside(pid_of(host, "quiet"), "cat", "/proc/net/unix").splitlines()[1:] == []
    host.delete("quiet")
