# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters of a pod: their names, and which of them a host lets a pod set."""

from typing import Any

import pytest

from manifesttools import pod
from podwright.config import Config
from podwright.errors import HostError, ManifestError
from podwright.manifest.normalise import normalise
from podwright.manifest.sysctls import SAFE
from podwright.pods import sysctls


def with_sysctls(*pairs: tuple[str, str]) -> dict[str, Any]:
    context = {"sysctls": [{"name": name, "value": value} for name, value in pairs]}
    return normalise(pod(securityContext=context)).pod


def test_normal_form() -> None:
    given = with_sysctls(("net/ipv4/ping_group_range", "0 1"), ("kernel.shm_rmid_forced", "1"))
    expected = [
        {"name": "kernel.shm_rmid_forced", "value": "1"},
        {"name": "net.ipv4.ping_group_range", "value": "0 1"},
    ]
    assert given["spec"]["securityContext"]["sysctls"] == expected
    assert normalise(given).pod == given
    assert sysctls.rows(given) == [["kernel/shm_rmid_forced", "1"], ["net/ipv4/ping_group_range", "0 1"]]
    assert sysctls.rows(with_sysctls(("net/ipv4/conf/eth0.1/forwarding", "1"))) == [
        ["net/ipv4/conf/eth0.1/forwarding", "1"]
    ]


@pytest.mark.parametrize(
    ("names", "index", "reason"),
    [
        (["Net.ipv4.x"], 0, "must be the name of a kernel parameter"),
        (["net..ipv4"], 0, "must be the name of a kernel parameter"),
        (["/net/ipv4"], 0, "must be the name of a kernel parameter"),
        (["net.core.somaxconn", "net/core/somaxconn"], 1, "must be unique, but spec.securityContext.sysctls[0] is"),
    ],
)
def test_names_that_cannot_be(names: list[str], index: int, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        with_sysctls(*((name, "1") for name in names))
    assert caught.value.message.startswith(f"spec.securityContext.sysctls[{index}].name: {reason}")


@pytest.mark.parametrize("name", sorted(SAFE))
def test_a_safe_one_is_for_every_pod(name: str) -> None:
    sysctls.check(Config(), with_sysctls((name, "1")))


@pytest.mark.parametrize(
    ("name", "allowed", "reason"),
    [
        ("net.core.somaxconn", (), "is not safe, so a pod may set it only where pods.allowed_unsafe_sysctls"),
        ("net.core.somaxconn", ("net.core.some",), "is not safe"),
        ("kernel.msgmax", ("kernel.shm*",), "is not safe"),
        ("kernel.core_pattern", ("kernel.*",), "is a parameter of the whole host; set it there"),
        ("vm.swappiness", ("*",), "is a parameter of the whole host"),
        ("user.max_user_namespaces", ("*",), "is a parameter of the whole host"),
    ],
)
def test_what_a_pod_must_not_set_is_named(name: str, allowed: tuple[str, ...], reason: str) -> None:
    with pytest.raises(HostError) as caught:
        sysctls.check(Config(pods_allowed_unsafe_sysctls=allowed), with_sysctls((name, "1")))
    field = f"spec.securityContext.sysctls[{name}]"
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: SysctlForbidden: {name} {reason}")


def test_the_host_may_allow_more() -> None:
    config = Config(pods_allowed_unsafe_sysctls=("net.core.*", "kernel.msgmax"))
    sysctls.check(config, with_sysctls(("net.core.somaxconn", "9"), ("kernel.msgmax", "9")))
