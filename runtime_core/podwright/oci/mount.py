# SPDX-License-Identifier: Apache-2.0
"""The ``mounts`` of a configuration as steps of a plan."""

from __future__ import annotations

import os

from podwright.errors import ManifestError
from podwright.oci import cgroup_mount
from podwright.oci.mount_options import RDONLY, parse_options
from podwright.oci.namespaces import check_mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from podwright.oci.cgroup_mount import Hierarchy
    from podwright.oci.mount_options import MountOptions

_MAX_PATH = 4095
# What lxcfs puts over files of /proc; anything else there could fake what is read from and written to it
# (CVE-2019-16884).
_OVER_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        "cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime",
        "sys/crypto/fips_enabled", "sys/kernel/ns_last_pid",
    )
)  # fmt: skip
_WITHOUT_LABEL = frozenset(("proc", "sysfs", "mqueue", "cgroup", "cgroup2"))  # SELinux labels these by itself


class Surroundings:
    """What the mounts of a container depend on beside themselves."""

    __slots__ = ("bundle", "gid_mappings", "hierarchies", "label", "own_cgroup_namespace", "uid_mappings")

    def __init__(
        self,
        *,
        bundle: str = "/",
        hierarchies: Sequence[Hierarchy] = (),
        own_cgroup_namespace: bool = False,
        uid_mappings: Sequence[Sequence[int]] = (),
        gid_mappings: Sequence[Sequence[int]] = (),
        label: str = "",
    ) -> None:
        self.bundle = bundle
        self.hierarchies = hierarchies
        self.own_cgroup_namespace = own_cgroup_namespace
        self.uid_mappings = uid_mappings
        self.gid_mappings = gid_mappings
        self.label = label


def mount_steps(mounts: Sequence[Mapping[str, Any]], around: Surroundings) -> tuple[list[Any], list[Any]]:
    """Return the steps that mount, and those to be done inside, when all mounts are there."""
    steps: list[Any] = []
    late: list[Any] = []
    for position, mount in enumerate(mounts):
        _add(mount, f"mounts[{position}]", around, steps, late)
    return steps, late


def _add(mount: Mapping[str, Any], field: str, around: Surroundings, steps: list[Any], late: list[Any]) -> None:
    kind = mount.get("type") or "none"
    options = parse_options(mount.get("options") or (), kind, f"{field}.options")
    target = _target(mount["destination"], f"{field}.destination")
    source = mount.get("source") or ""
    if options.bind is None and (mount.get("uidMappings") or mount.get("gidMappings") or options.id_map is not None):
        raise ManifestError(f"{field}: only a bind mount can have mappings of IDs, and this is none", field=field)
    if options.remount:
        late.append(["attributes", target, options.set, options.clear])
        return
    _check_proc(target, kind if options.bind is None else "bind", source, field)
    if options.bind is not None:
        steps.append(_bind(mount, source, target, options, around, field))
    elif kind in cgroup_mount.TYPES:
        made, later = cgroup_mount.cgroup_steps(
            source or kind,
            target,
            options,
            around.hierarchies,
            own_namespace=around.own_cgroup_namespace,
            field=f"{field}.options",
        )
        steps += made
        late += later
    else:
        steps.append(_file_system(kind, source, target, options, around, field))
        if kind == "tmpfs" and options.set & RDONLY:
            # Mount points and device nodes are made in it first.
            steps[-1][4] &= ~RDONLY
            late.append(["attributes", target, RDONLY, 0])


def _file_system(
    kind: str, source: str, target: str, options: MountOptions, around: Surroundings, field: str
) -> list[Any]:
    if kind == "none":
        raise ManifestError(
            f"{field}.type is missing; give a file system, or bind or rbind among the options", field=f"{field}.type"
        )
    if not kind.isascii() or not all(sign.isalnum() or sign in "._-" for sign in kind) or len(kind) > 64:
        raise ManifestError(f"{field}.type: {kind[:80]!r} is no type of a file system", field=f"{field}.type")
    if options.no_symlinks:
        raise ManifestError(f"{field}.options: src-nofollow is for bind mounts", field=f"{field}.options")
    parameters = list(options.parameters)
    if around.label and kind not in _WITHOUT_LABEL and not any(word.startswith("context=") for word in parameters):
        parameters.append(f"context={around.label}")
    extra: dict[str, Any] = _recursive(options)
    if options.propagation:
        extra["propagation"] = options.propagation
    if options.copyup:
        extra["copyup"] = True
    return ["mount", kind, source or kind, target, options.set, parameters, extra]


def _bind(
    mount: Mapping[str, Any], source: str, target: str, options: MountOptions, around: Surroundings, field: str
) -> list[Any]:
    if not source:
        raise ManifestError(
            f"{field}.source is missing; a bind mount needs the path that it shows", field=f"{field}.source"
        )
    if len(source.encode()) > _MAX_PATH:
        raise ManifestError(
            f"{field}.source is longer than the {_MAX_PATH} bytes that a path can have", field=f"{field}.source"
        )
    extra: dict[str, Any] = _recursive(options)
    if options.bind:
        extra["recursive"] = True
    if options.propagation:
        extra["propagation"] = options.propagation
    if options.no_symlinks:
        extra["noSymlinks"] = True
    id_map = _id_map(mount, options, around, field)
    if id_map:
        extra["idmap"] = id_map
    return ["bind", os.path.join(around.bundle, source), target, options.set, options.clear, extra]


def _recursive(options: MountOptions) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if options.recursive_set:
        extra["recursiveSet"] = options.recursive_set
    if options.recursive_clear:
        extra["recursiveClear"] = options.recursive_clear
    return extra


def _id_map(mount: Mapping[str, Any], options: MountOptions, around: Surroundings, field: str) -> dict[str, Any] | None:
    given = [mount.get(key) or [] for key in ("uidMappings", "gidMappings")]
    if options.id_map is None and not any(given):
        return None
    if any(given):
        uids, gids = (
            check_mappings(entries, f"{field}.{key}")
            for entries, key in zip(given, ("uidMappings", "gidMappings"), strict=True)
        )
    else:
        uids, gids = ([list(entry) for entry in side] for side in (around.uid_mappings, around.gid_mappings))
    if not uids or not gids:
        raise ManifestError(
            f"{field}: an ID-mapped mount needs both uidMappings and gidMappings, of the mount or of a new user "
            "namespace of the container",
            field=field,
        )
    return {"uid": uids, "gid": gids, "recursive": bool(options.id_map)}


def _target(destination: str, field: str) -> str:
    if not destination.startswith("/"):
        raise ManifestError(
            f"{field} is {destination!r}, but the runtime-spec wants an absolute path; write /{destination}",
            field=field,
            value=destination,
        )
    parts = [part for part in destination.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ManifestError(
            f"{field} is {destination!r}, but must be a plain absolute path below /", field=field, value=destination
        )
    target = "/" + "/".join(parts)
    if len(target.encode()) > _MAX_PATH:
        raise ManifestError(f"{field} is longer than the {_MAX_PATH} bytes that a path can have", field=field)
    return target


def _check_proc(target: str, kind: str, source: str, field: str) -> None:
    if target != "/proc" and not target.startswith("/proc/"):
        return
    if target in _OVER_PROC or (target == "/proc" and (kind == "proc" or (kind == "bind" and _is_proc(source)))):
        return
    raise ManifestError(
        f"{field}.destination is {target!r}, but /proc takes only a proc file system, and nothing but the files of "
        "lxcfs over its own",
        field=f"{field}.destination",
        value=target,
    )


def _is_proc(source: str) -> bool:
    """Tell whether a path is the host's own procfs, as containers that share its process IDs have it bound."""
    try:
        found, host = os.stat(source), os.stat("/proc")
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (host.st_dev, host.st_ino)
