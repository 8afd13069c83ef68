# SPDX-License-Identifier: Apache-2.0
"""How much of the disk a pod may take: what the supervisor adds up, and when it evicts the pod.

As the kubelet's eviction manager has it (localStorageEviction): each disk emptyDir, then the pod, then each container.
"""

from collections.abc import Iterator
from typing import Any

from podwright.manifest import quantity
from podwright.manifest.resources import STORAGE, sums
from podwright.pods.store import Record

PERIOD = 10_000
"""Milliseconds from one look to the next; the kubelet's housekeeping interval."""


def storage_plan(record: Record) -> dict[str, Any]:
    """Return what ``sandbox.json`` says: the paths to add up, and bounds of their sums."""
    paths: list[str] = []
    bounds = []
    for limit, message, bounded in _bounds(record):
        paths += [path for path in bounded if path not in paths]
        indices = [paths.index(path) for path in bounded]
        bounds.append({"limit": limit, "message": message, "paths": indices})
    return {"period": PERIOD, "paths": paths, "bounds": bounds}


def _bounds(record: Record) -> Iterator[tuple[int, str, list[str]]]:
    """Yield bytes, the message of an eviction (with the kubelet's blank at its end), and what must not take more."""
    volumes = {}
    for volume in record.pod["spec"].get("volumes", ()):
        if "emptyDir" in volume and volume["emptyDir"].get("medium") != "Memory":
            volumes[volume["name"]] = f"volumes/{volume['name']}"
            size = volume["emptyDir"].get("sizeLimit")
            if size:
                message = f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{size}". '
                yield _bytes(size), message, [volumes[volume["name"]]]
    total = sums(record.pod["spec"], "limits").get(STORAGE)
    if total is not None:
        text = quantity.canonical(total, binary=True)
        everything = [path for item in record.all_containers for path in _paths(item)] + list(volumes.values())
        message = f"Pod ephemeral local storage usage exceeds the total limit of containers {text}. "
        yield quantity.units(total), message, everything
    for container in record.containers:
        limit = container.get("resources", {}).get("limits", {}).get(STORAGE, "0")
        if _bytes(limit):
            message = f'Container {container["name"]} exceeded its local ephemeral storage limit "{limit}". '
            yield _bytes(limit), message, _paths(container)


def _paths(container: dict[str, Any]) -> list[str]:
    return [f"containers/{container['name']}/{part}" for part in ("rw", "logs")]


def _bytes(text: str) -> int:
    return quantity.units(quantity.parse(text))
