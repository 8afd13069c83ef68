# SPDX-License-Identifier: Apache-2.0
"""What speaks to a scheduler, and has no effect here; a part of ``models.py``.

It is checked all the same, so that a Pod that runs here is one that a cluster takes.
"""

from typing import Annotated, Literal

from pydantic import Field

from podwright.manifest.model import Object

Weight = Annotated[int, Field(ge=1, le=100)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NodePolicy = Literal["Honor", "Ignore"]


class Toleration(Object):
    """A taint that a scheduler may overlook; without effect here."""

    key: str | None = None
    operator: Literal["", "Equal", "Exists"] | None = None
    value: str | None = None
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None


class NodeSelectorRequirement(Object):
    """What a node's label or field must be like; without effect here."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] | None = None


class NodeSelectorTerm(Object):
    """Requirements that a node must meet all of; without effect here."""

    match_expressions: list[NodeSelectorRequirement] | None = None
    match_fields: list[NodeSelectorRequirement] | None = None


class PreferredSchedulingTerm(Object):
    """How much certain nodes are preferred; without effect here."""

    weight: Weight
    preference: NodeSelectorTerm | None = None


class LabelSelectorRequirement(Object):
    """What an object's label must be like; without effect here."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] | None = None


class LabelSelector(Object):
    """Which objects are meant, by their labels; without effect here."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[LabelSelectorRequirement] | None = None


class PodAffinityTerm(Object):
    """Pods near which, or away from which, this one is to be; without effect here."""

    label_selector: LabelSelector | None = None
    namespaces: list[str] | None = None
    topology_key: str
    namespace_selector: LabelSelector | None = None
    match_label_keys: list[str] | None = None
    mismatch_label_keys: list[str] | None = None


class WeightedPodAffinityTerm(Object):
    """How much it is preferred to be near certain pods, or away from them; without effect here."""

    weight: Weight
    pod_affinity_term: PodAffinityTerm


class NodeAffinity(Object):
    """Preferences about nodes; without effect here."""

    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] | None = None


class PodAffinity(Object):
    """Preferences about neighbours; without effect here."""

    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] | None = None


class Affinity(Object):
    """Preferences of a scheduler; without effect here."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpreadConstraint(Object):
    """How evenly pods are to be spread over nodes; without effect here."""

    max_skew: Positive
    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector | None = None
    min_domains: Positive | None = None
    node_affinity_policy: NodePolicy | None = None
    node_taints_policy: NodePolicy | None = None
    match_label_keys: list[str] | None = None
