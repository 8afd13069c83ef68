# SPDX-License-Identifier: Apache-2.0
"""The host's own part of the pods' network: bridge, forwarding, address translation.

It belongs to the host, not to a pod: made with the first pod, it stays, as docker0 does. When all of it is in place,
``ensure`` costs a few reads and no child process. A pod's own part (its veth, address and route) is wired by podinit.
"""

import re
from typing import NamedTuple

from podwright.config import Config
from podwright.errors import ConfigError, HostError
from podwright.network import bridge, firewall
from podwright.network.leases import AddressPool
from podwright.network.subnet import Subnet, parse
from podwright.network.veth import host_ifname

IFNAME = "eth0"
_FORWARD = "/proc/sys/net/ipv4/ip_forward"


class Bridge(NamedTuple):
    """What a pod must know of the host's network."""

    name: str
    subnet: Subnet
    mtu: int

    def plan(self, uid: str, address: str) -> dict[str, object]:
        """Return ``network`` of a pod's sandbox.json."""
        return {
            "ifname": IFNAME,
            "hostIfname": host_ifname(uid),
            "bridge": self.name,
            "address": address,
            "prefix": self.subnet.prefix,
            "gateway": self.subnet.gateway,
            "mtu": self.mtu,
        }


def pool(config: Config) -> AddressPool:
    """Return the host's addresses for pods. Raises ConfigError for a bad subnet."""
    return AddressPool(config.root, parse(config.network_subnet))


def ensure(config: Config) -> Bridge:
    """Put the host's part in place where it is not, and return it.

    Sets net.ipv4.ip_forward to 1 when it is 0: without it pods reach each other and the host, but nothing beyond.
    Raises HostError, or ConfigError for a bad name or subnet.
    """
    name, subnet = _bridge_name(config), parse(config.network_subnet)
    if not _in_place(name, subnet):
        with pool(config).locked():
            if not bridge.is_ready(name, subnet):
                bridge.make(name, subnet)
            _forward()
            if not firewall.present(name, subnet):
                firewall.apply(name, subnet)
    return Bridge(name, subnet, bridge.mtu(name))


def _in_place(name: str, subnet: Subnet) -> bool:
    return bridge.is_ready(name, subnet) and _forwards() and firewall.present(name, subnet)


def _forwards() -> bool:
    with open(_FORWARD) as file:
        return file.read().strip() != "0"


def _forward() -> None:
    if _forwards():
        return
    try:
        with open(_FORWARD, "w") as file:
            file.write("1")
    except OSError as error:
        raise HostError(f"cannot set net.ipv4.ip_forward to 1: {error.strerror}") from error


def _bridge_name(config: Config) -> str:
    """Check what the kernel takes as an interface's name and nft as a table's."""
    name = config.network_bridge
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", name):
        raise ConfigError(
            f"network.bridge is {name!r}, but must be a letter and up to 14 letters, digits, '.', '-' or '_'",
            field="network.bridge",
            value=name,
        )
    return name
