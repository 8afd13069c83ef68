# SPDX-License-Identifier: Apache-2.0
"""What can be said of the host's part without touching the host."""

import struct

import pytest

from podwright.config import Config
from podwright.errors import ConfigError, HostError
from podwright.network import firewall, host
from podwright.network.subnet import parse

UID = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"


def test_the_plan_of_a_sandbox():
    bridge = host.Bridge("podwright0", parse("10.77.0.0/16"), 1400)
    assert bridge.plan(UID, "10.77.0.5") == {
        "ifname": "eth0",
        "hostIfname": "pw1a2b3c4d5e6f",
        "bridge": "podwright0",
        "address": "10.77.0.5",
        "prefix": 16,
        "gateway": "10.77.0.1",
        "mtu": 1400,
    }


@pytest.mark.parametrize("name", ["", "0a", "a b", "a/b", "a;b", "a\n", "a{b", "abcdefghijklmnop"])
def test_a_name_that_kernel_or_nft_would_not_take_is_refused(name):
    with pytest.raises(ConfigError, match=r"network\.bridge is") as caught:
        host.ensure(Config(network_bridge=name))
    assert caught.value.field == "network.bridge"


def test_the_rules_replace_our_table_and_name_no_other():
    assert firewall.ruleset("podwright0", parse("10.77.0.0/16")).splitlines() == [
        "table ip podwright0",
        "delete table ip podwright0",
        "table ip podwright0 {",
        "    chain postrouting {",
        "        type nat hook postrouting priority srcnat; policy accept;",
        '        ip saddr 10.77.0.0/16 oifname != "podwright0" masquerade comment "podwright 10.77.0.0/16"',
        "    }",
        "}",
    ]


def test_a_host_without_nft_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(firewall, "_ROOT_PATH", str(tmp_path))
    with pytest.raises(HostError, match="install the package nftables"):
        firewall.apply("podwright0", parse("10.77.0.0/16"))


def test_what_nft_says_is_passed_on(monkeypatch, tmp_path):
    nft = tmp_path / "nft"
    nft.write_text("#!/bin/sh\necho 'Error: no such thing' >&2\nexit 1\n")
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="nft refused the rules of the pods' network: Error: no such thing"):
        firewall.apply("podwright0", parse("10.77.0.0/16"))


def test_a_dump_ends_at_done_or_error_and_not_at_a_rule():
    def message(kind, size):
        return struct.pack("=IHHII", 16 + size, kind, 0, 1, 0) + b"\0" * ((size + 3) & ~3)

    rule, done, error = message(10 << 8 | 6, 5), message(3, 4), message(2, 4)
    ends = firewall._ends
    assert [ends(rule), ends(rule + done), ends(error), ends(rule + rule), ends(b"")] == [
        False,
        True,
        True,
        False,
        False,
    ]
