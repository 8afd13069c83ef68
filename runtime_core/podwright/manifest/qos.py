# SPDX-License-Identifier: Apache-2.0
"""The quality of service class of a Pod, as Kubernetes derives it (pkg/apis/core/v1/helper/qos)."""

from collections.abc import Mapping
from typing import Any

from podwright.manifest import quantity

_COUNTED = ("cpu", "memory")


def qos_class(spec: Mapping[str, Any]) -> str:
    """Return ``Guaranteed``, ``Burstable`` or ``BestEffort`` for a normalised pod's spec.

    Where the pod has resources of its own, those of its containers do not matter.
    """
    containers = (*spec["containers"], *spec.get("initContainers", ()))
    own = spec.get("resources")
    resources = [own] if own else [container.get("resources", {}) for container in containers]
    limits, requests = _sums(resources, "limits"), _sums(resources, "requests")
    if not limits and not requests:
        return "BestEffort"
    bounded = all(_sums([one], "limits").keys() == set(_COUNTED) for one in resources)
    return "Guaranteed" if bounded and limits == requests else "Burstable"


def _sums(resources: list[dict[str, dict[str, str]]], kind: str) -> dict[str, int]:
    values = [
        (name, quantity.parse(text))
        for one in resources
        for name, text in one.get(kind, {}).items()
        if name in _COUNTED
    ]
    total = {name: sum(value for other, value in values if other == name) for name, _ in values}
    return {name: value for name, value in total.items() if value > 0}
