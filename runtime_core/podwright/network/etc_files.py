# SPDX-License-Identifier: Apache-2.0
"""The three files in /etc that a pod gets from us: hosts, resolv.conf and hostname. Pure: text in, text out."""

from collections.abc import Iterable, Mapping

RESOLV_CONF = "/etc/resolv.conf"
RESOLVED_UPSTREAM = "/run/systemd/resolve/resolv.conf"
"""Where systemd-resolved writes the servers that its stub on 127.0.0.53 asks (systemd-resolved.service(8))."""

_HOSTS_HEAD = """\
# Written by Podwright from the Pod's specification; made anew with the Pod.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hosts(address: str, hostname: str, *, fqdn: str | None = None, aliases: Iterable[Mapping[str, object]] = ()) -> str:
    """Return /etc/hosts: the usual names, the pod's own, then ``spec.hostAliases`` (``ip`` and ``hostnames``)."""
    lines = [_HOSTS_HEAD, "\t".join([address, *([fqdn] if fqdn else []), hostname]) + "\n"]
    block = []
    for alias in aliases:
        names = alias["hostnames"]
        if isinstance(names, list) and names:
            block.append("\t".join([str(alias["ip"]), *names]) + "\n")
    if block:
        lines += ["\n# spec.hostAliases\n", *block]
    return "".join(lines)


def hostname(name: str) -> str:
    """Return /etc/hostname."""
    return f"{name}\n"


def resolv_conf(host: str | None, upstream: str | None = None) -> tuple[str, list[str]]:
    """Return /etc/resolv.conf for ``dnsPolicy: Default``, and warnings.

    ``host`` is the content of the host's file and ``upstream`` that of RESOLVED_UPSTREAM (None: no such file). Servers
    that only the host itself can reach are of no use in a pod's network namespace: when there are no others, those of
    ``upstream`` are taken; beside others they are left out, since each would cost a lookup its timeout.
    """
    text = host or ""
    if upstream is not None and not _reachable(text) and _reachable(upstream):
        text = upstream
    if not _reachable(text):
        return text, [_warning(_servers(text))]
    return "".join(line for line in text.splitlines(keepends=True) if not _is_local(_server(line))), []


def read_host_resolvers(main: str = RESOLV_CONF, upstream: str = RESOLVED_UPSTREAM) -> tuple[str | None, str | None]:
    """Read both files of the host, as arguments for ``resolv_conf``."""
    return _read(main), _read(upstream)


def _servers(text: str) -> list[str]:
    return [server for line in text.splitlines() if (server := _server(line))]


def _server(line: str) -> str | None:
    """Return the address of a ``nameserver`` line, else None (resolv.conf(5): the keyword starts the line)."""
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == "nameserver" and line.startswith("nameserver") else None


def _reachable(text: str) -> bool:
    return any(not _is_local(server) for server in _servers(text))


def _is_local(server: str | None) -> bool:
    """Tell whether only the host reaches it: loopback, or link-local by an interface that the pod does not have."""
    return server is not None and (server.startswith("127.") or server == "::1" or "%" in server)


def _warning(servers: list[str]) -> str:
    if not servers:
        return f"{RESOLV_CONF} of the host names no server: the pod cannot resolve names"
    return (
        f"{RESOLV_CONF} of the host names only {', '.join(servers)}, which a pod cannot reach: it cannot resolve names"
    )


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
