# SPDX-License-Identifier: Apache-2.0
"""Proxies by the environment, as curl and Go read it: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in both cases."""

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from podwright.errors import ImageError

if TYPE_CHECKING:
    import urllib3


class Proxies(NamedTuple):
    """A proxy for each scheme, empty for none, and the places that are reached without it."""

    http: str = ""
    https: str = ""
    exceptions: tuple[str, ...] = ()
    """``*``, a host (which means its subdomains too), ``.suffix``, an address, a network (CIDR); each but ``*`` and a
    network may have a port."""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> "Proxies":
        """Read the variables; the one in lower case counts when both are set."""

        def variable(name: str) -> str:
            return environ.get(name.lower(), "") or environ.get(name, "")

        exceptions = (item.strip().lower() for item in variable("NO_PROXY").split(","))
        http, https = (
            f"http://{proxy}" if proxy and "://" not in proxy else proxy
            for proxy in (variable("HTTP_PROXY"), variable("HTTPS_PROXY"))
        )
        return cls(http, https, tuple(filter(None, exceptions)))

    def proxy_of(self, url: str) -> str:
        """Return the proxy for a URL, or nothing; what is on this machine is never asked of another."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        host = parts.hostname or ""
        if not proxy or host == "localhost" or _is_loopback(host):
            return ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return "" if any(_covers(item, host, port) for item in self.exceptions) else proxy

    def manager(self, proxy: str, kept: dict[str, Any]) -> "urllib3.ProxyManager":
        """Return what asks ``proxy``; ``kept`` is what the connections are made with."""
        import urllib3

        parts = urlsplit(proxy)
        place = parts.netloc.rpartition("@")[2]
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ImageError(f"the proxy {parts.scheme}://{place} of the environment is not an http:// or https:// one")
        headers = None
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        return urllib3.ProxyManager(f"{parts.scheme}://{place}", proxy_headers=headers, **kept)


def _covers(item: str, host: str, port: int) -> bool:
    if item == "*":
        return True
    if "/" in item:
        return _in_network(host, item)
    name, colon, wanted = item.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.startswith("[")):
        if int(wanted) != port:
            return False
        item = name
    item = item.strip("[]").removeprefix("*")
    return host == item or host.endswith(item if item.startswith(".") else f".{item}")


def _in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:  # a name, or no network
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
