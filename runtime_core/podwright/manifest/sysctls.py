# SPDX-License-Identifier: Apache-2.0
"""``securityContext.sysctls``: kernel parameters of the namespaces that a pod's containers share."""

import re
from collections.abc import Iterator
from typing import Any

from podwright.manifest.faults import Fault

SAFE = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
"""What every pod may set, as in Kubernetes (pkg/kubelet/sysctl/safe_sysctls.go): no other pod notices."""
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"({_SEGMENT}[./])*{_SEGMENT}")  # IsValidSysctlName of pkg/apis/core/validation
_LONGEST = 253


def faults_of(sysctls: list[dict[str, Any]], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a pod's kernel parameters; which of them it may set is the host's to say."""
    seen: dict[str, int] = {}
    for index, one in enumerate(sysctls):
        name, here = one["name"], f"{field}[{index}].name"
        if len(name) > _LONGEST or not _NAME.fullmatch(name):
            yield Fault(here, "must be the name of a kernel parameter, such as net.ipv4.tcp_syncookies", name)
        elif canonical(name) in seen:
            first = f"{field}[{seen[canonical(name)]}]"
            yield Fault(here, f"must be unique, but {first} is the same parameter", name)
        seen.setdefault(canonical(name), index)


def normal(sysctls: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the normal form of a pod's kernel parameters."""
    found = ({"name": canonical(one["name"]), "value": one["value"]} for one in sysctls)
    return sorted(found, key=lambda one: one["name"])


def canonical(name: str) -> str:
    """Return a name with dots between its parts; the first sign in it, dot or slash, is what separates (sysctl(8))."""
    first = next((sign for sign in name if sign in "./"), ".")
    return name if first == "." else name.translate(str.maketrans("./", "/."))
