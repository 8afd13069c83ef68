# SPDX-License-Identifier: Apache-2.0
"""Network address translation for pods that talk to the world: one nftables table of our own, named as the bridge.

Whether the rule is there is asked in one netlink dialogue, without a child process; it is made by ``nft``. Other tables
are not touched. One that drops forwarded packets by policy (Docker's and some firewalls' do) blocks pods all the same,
because in nftables a drop in any table is final; such a host must accept the bridge there.
"""

import os
import socket
import struct

from podwright.errors import HostError
from podwright.network.subnet import Subnet

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x301
_GET_RULE = 10 << 8 | 7  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE
_ATTR_TABLE, _ATTR_CHAIN = 1, 2
_ROOT_PATH = "/usr/sbin:/sbin"
"""Where nft is; plain su keeps a user's PATH, without them."""
_NETLINK_NETFILTER = 12
_CHAIN = "postrouting"


def ruleset(bridge: str, subnet: Subnet) -> str:
    """Return what ``nft -f -`` shall do, in one transaction: make the table, or replace it."""
    return f"""\
table ip {bridge}
delete table ip {bridge}
table ip {bridge} {{
    chain {_CHAIN} {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {subnet} oifname != "{bridge}" masquerade comment "{_mark(subnet)}"
    }}
}}
"""


def apply(bridge: str, subnet: Subnet) -> None:
    """Make or replace the table. Raises HostError."""
    _nft(ruleset(bridge, subnet))


def present(bridge: str, subnet: Subnet) -> bool:
    """Ask the kernel for the table's rules, and tell whether ours, for this subnet, is among them.

    The rule is known by its comment, which the kernel keeps as the rule's user data.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as netlink:
            netlink.sendto(_rules_request(bridge), (0, 0))
            found = False
            while True:
                data = netlink.recv(1 << 16)
                found = found or _mark(subnet).encode() + b"\0" in data
                if _ends(data):
                    return found
    except OSError as error:
        raise HostError(f"cannot ask for the rules of nftables: {error.strerror}") from error


def _mark(subnet: Subnet) -> str:
    return f"podwright {subnet}"


def _rules_request(bridge: str) -> bytes:
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)
    for kind, text in ((_ATTR_TABLE, bridge), (_ATTR_CHAIN, _CHAIN)):
        value = text.encode() + b"\0"
        body += struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), _GET_RULE, _REQUEST_DUMP, 1, 0) + body


def _ends(data: bytes) -> bool:
    """Tell whether these messages are the last of the answer; an error (no such table) is an end like another."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR):
            return True
        at += max(16, length + 3 & ~3)
    return False


def _nft(script: str) -> None:
    import shutil
    import subprocess  # both off the way of every pod but a host's first

    nft = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{_ROOT_PATH}")
    if nft is None:
        raise HostError("the program nft is missing: install the package nftables")
    done = subprocess.run([nft, "-f", "-"], input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()
        raise HostError(f"nft refused the rules of the pods' network: {reason[0] if reason else done.returncode}")
