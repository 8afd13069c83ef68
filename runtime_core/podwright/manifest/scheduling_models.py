# SPDX-License-Identifier: Apache-2.0
"""What speaks to a scheduler, and has no effect here; a part of ``models.py``."""

from typing import Any

from podwright.manifest.model import Object


class Toleration(Object):
    """A taint that a scheduler may overlook; without effect here."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class NodeAffinity(Object):
    """Preferences about nodes; without effect here."""

    preferred_during_scheduling_ignored_during_execution: list[dict[str, Any]] | None = None


class PodAffinity(Object):
    """Preferences about neighbours; without effect here."""

    preferred_during_scheduling_ignored_during_execution: list[dict[str, Any]] | None = None


class Affinity(Object):
    """Preferences of a scheduler; without effect here."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None
