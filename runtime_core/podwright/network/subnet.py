# SPDX-License-Identifier: Apache-2.0
"""The pods' IPv4 network as two integers; importing ipaddress would cost more than all that is done with it."""

import socket
from typing import NamedTuple

from podwright.errors import ConfigError


class Subnet(NamedTuple):
    """A network such as 10.77.0.0/16: its first address is the bridge's, the last is for broadcasts."""

    network: int
    prefix: int

    @property
    def size(self) -> int:
        """How many addresses there are, usable or not."""
        return 1 << (32 - self.prefix)

    @property
    def gateway(self) -> str:
        """The bridge's address."""
        return to_text(self.network + 1)

    @property
    def broadcast(self) -> str:
        """The last address."""
        return to_text(self.network + self.size - 1)

    def __str__(self) -> str:
        return f"{to_text(self.network)}/{self.prefix}"

    def overlaps(self, network: int, prefix: int) -> bool:
        """Tell whether another network contains this one, or lies in it."""
        shift = 32 - min(self.prefix, prefix)
        return self.network >> shift == network >> shift

    def pod_addresses(self) -> range:
        """Return the addresses for pods, lowest first."""
        return range(self.network + 2, self.network + self.size - 1)


def parse(text: str) -> Subnet:
    """Read ``network.subnet`` of the configuration. Raises ConfigError."""
    address, _, prefix = text.partition("/")
    try:
        subnet = Subnet(to_int(address), int(prefix))
    except (OSError, ValueError):
        raise _error(text, "is not an IPv4 network such as 10.77.0.0/16") from None
    if not prefix.isdecimal() or not 8 <= subnet.prefix <= 30:
        raise _error(text, "must have a prefix length from 8 to 30")
    if subnet.network % subnet.size:
        network = Subnet(subnet.network - subnet.network % subnet.size, subnet.prefix)
        raise _error(text, f"has bits behind the prefix: the network is {network}")
    return subnet


def to_int(address: str) -> int:
    """Convert dotted text; raises OSError for anything else."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")


def to_text(address: int) -> str:
    """Convert to dotted text."""
    return socket.inet_ntop(socket.AF_INET, address.to_bytes(4, "big"))


def _error(text: str, reason: str) -> ConfigError:
    return ConfigError(f"network.subnet {text!r} {reason}", field="network.subnet", value=text)
