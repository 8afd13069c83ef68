# SPDX-License-Identifier: Apache-2.0
"""The pods' network, as integers, compared with the standard library's own."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ConfigError
from podwright.network.subnet import Subnet, parse, to_text

addresses = st.integers(0, 2**32 - 1)


@given(addresses, st.integers(8, 30))
def test_the_arithmetic_is_that_of_ipaddress(number, prefix):
    network = ipaddress.ip_network((number, prefix), strict=False)
    subnet = parse(str(network))
    assert str(subnet) == str(network)
    assert subnet.gateway == str(network[1])
    assert subnet.broadcast == str(network.broadcast_address)
    pods = subnet.pod_addresses()
    assert (to_text(pods[0]), to_text(pods[-1]), len(pods)) == (
        str(network[2]),
        str(network[-2]),
        network.num_addresses - 3,
    )


@given(addresses, st.integers(8, 30), addresses, st.integers(0, 32))
def test_overlap_is_that_of_ipaddress(number, prefix, other_number, other_prefix):
    network = ipaddress.ip_network((number, prefix), strict=False)
    other = ipaddress.ip_network((other_number, other_prefix), strict=False)
    subnet = Subnet(int(network.network_address), prefix)
    assert subnet.overlaps(int(other.network_address), other_prefix) == network.overlaps(other)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not an IPv4 network"),
        ("10.77.0.0", "is not an IPv4 network"),
        ("10.77/16", "is not an IPv4 network"),
        ("10.77.0.0/x", "is not an IPv4 network"),
        ("10.77.0.0/16/3", "is not an IPv4 network"),
        ("fd00::/64", "is not an IPv4 network"),
        ("10.77.0.0/ 16", "must have a prefix length from 8 to 30"),
        ("10.77.0.0/31", "must have a prefix length from 8 to 30"),
        ("0.0.0.0/0", "must have a prefix length from 8 to 30"),
        ("10.77.0.1/16", "has bits behind the prefix: the network is 10.77.0.0/16"),
    ],
)
def test_what_is_no_subnet_is_refused_by_name(text, reason):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert (caught.value.field, caught.value.value) == ("network.subnet", text)
    assert caught.value.message.startswith(f"network.subnet {text!r} {reason}")
