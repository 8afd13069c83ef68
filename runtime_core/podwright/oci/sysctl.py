# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters of a container: only those that a namespace of its own has for itself."""

from __future__ import annotations

from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from podwright.oci.namespaces import Namespaces

_IPC = frozenset(
    f"kernel/{name}"
    for name in (
        "msgmax", "msgmnb", "msgmni", "msg_next_id", "sem", "sem_next_id", "shmall", "shmmax", "shmmni", "shm_next_id",
        "shm_rmid_forced", "auto_msgmni",
    )
)  # fmt: skip
_MAX_NAME = 240  # bytes that podinit takes


def sysctl_steps(sysctls: Mapping[str, str], namespaces: Namespaces) -> Iterator[list[Any]]:
    """Yield a step for each parameter, named by its path below /proc/sys."""
    seen: dict[str, str] = {}
    for key, value in sysctls.items():
        path = path_of(key)
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or len(path.encode()) > _MAX_NAME:
            raise ManifestError(f"linux.sysctl: {key[:80]!r} is no name of a kernel parameter", field="linux.sysctl")
        _check_namespace(key, path, namespaces)
        if path in seen:
            raise ManifestError(
                f"linux.sysctl: {seen[path]!r} and {key!r} are the same parameter; give it once", field="linux.sysctl"
            )
        seen[path] = key
        yield ["sysctl", path, value]


def path_of(key: str) -> str:
    """Return ``net.ipv4.conf.eth0/1.forwarding`` and ``net/ipv4/conf/eth0.1/forwarding`` as the latter (sysctl(8)).

    The first of both signs is the one that separates.
    """
    first = next((sign for sign in key if sign in "./"), "/")
    if first == "/":
        return key
    return "".join({".": "/", "/": "."}.get(sign, sign) for sign in key)


def namespace_of(path: str) -> str | None:
    """Return the namespace that has a parameter (its path below /proc/sys) for itself; None for the host's."""
    top = path.partition("/")[0]
    if top == "net":
        return "network"
    if path in _IPC or path.startswith("fs/mqueue/"):
        return "ipc"
    return "user" if top == "user" else None


def _check_namespace(key: str, path: str, namespaces: Namespaces) -> None:
    if path in ("kernel/hostname", "kernel/domainname"):
        name = path.rpartition("/")[2]
        raise ManifestError(f"linux.sysctl.{key}: set {name} of the configuration instead", field="linux.sysctl")
    kind = namespace_of(path)
    if kind is None:
        raise ManifestError(
            f"linux.sysctl.{key} is a parameter of the whole host; set it there (sysctl(8)), or remove it",
            field="linux.sysctl",
            value=key,
        )
    namespaces.require(kind, f"linux.sysctl.{key}")
