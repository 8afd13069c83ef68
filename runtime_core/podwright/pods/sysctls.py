# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters of a pod: which of them this host lets it set."""

from collections.abc import Mapping
from typing import Any

from podwright.config import Config
from podwright.errors import HostError
from podwright.manifest.sysctls import SAFE
from podwright.oci.sysctl import namespace_of, path_of

Pod = Mapping[str, Any]


def check(config: Config, pod: Pod) -> None:
    """Raise HostError, which names the first, for a parameter that a pod on this host must not set."""
    for one in _sysctls(pod):
        name = one["name"]
        field = f"spec.securityContext.sysctls[{name}]"
        if namespace_of(path_of(name)) not in ("network", "ipc"):
            reason = "is a parameter of the whole host; set it there (sysctl(8)), or remove it"
        elif name in SAFE or any(_matches(name, pattern) for pattern in config.pods_allowed_unsafe_sysctls):
            continue
        else:
            reason = (
                "is not safe, so a pod may set it only where pods.allowed_unsafe_sysctls of podwright.toml names it"
            )
        # Kubernetes' reason, which whoever knows it looks for
        raise HostError(f"{field}: SysctlForbidden: {name} {reason}", field=field, value=name)


def rows(pod: Pod) -> list[list[str]]:
    """Return path below /proc/sys and value of each parameter, as ``sandbox.json`` has them."""
    return [[path_of(one["name"]), one["value"]] for one in _sysctls(pod)]


def _sysctls(pod: Pod) -> list[dict[str, str]]:
    return list((pod["spec"].get("securityContext") or {}).get("sysctls", ()))


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
