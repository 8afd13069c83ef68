# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters: those of the container's own namespaces, in either spelling, and no others."""

import pytest

from ocispecs import changed, compiled, compiled_with, steps_of
from podwright.errors import ManifestError
from podwright.oci.default_spec import default_spec
from podwright.oci.sysctl import path_of


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (
            "linux.sysctl",
            {"kernel.core_pattern": "|/x"},
            "kernel.core_pattern is a parameter of the whole host; set it there",
        ),
        (
            "linux.sysctl",
            {"kernel/core_pattern": "|/x"},
            "kernel/core_pattern is a parameter of the whole host; set it there",
        ),
        (
            "linux.sysctl",
            {"net.../kernel/core_pattern": "x"},
            "'net.../kernel/core_pattern' is no name of a kernel parameter",
        ),
        (
            "linux.sysctl",
            {"net/../kernel/core_pattern": "x"},
            "'net/../kernel/core_pattern' is no name of a kernel parameter",
        ),
        ("linux.sysctl", {"kernel.hostname": "x"}, "kernel.hostname: set hostname of the configuration instead"),
        ("linux.sysctl", {"kernel.domainname": "x"}, "kernel.domainname: set domainname of the configuration instead"),
        ("linux.sysctl", {"user.max_net_namespaces": "1"}, "needs a user namespace of the container's own: add one to"),
        (
            "linux.sysctl",
            {"net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "0"},
            "'net.ipv4.ip_forward' and 'net/ipv4/ip_forward' are the same",
        ),
    ],
)
def test_what_is_refused(path, value, reason):
    with pytest.raises(ManifestError) as caught:
        compiled_with(path, value)
    assert reason in caught.value.message
    assert caught.value.field in caught.value.message


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("kernel.shmmax", "kernel/shmmax"),
        ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
    ],
)
def test_both_spellings(key, path):
    assert path_of(key) == path
    assert steps_of(compiled_with("linux.sysctl", {key: "1"}), "sysctl") == [["sysctl", path, "1"]]


@pytest.mark.parametrize(
    ("key", "kind"),
    [("net.core.somaxconn", "network"), ("kernel.msgmax", "ipc"), ("fs/mqueue/msg_max", "ipc"), ("user.x", "user")],
)
def test_a_parameter_needs_its_namespace(key, kind):
    spec = changed(default_spec(), "linux.sysctl", {key: "1"})
    spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != kind]
    with pytest.raises(ManifestError, match=f"needs a {kind} namespace of the container's own"):
        compiled(spec)


def test_a_namespace_of_the_host_given_by_its_path_is_no_own_one():
    spec = changed(default_spec(), "linux.sysctl", {"net.core.somaxconn": "1"})
    spec["linux"]["namespaces"] = [{"type": "network", "path": "/proc/self/ns/net"}, {"type": "uts"}, {"type": "mount"}]
    with pytest.raises(ManifestError, match="needs a network namespace of the container's own"):
        compiled(spec)


def test_parameters_of_the_users_own_namespace():
    spec = default_spec(rootless=True)
    plan = compiled(changed(spec, "linux.sysctl", {"user.max_net_namespaces": "0"}))
    assert steps_of(plan, "sysctl") == [["sysctl", "user/max_net_namespaces", "0"]]
