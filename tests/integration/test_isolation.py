# SPDX-License-Identifier: Apache-2.0
"""Hostile containers against their host, their neighbours and their supervisor; SNN is an item of the checklist."""

import json
import os
import socket
import stat
import subprocess
import sys

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, pod

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
