# SPDX-License-Identifier: Apache-2.0
"""The bridge that all pods of a host hang on. Looking is cheap (sysfs and two ioctls); making loads pyroute2."""

import errno
import fcntl
import os
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from podwright.errors import HostError
from podwright.network.subnet import Subnet, to_int

if TYPE_CHECKING:
    from collections.abc import Iterator

# pyroute2 has no types: its objects are Any here, and nowhere else.

_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B
_DISABLE_IPV6 = "/proc/sys/net/ipv6/conf/{}/disable_ipv6"
_IFF_UP = 1
_DEFAULT_MTU = 1500
_UNICAST_ROUTES = (1, 2)  # RTN_UNICAST, RTN_LOCAL: the others (broadcast, multicast) overlap nobody


def is_ready(name: str, subnet: Subnet) -> bool:
    """Tell whether the bridge is there, up, without IPv6, and has its address."""
    if not os.path.isdir(f"/sys/class/net/{name}/bridge") or _speaks_ipv6(name):
        return False
    if not int(_sysfs(name, "flags"), 16) & _IFF_UP:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        try:
            address, netmask = (_ask(any_socket, name, request) for request in (_SIOCGIFADDR, _SIOCGIFNETMASK))
        except OSError:  # it has no address
            return False
    return (address, netmask) == (to_int(subnet.gateway), (1 << 32) - subnet.size)


def mtu(name: str) -> int:
    """Return the bridge's MTU, which its pods take over."""
    return int(_sysfs(name, "mtu"))


def has_ports(name: str) -> bool:
    """Tell whether something hangs on the bridge."""
    try:
        return bool(os.listdir(f"/sys/class/net/{name}/brif"))
    except FileNotFoundError:
        return False


def make(name: str, subnet: Subnet) -> None:
    """Make the bridge, or put right what is wrong with it.

    Raises HostError when the name belongs to something that is no bridge, when the subnet overlaps another interface's
    network, or when the bridge has another address and pods depend on it.
    """
    with _netlink(f"cannot make bridge {name}") as route:
        links = {link["index"]: link for link in route.get_links()}
        index = next((number for number, link in links.items() if link.get_attr("IFLA_IFNAME") == name), None)
        if index is not None and not os.path.isdir(f"/sys/class/net/{name}/bridge"):
            raise HostError(
                f"network.bridge is {name}, but the interface of this name is not a bridge",
                field="network.bridge",
                value=name,
            )
        _refuse_overlap(route, subnet, index, {n: str(link.get_attr("IFLA_IFNAME")) for n, link in links.items()})
        if index is None:
            route.link("add", ifname=name, kind="bridge", address=_mac(subnet), mtu=_uplink_mtu(route, links))
            index = route.link_lookup(ifname=name)[0]
        _silence_ipv6(name)
        _set_address(route, name, index, subnet)
        route.link("set", index=index, state="up")


def _refuse_overlap(route: Any, subnet: Subnet, own: int | None, names: dict[int, str]) -> None:
    for entry in route.get_routes(family=socket.AF_INET):
        interface, target = entry.get_attr("RTA_OIF"), entry.get_attr("RTA_DST")
        if interface == own or target is None or entry["type"] not in _UNICAST_ROUTES:  # no target: a default route
            continue
        if subnet.overlaps(to_int(target), entry["dst_len"]):
            raise HostError(
                f"network.subnet {subnet} overlaps {target}/{entry['dst_len']} of "
                f"{f'interface {names[interface]}' if interface in names else 'a multipath route'}: "
                "set another network.subnet in podwright.toml",
                field="network.subnet",
                value=str(subnet),
            )


def _set_address(route: Any, name: str, index: int, subnet: Subnet) -> None:
    held = {(one.get_attr("IFA_LOCAL"), one["prefixlen"]) for one in route.get_addr(family=socket.AF_INET, index=index)}
    wanted = (subnet.gateway, subnet.prefix)
    others = ", ".join(f"{address}/{prefix}" for address, prefix in sorted(held - {wanted}))
    if others and has_ports(name):
        raise HostError(
            f"bridge {name} has the address {others} and pods hang on it, so it cannot get network.subnet {subnet}: "
            "delete these pods first, or restore the subnet in podwright.toml",
            field="network.subnet",
            value=str(subnet),
        )
    for address, prefix in held - {wanted}:
        route.addr("del", index=index, address=address, prefixlen=prefix)
    if wanted not in held:
        route.addr("add", index=index, address=subnet.gateway, prefixlen=subnet.prefix, broadcast=subnet.broadcast)


def _silence_ipv6(name: str) -> None:
    """Turn IPv6 off, of which no pod has an address.

    With it, one router advertisement that a pod makes up would give the host a default route through that pod
    (CVE-2020-13401).
    """
    if _speaks_ipv6(name):
        with open(_DISABLE_IPV6.format(name), "w") as file:
            file.write("1")


def _speaks_ipv6(name: str) -> bool:
    try:
        with open(_DISABLE_IPV6.format(name)) as file:
            return file.read().strip() == "0"
    except FileNotFoundError:  # the kernel has no IPv6
        return False


def _uplink_mtu(route: Any, links: dict[int, Any]) -> int:
    """Return the MTU of the default route's interface: larger packets of pods would be lost or cut behind it."""
    defaults = [entry for entry in route.get_routes(family=socket.AF_INET) if entry.get_attr("RTA_DST") is None]
    defaults.sort(key=lambda entry: entry.get_attr("RTA_PRIORITY") or 0)
    for entry in defaults:
        link = links.get(entry.get_attr("RTA_OIF"))
        if link is not None:
            return int(link.get_attr("IFLA_MTU"))
    return _DEFAULT_MTU


def _mac(subnet: Subnet) -> str:
    """Return a locally administered address. Without one of its own, a bridge takes the lowest of its ports' addresses.

    Then each pod that comes or goes could change it, and every other pod's neighbour cache would point nowhere.
    """
    return ":".join(f"{byte:02x}" for byte in b"\x02\x50" + to_int(subnet.gateway).to_bytes(4, "big"))


@contextmanager
def _netlink(action: str) -> "Iterator[Any]":
    from pyroute2 import IPRoute, NetlinkError  # type: ignore[import-untyped]  # it has no types

    try:
        with IPRoute() as route:
            yield route
    except NetlinkError as error:
        hint = "; are you root?" if error.code == errno.EPERM else ""
        raise HostError(f"{action}: {os.strerror(error.code)}{hint}") from error
    except OSError as error:
        raise HostError(f"{action}: {error.strerror}") from error


def _ask(any_socket: socket.socket, name: str, request: int) -> int:
    """Return one IPv4 value of an interface (netdevice(7)): the ifreq's sockaddr_in starts at byte 16."""
    answer = fcntl.ioctl(any_socket, request, struct.pack("16s24x", name.encode()))
    return int.from_bytes(answer[20:24], "big")


def _sysfs(name: str, key: str) -> str:
    with open(f"/sys/class/net/{name}/{key}") as file:
        return file.read().strip()
