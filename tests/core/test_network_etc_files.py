# SPDX-License-Identifier: Apache-2.0
"""A pod's hosts, resolv.conf and hostname."""

import pytest

from podwright.network import etc_files

STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.com\n"
UPSTREAM = "# by systemd-resolved\nnameserver 192.0.2.53\nsearch example.com\n"


def entries(text):
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def test_hosts_names_localhost_and_the_pod():
    found = entries(etc_files.hosts("10.77.0.5", "web"))
    assert found[:2] == [["127.0.0.1", "localhost"], ["::1", "localhost", "ip6-localhost", "ip6-loopback"]]
    assert found[-1] == ["10.77.0.5", "web"]


def test_the_full_name_comes_before_the_short_one():
    found = entries(etc_files.hosts("10.77.0.5", "web", fqdn="web.sub.default.svc.cluster.local"))
    assert found[-1] == ["10.77.0.5", "web.sub.default.svc.cluster.local", "web"]


def test_host_aliases_come_last_in_their_order():
    aliases = [
        {"ip": "192.0.2.1", "hostnames": ["a", "b"]},
        {"ip": "192.0.2.2", "hostnames": []},
        {"ip": "::2", "hostnames": ["c"]},
    ]
    text = etc_files.hosts("10.77.0.5", "web", aliases=aliases)
    assert entries(text)[-3:] == [["10.77.0.5", "web"], ["192.0.2.1", "a", "b"], ["::2", "c"]]
    assert text.endswith("\n")


def test_hostname_ends_with_a_newline():
    assert etc_files.hostname("web") == "web\n"


def test_the_hosts_own_servers_are_kept_as_they_are():
    text = "# mine\nsearch example.com\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions ndots:2\n"
    assert etc_files.resolv_conf(text, UPSTREAM) == (text, [])


def test_the_stub_of_systemd_is_replaced_by_its_servers():
    assert etc_files.resolv_conf(STUB, UPSTREAM) == (UPSTREAM, [])


def test_local_servers_beside_others_are_left_out():
    text = "nameserver 127.0.0.1\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 192.0.2.1\n"
    assert etc_files.resolv_conf(text) == ("nameserver 192.0.2.1\n", [])


@pytest.mark.parametrize("upstream", [None, "", "nameserver 127.0.0.1\n"])
def test_only_local_servers_are_warned_of(upstream):
    text, warnings = etc_files.resolv_conf(STUB, upstream)
    assert text == STUB
    assert warnings == [
        "/etc/resolv.conf of the host names only 127.0.0.53, which a pod cannot reach: it cannot resolve names"
    ]


@pytest.mark.parametrize("host", [None, "", "# nameserver 192.0.2.1\n nameserver 192.0.2.1\n"])
def test_a_host_without_servers_is_warned_of(host):
    assert etc_files.resolv_conf(host)[1] == [
        "/etc/resolv.conf of the host names no server: the pod cannot resolve names"
    ]


def test_reading_the_hosts_files(tmp_path):
    (tmp_path / "resolv.conf").write_text(STUB)
    read = etc_files.read_host_resolvers(str(tmp_path / "resolv.conf"), str(tmp_path / "missing"))
    assert read == (STUB, None)
