# SPDX-License-Identifier: Apache-2.0
"""A security context in the terms of the runtime-spec, and what a privileged container sees."""

import os
import stat
from typing import Any

import pytest

from podwright.errors import HostError
from podwright.oci.host_devices import host_devices
from podwright.oci.mounts import Bind, container_mounts
from podwright.oci.security import DEFAULT, host_bounding, security_of
from podwright.security import capabilities

ALL = capabilities.mask(capabilities.NAMES)
FIELD = "spec.containers[a].securityContext"


def rights(context: dict[str, Any], bounding: int = ALL) -> Any:
    return security_of(context, escalation=False, field=FIELD, bounding=bounding)


def test_nothing_asked_for_is_the_default() -> None:
    assert rights({}) == DEFAULT


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (["SYS_TIME"], [], {*capabilities.DEFAULT, "CAP_SYS_TIME"}),
        ([], ["NET_RAW", "SYS_TIME"], {*capabilities.DEFAULT} - {"CAP_NET_RAW"}),
        ([], ["ALL"], set()),
        (["CHOWN", "SYS_TIME"], ["ALL"], {"CAP_CHOWN", "CAP_SYS_TIME"}),
        (["ALL"], ["SYS_ADMIN"], {*capabilities.NAMES} - {"CAP_SYS_ADMIN"}),
        (["CHOWN"], ["CHOWN"], {*capabilities.DEFAULT} - {"CAP_CHOWN"}),
        (["ALL"], ["ALL"], set()),
    ],
)
def test_capabilities_are_added_and_dropped_as_containerd_does(
    add: list[str], drop: list[str], expected: set[str]
) -> None:
    assert set(rights({"capabilities": {"add": add, "drop": drop}}).capabilities) == expected


def test_all_is_what_the_host_has() -> None:
    few = capabilities.mask(["CAP_CHOWN", "CAP_KILL"])
    assert rights({"capabilities": {"add": ["ALL"]}}, few).capabilities == ("CAP_CHOWN", "CAP_KILL")
    privileged = rights(
        {"privileged": True, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "Localhost"}}, few
    )
    assert privileged.capabilities == ("CAP_CHOWN", "CAP_KILL")
    assert (privileged.privileged, privileged.seccomp) == (True, "Unconfined")


def test_what_the_host_cannot_give_is_named() -> None:
    with pytest.raises(HostError, match="this host has no capability SYS_TIME to give") as caught:
        rights({"capabilities": {"add": ["SYS_TIME"]}}, capabilities.mask(["CAP_CHOWN"]))
    assert caught.value.field == f"{FIELD}.capabilities.add"


def test_the_hosts_own_capabilities_are_known() -> None:
    assert host_bounding() & ~ALL == 0


def test_devices_of_the_host(tmp_path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for name in ("pts", "net"):
        (tmp_path / name).mkdir()
    for name in ("console", "net/tun", "pts/0", "null"):
        os.mknod(tmp_path / name, stat.S_IFCHR | 0o600, os.makedev(10, 200))
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o660, os.makedev(8, 1))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("null")
    devices = {device["path"]: device for device in host_devices(str(tmp_path))}
    assert sorted(devices) == [f"{tmp_path}/{name}" for name in ("disk", "net/tun", "null")]
    disk = devices[f"{tmp_path}/disk"]
    mode = (tmp_path / "disk").stat().st_mode & 0o7777
    assert (disk["type"], disk["major"], disk["minor"], disk["fileMode"]) == ("b", 8, 1, mode)


def mounts(*volumes: Bind, privileged: bool = False) -> list[dict[str, Any]]:
    return container_mounts("/pod", "/c", ["/sys/fs/cgroup/c"], volumes, privileged=privileged)


def test_what_holds_others_is_mounted_first() -> None:
    targets = [mount["destination"] for mount in mounts(Bind("/h", "/etc/deep/er", ()), Bind("/h", "/etc", ()))]
    assert targets.index("/etc") < targets.index("/etc/hosts") < targets.index("/etc/deep/er")
    assert targets.index("/dev") < targets.index("/dev/pts")


def test_a_volume_takes_the_place_of_a_standard_mount() -> None:
    at_hosts = [
        mount
        for mount in mounts(Bind("/mine", "/etc/hosts", ("rprivate", "ro")))
        if mount["destination"] == "/etc/hosts"
    ]
    assert at_hosts == [
        {"destination": "/etc/hosts", "type": "bind", "source": "/mine", "options": ["rbind", "rprivate", "ro"]}
    ]


def test_nothing_is_read_only_to_a_privileged_container() -> None:
    assert [mount["destination"] for mount in mounts() if "ro" in mount["options"]] == ["/sys", "/sys/fs/cgroup"]
    assert not [mount for mount in mounts(privileged=True) if "ro" in mount["options"]]
