# SPDX-License-Identifier: Apache-2.0
"""``volumeMounts``: where and how a container sees a volume, what cannot be, and the normal form."""

from collections.abc import Iterator
from typing import Any

from podwright.manifest.faults import Fault
from podwright.manifest.volumes import plain_path

_SUB_PATHS = ("subPath", "subPathExpr")


def faults_of(mounts: list[dict[str, Any]], volumes: list[dict[str, Any]], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a container's mounts."""
    known = {volume["name"] for volume in volumes}
    for index, mount in enumerate(mounts):
        here = f"{field}[{index}]"
        if mount["name"] not in known:
            yield Fault(f"{here}.name", "no volume has this name; list one in volumes", mount["name"])
        reason = _path_fault(mount["mountPath"])
        if reason:
            yield Fault(f"{here}.mountPath", reason, mount["mountPath"])
        yield from _sub_path_faults(mount, here)


def normal(mount: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a mount."""
    result = {"name": mount["name"], "mountPath": plain_path(mount["mountPath"])}
    if mount.get("readOnly"):
        result["readOnly"] = True
    for name in _SUB_PATHS:
        path = plain_path(mount.get(name) or "")[1:]
        if path:  # "." is the volume itself
            result[name] = path
    return result


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


def _path_fault(path: str) -> str | None:
    plain = plain_path(path)
    if ".." in plain.split("/") or ":" in plain:
        return "must not hold '..' or ':'"
    if plain in ("/", "/dev"):
        return "must be a place below / that is not the container's own /dev"
    if plain == "/proc" or plain.startswith("/proc/"):
        return "must not lie in /proc, which only the kernel fills"
    return None
