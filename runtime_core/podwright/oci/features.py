# SPDX-License-Identifier: Apache-2.0
"""What this runtime carries out, as a document (the runtime-spec's features.md), from the tables that it works with."""

from __future__ import annotations

import podwright
from podwright.oci.mount_options import KNOWN
from podwright.oci.scheduling import MEMORY_FLAGS, MEMORY_MODES
from podwright.oci.schema import HOOKS, NAMESPACES
from podwright.security import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OCI_VERSION = "1.3.0"
_SECCOMP = {
    "actions": ("ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "LOG", "NOTIFY", "TRACE", "TRAP"),
    "operators": ("EQ", "GE", "GT", "LE", "LT", "MASKED_EQ", "NE"),
    "archs": ("AARCH64", "ARM", "X32", "X86", "X86_64"),
}
_SECCOMP_FLAGS = ("LOG", "SPEC_ALLOW", "TSYNC", "WAIT_KILLABLE_RECV")
_PREFIXES = {"actions": "SCMP_ACT_", "operators": "SCMP_CMP_", "archs": "SCMP_ARCH_"}


def features() -> dict[str, Any]:
    """Return the features document. It does not depend on the host."""
    flags = [f"SECCOMP_FILTER_FLAG_{name}" for name in _SECCOMP_FLAGS]
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(HOOKS),
        "mountOptions": list(KNOWN),
        "linux": {
            "namespaces": list(NAMESPACES),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                **{key: [f"{_PREFIXES[key]}{name}" for name in names] for key, names in _SECCOMP.items()},
                "knownFlags": flags,
                "supportedFlags": flags,
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "memoryPolicy": {"modes": list(MEMORY_MODES), "flags": list(MEMORY_FLAGS)},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": {"podwright.runtime/version": podwright.__version__},
    }
