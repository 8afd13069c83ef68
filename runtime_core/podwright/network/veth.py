# SPDX-License-Identifier: Apache-2.0
"""The host's end of a pod's veth, as whoever is not its supervisor sees it. Making it is podinit's (net.c).

A supervisor that was killed leaves its veth until the kernel has taken the pod's namespace apart, some time after the
last process in it; who repairs or deletes such a pod removes the veth at once by ``delete``.
"""

import errno
import os
import socket
import struct

from podwright.errors import HostError

_RTM_DELLINK = 17
_REQUEST_ACK = 0x5
_IFLA_IFNAME = 3


def host_ifname(uid: str) -> str:
    """Return the name of the host's end: at most 15 characters, and the pod's uid can be told from it."""
    return "pw" + uid.replace("-", "")[:12]


def attached(ifname: str, bridge: str) -> bool:
    """Tell whether an interface hangs on the bridge."""
    try:
        return os.path.basename(os.readlink(f"/sys/class/net/{ifname}/master")) == bridge
    except FileNotFoundError:
        return False


def delete(ifname: str) -> None:
    """Delete an interface (and with it the other end); one that is not there is no error. Raises HostError.

    This is one message of rtnetlink(7), by hand: loading a library for it would cost a delete a tenth of a second.
    """
    name = ifname.encode() + b"\0"
    body = bytes(16) + struct.pack("=HH", 4 + len(name), _IFLA_IFNAME) + name + bytes(-len(name) % 4)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
            netlink.sendto(struct.pack("=IHHII", 16 + len(body), _RTM_DELLINK, _REQUEST_ACK, 1, 0) + body, (0, 0))
            (result,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    except OSError as error:
        raise HostError(f"cannot delete interface {ifname}: {error.strerror}") from error
    if result not in (0, -errno.ENODEV):
        raise HostError(f"cannot delete interface {ifname}: {os.strerror(-result)}")
