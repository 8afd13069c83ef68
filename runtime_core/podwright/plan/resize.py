# SPDX-License-Identifier: Apache-2.0
"""What a change of resources costs: new limits for what runs, a container's restart, or a new pod.

As an API server and the kubelet have it (ValidatePodResize, computePodResizeAction): cpu and memory change in place,
unless the container's resizePolicy says that it has to start again; a pod never changes its quality of service class.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podwright.manifest import quantity
from podwright.manifest.qos import qos_class
from podwright.manifest.resources import RESIZABLE
from podwright.plan import effects

Spec = Mapping[str, Any]
LISTS = ("containers", "initContainers")
"""Those of a spec that hold containers."""


def effect_of(path: Sequence[str], before: Spec, desired: Spec) -> str | None:
    """Return the effect of a change at a path of two specs, None when it is not one of resources."""
    if "resources" not in path[1:4:2] or path[1] not in ("resources", *LISTS):
        return effects.IN_PLACE if path[1:4:2] == ("initContainers", "resizePolicy") else None
    name = path[-1]
    if name not in RESIZABLE or qos_class(before) != qos_class(desired):
        return effects.RECREATE
    if path[1] == "resources":
        return effects.IN_PLACE
    container = next(item for item in desired[path[1]] if item["name"] == path[2])
    return effects.restart(path[2]) if _restarts(container, name) else effects.IN_PLACE


def restarts(before: Spec, desired: Spec) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield each container that restarts for other limits of the pod: the path that feels it, its old and new value.

    It has no limit of its own, so the pod's is what it was started with.
    """
    old, new = (spec.get("resources", {}).get("limits", {}) for spec in (before, desired))
    for kind in LISTS:
        for container in desired.get(kind, ()):
            for name in RESIZABLE:
                limit = container.get("resources", {}).get("limits", {}).get(name, "0")
                if old.get(name) != new.get(name) and not quantity.parse(limit) and _restarts(container, name):
                    path = f"spec.{kind}[{container['name']}].resources.limits[{name}]"
                    yield container["name"], path, old.get(name), new.get(name)


def _restarts(container: Mapping[str, Any], name: str) -> bool:
    policies = container.get("resizePolicy", ())
    return any(item["resourceName"] == name and item["restartPolicy"] == "RestartContainer" for item in policies)
