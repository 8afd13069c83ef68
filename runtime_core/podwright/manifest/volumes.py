# SPDX-License-Identifier: Apache-2.0
"""``volumes`` and ``volumeMounts``: what cannot be mounted, and their normal form."""

from collections.abc import Iterator
from typing import Any

from podwright.manifest import config_volumes, quantity
from podwright.manifest.faults import Fault

_SOURCES = ("hostPath", "emptyDir", *config_volumes.KINDS)


def faults_of(volumes: list[dict[str, Any]], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a pod's volumes."""
    for index, volume in enumerate(volumes):
        here = f"{field}[{index}]"
        given = [source for source in _SOURCES if volume.get(source) is not None]
        if len(given) > 1:
            yield Fault(here, f"must be one thing, but has {' and '.join(given)}", volume["name"])
        yield from config_volumes.faults_of(volume, here)
        path = (volume.get("hostPath") or {}).get("path")
        if path and ".." in path.split("/"):
            yield Fault(f"{here}.hostPath.path", "must not hold '..'", path)
        yield from _size_faults(volume.get("emptyDir") or {}, f"{here}.emptyDir.sizeLimit")


def mount_faults_of(mounts: list[dict[str, Any]], volumes: list[dict[str, Any]], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a container's mounts."""
    known = {volume["name"] for volume in volumes}
    for index, mount in enumerate(mounts):
        if mount["name"] not in known:
            yield Fault(f"{field}[{index}].name", "no volume has this name; list one in volumes", mount["name"])
        reason = _path_fault(mount["mountPath"])
        if reason:
            yield Fault(f"{field}[{index}].mountPath", reason, mount["mountPath"])


def normal(volume: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a volume; one that says nothing else is an emptyDir, as in Kubernetes."""
    host = volume.get("hostPath")
    if host:
        kind = {"type": host["type"]} if host.get("type") else {}
        return {"name": volume["name"], "hostPath": {"path": plain_path(host["path"]), **kind}}
    config = config_volumes.normal(volume)
    if config:
        return {"name": volume["name"], **config}
    given = volume.get("emptyDir") or {}
    empty = {"medium": given["medium"]} if given.get("medium") else {}
    size = quantity.parse(given["sizeLimit"]) if given.get("sizeLimit") is not None else 0
    if size:  # 0 is no limit, as it is to a kubelet
        empty["sizeLimit"] = quantity.canonical(quantity.units(size) * quantity.NANO, binary=True)
    return {"name": volume["name"], "emptyDir": empty}


def normal_mount(mount: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a mount."""
    read_only = {"readOnly": True} if mount.get("readOnly") else {}
    return {"name": mount["name"], "mountPath": plain_path(mount["mountPath"]), **read_only}


def plain_path(path: str) -> str:
    """Return an absolute path without doubled slashes, dots, and a slash at its end."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _path_fault(path: str) -> str | None:
    plain = plain_path(path)
    if ".." in plain.split("/") or ":" in plain:
        return "must not hold '..' or ':'"
    if plain in ("/", "/dev"):
        return "must be a place below / that is not the container's own /dev"
    if plain == "/proc" or plain.startswith("/proc/"):
        return "must not lie in /proc, which only the kernel fills"
    return None


def _size_faults(empty: dict[str, Any], field: str) -> Iterator[Fault]:
    limit = empty.get("sizeLimit")
    if limit is None:
        return
    try:
        size = quantity.parse(limit)
    except ValueError as error:
        yield Fault(field, str(error), limit)
    else:
        if size < 0:
            yield Fault(field, "must not be negative", limit)
