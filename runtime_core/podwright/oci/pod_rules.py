# SPDX-License-Identifier: Apache-2.0
"""What the configuration of a pod's container may be: what this runtime itself writes."""

from __future__ import annotations

from podwright.errors import ManifestError
from podwright.oci.schema import HOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class PodFilter:
    """The filter of a pod's container: no flags, and nobody who listens."""

    __slots__ = ("flags", "listener_metadata", "listener_path", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.flags = 0
        self.listener_path = self.listener_metadata = ""


def check_pod(spec: Mapping[str, Any], name: str, cgroups: Sequence[str]) -> None:
    """Raise a ManifestError for anything else, which the pod's other parts would not fit."""
    linux = spec.get("linux") or {}
    path, resources = linux.get("cgroupsPath") or "", linux.get("resources") or {}
    kinds = sorted((entry["type"], entry.get("path") or "") for entry in linux.get("namespaces") or ())
    if kinds != [("cgroup", ""), ("mount", ""), ("pid", "")]:
        raise _unsupported("linux.namespaces", linux.get("namespaces"))
    if not spec.get("process"):
        raise _unsupported("process", spec.get("process"))
    if linux.get("rootfsPropagation") not in (None, "", "private", "rprivate"):
        raise _unsupported("linux.rootfsPropagation", linux["rootfsPropagation"])
    if not spec["root"]["path"].startswith("/") or not spec["root"]["path"].endswith(f"/containers/{name}/rootfs"):
        raise _unsupported("root.path", spec["root"]["path"])
    if any((spec.get("hooks") or {}).get(phase) for phase in HOOKS):
        raise _unsupported("hooks", spec["hooks"])
    for directory in cgroups:
        if not directory.startswith("/") or not directory.endswith(path) or ".." in directory.split("/"):
            raise ManifestError(
                f"linux.cgroupsPath is {path!r}, but the container's cgroup is {directory}", field="linux.cgroupsPath"
            )
    if resources and not cgroups:
        raise ManifestError("linux.resources needs a cgroup, and there is none", field="linux.resources")
    for key, value in resources.items():
        if key not in ("cpu", "memory", "pids", "devices") and value:
            raise _unsupported(f"linux.resources.{key}", value)
    # Nothing but the default devices, or all of them: the two that podwright.cgroups gives a pod's container.
    if resources.get("devices") not in (None, *([{"allow": allow, "access": "rwm"}] for allow in (False, True))):
        raise _unsupported("linux.resources.devices", resources["devices"])


def _unsupported(field: str, value: object) -> ManifestError:
    return ManifestError(f"{field} is {value!r}, which the pods of this runtime do not have", field=field, value=value)
