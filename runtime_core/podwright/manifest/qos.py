# SPDX-License-Identifier: Apache-2.0
"""The quality of service class of a Pod, as Kubernetes derives it (pkg/apis/core/v1/helper/qos)."""

from collections.abc import Sequence
from typing import Any


def qos_class(containers: Sequence[dict[str, Any]]) -> str:
    """Return ``Guaranteed``, ``Burstable`` or ``BestEffort`` for normalised containers."""
    resources = [container.get("resources", {}) for container in containers]
    if not any(item.get("limits") or item.get("requests") for item in resources):
        return "BestEffort"
    for item in resources:
        limits = item.get("limits", {})
        if set(limits) < {"cpu", "memory"} or item.get("requests", limits) != limits:
            return "Burstable"
    return "Guaranteed"
