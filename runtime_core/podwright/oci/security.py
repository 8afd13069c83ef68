# SPDX-License-Identifier: Apache-2.0
"""What a container may do: Kubernetes' ``securityContext`` in the terms of the runtime-spec."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from podwright.errors import HostError
from podwright.security import capabilities


class Security(NamedTuple):
    """The settings of one container, decided."""

    capabilities: tuple[str, ...] = capabilities.DEFAULT
    privileged: bool = False
    """All devices, nothing masked, nothing read-only in /proc, /sys and the cgroups."""
    escalation: bool = False
    """Whether a process may gain privileges by executing a file (no ``no_new_privs``)."""
    seccomp: str = "RuntimeDefault"
    """Kubernetes' ``seccompProfile.type``."""
    read_only_root: bool = False


DEFAULT = Security()
"""Those of a container that asks for nothing."""


def security_of(context: Mapping[str, Any], *, escalation: bool, field: str, bounding: int | None = None) -> Security:
    """Return the settings for a (normalised, effective) security context.

    ``bounding`` are the capabilities that this host has to give, those of this process unless given. Raises HostError,
    naming ``field``, when one that is asked for by name is not among them.
    """
    privileged = bool(context.get("privileged"))
    lists = context.get("capabilities") or {}
    add, drop = lists.get("add", ()), lists.get("drop", ())
    profile = (context.get("seccompProfile") or {}).get("type", "RuntimeDefault")
    host = None
    if privileged or add:
        host = capabilities.names(host_bounding() if bounding is None else bounding)
        missing = [name for name in add if name != "ALL" and f"CAP_{name}" not in host]
        if missing:
            path = f"{field}.capabilities.add"
            raise HostError(f"{path}: this host has no capability {missing[0]} to give", field=path, value=missing[0])
    return Security(
        capabilities=tuple(host or ()) if privileged else _combined(add, drop, host or ()),
        privileged=privileged,
        escalation=escalation,
        seccomp="Unconfined" if privileged else profile,
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
    )


def host_bounding() -> int:
    """Return the mask of the capabilities that this process can pass on (CapBnd in proc_pid_status(5))."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapBnd:"):
                return int(line.split()[1], 16)
    return 0


def _combined(add: Iterable[str], drop: Iterable[str], host: Iterable[str]) -> tuple[str, ...]:
    """Return the default set, changed as containerd does it: ALL first, then what is named, drops last."""
    bits = capabilities.mask(capabilities.DEFAULT)
    if "ALL" in add:
        bits = capabilities.mask(host)
    if "ALL" in drop:
        bits = 0
    bits |= capabilities.mask(f"CAP_{name}" for name in add if name != "ALL")
    bits &= ~capabilities.mask(f"CAP_{name}" for name in drop if name != "ALL")
    return tuple(capabilities.names(bits))
