# SPDX-License-Identifier: Apache-2.0
"""``volumes``: what cannot be mounted, and the normal form."""

from collections.abc import Iterator
from typing import Any

from podwright.manifest import config_volumes, names, quantity
from podwright.manifest.faults import Fault

_SOURCES = ("hostPath", "emptyDir", "persistentVolumeClaim", "image", *config_volumes.KINDS)


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
        image = (volume.get("image") or {}).get("reference") or ""
        reason = names.image_fault(image)
        if reason:
            yield Fault(f"{here}.image.reference", reason, image)


def normal(volume: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a volume; one that says nothing else is an emptyDir, as in Kubernetes."""
    host = volume.get("hostPath")
    if host:
        kind = {"type": host["type"]} if host.get("type") else {}
        return {"name": volume["name"], "hostPath": {"path": plain_path(host["path"]), **kind}}
    config = config_volumes.normal(volume)
    if config:
        return {"name": volume["name"], **config}
    claim = volume.get("persistentVolumeClaim")
    if claim:
        read_only = {"readOnly": True} if claim.get("readOnly") else {}
        return {"name": volume["name"], "persistentVolumeClaim": {"claimName": claim["claimName"], **read_only}}
    image = volume.get("image")
    if image:
        policy = image.get("pullPolicy") or names.default_pull_policy(image["reference"])
        return {"name": volume["name"], "image": {"reference": image["reference"], "pullPolicy": policy}}
    given = volume.get("emptyDir") or {}
    empty = {"medium": given["medium"]} if given.get("medium") else {}
    size = quantity.parse(given["sizeLimit"]) if given.get("sizeLimit") is not None else 0
    if size:  # 0 is no limit, as it is to a kubelet
        empty["sizeLimit"] = quantity.canonical(quantity.units(size) * quantity.NANO, binary=True)
    return {"name": volume["name"], "emptyDir": empty}


def plain_path(path: str) -> str:
    """Return an absolute path without doubled slashes, dots, and a slash at its end."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


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
