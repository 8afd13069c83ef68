# SPDX-License-Identifier: Apache-2.0
"""``volumeMounts``: where and how a container sees a volume, what cannot be, and the normal form."""

from collections.abc import Iterator
from typing import Any

from podwright.manifest.faults import Fault
from podwright.manifest.volumes import plain_path

_SUB_PATHS = ("subPath", "subPathExpr")


def faults_of(container: dict[str, Any], volumes: list[dict[str, Any]], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a container's mounts; ``field`` is the path of these."""
    mounts = container.get("volumeMounts") or []
    privileged = (container.get("securityContext") or {}).get("privileged")
    known = {volume["name"] for volume in volumes}
    for index, mount in enumerate(mounts):
        here = f"{field}[{index}]"
        if mount["name"] not in known:
            yield Fault(f"{here}.name", "no volume has this name; list one in volumes", mount["name"])
        reason = _path_fault(mount["mountPath"])
        if reason:
            yield Fault(f"{here}.mountPath", reason, mount["mountPath"])
        yield from _sub_path_faults(mount, here)
        yield from _propagation_faults(mount, here, privileged=bool(privileged))


def normal(mount: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a mount."""
    result = {"name": mount["name"], "mountPath": plain_path(mount["mountPath"])}
    if mount.get("readOnly"):
        result["readOnly"] = True
    for name in _SUB_PATHS:
        path = plain_path(mount.get(name) or "")[1:]
        if path:  # "." is the volume itself
            result[name] = path
    if mount.get("mountPropagation") not in (None, "None"):
        result["mountPropagation"] = mount["mountPropagation"]
    if mount.get("recursiveReadOnly") not in (None, "Disabled"):
        result["recursiveReadOnly"] = mount["recursiveReadOnly"]
    return result


def shared_volumes(pod: dict[str, Any]) -> set[str]:
    """Return the volumes of a (normalised) pod in which mounts of one of its containers show elsewhere."""
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    mounts = (mount for container in containers for mount in container.get("volumeMounts", ()))
    return {mount["name"] for mount in mounts if mount.get("mountPropagation") == "Bidirectional"}


def sub_path_fault(path: str) -> str | None:
    """Return what is wrong with a path inside a volume, if anything."""
    if path.startswith("/") or ".." in path.split("/"):
        return "must be a relative path without '..'"
    return "cannot hold a NUL character" if "\0" in path else None


def _sub_path_faults(mount: dict[str, Any], field: str) -> Iterator[Fault]:
    given = [name for name in _SUB_PATHS if mount.get(name)]
    if len(given) == 2:
        yield Fault(f"{field}.subPathExpr", "cannot stand beside subPath; remove one of them", mount["subPathExpr"])
    for name in given:
        reason = sub_path_fault(mount[name])
        if reason:
            yield Fault(f"{field}.{name}", reason, mount[name])


def _propagation_faults(mount: dict[str, Any], field: str, *, privileged: bool) -> Iterator[Fault]:
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation == "Bidirectional" and not privileged:
        yield Fault(f"{field}.mountPropagation", "Bidirectional is only for privileged containers", propagation)
    if recursive in (None, "Disabled"):
        return
    if not mount.get("readOnly"):
        yield Fault(f"{field}.recursiveReadOnly", "needs readOnly: true beside it", recursive)
    if propagation not in (None, "None"):
        yield Fault(f"{field}.recursiveReadOnly", "cannot stand beside mountPropagation; remove one of them", recursive)


def _path_fault(path: str) -> str | None:
    plain = plain_path(path)
    if ".." in plain.split("/") or ":" in plain:
        return "must not hold '..' or ':'"
    if plain in ("/", "/dev"):
        return "must be a place below / that is not the container's own /dev"
    if plain == "/proc" or plain.startswith("/proc/"):
        return "must not lie in /proc, which only the kernel fills"
    return None
