# SPDX-License-Identifier: Apache-2.0
"""What speaks to a scheduler has no effect here, but a mistake in it is told all the same."""

from typing import Any

import pytest

from manifesttools import pod, with_metadata
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}


def tolerating(**toleration: Any) -> dict[str, Any]:
    return pod(tolerations=[toleration])


def on_node(**preference: Any) -> dict[str, Any]:
    return pod(affinity={"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": preference}]}})


def near(**term: Any) -> dict[str, Any]:
    return pod(affinity={"podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}})


def spread(**constraint: Any) -> dict[str, Any]:
    return pod(topologySpreadConstraints=[{**SPREAD, **constraint}])


def with_labels(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "labels": {"a": "x"}}}


def cost(text: str) -> dict[str, Any]:
    return with_metadata(annotations={"controller.kubernetes.io/pod-deletion-cost": text})


@pytest.mark.parametrize(
    "manifest",
    [
        tolerating(operator="Exists"),
        tolerating(key="a", operator="", effect="", value=""),
        tolerating(key="x.org/a", value="b", effect="NoExecute", tolerationSeconds=0),
        on_node(matchExpressions=[{"key": "a", "operator": "Gt", "values": ["1"]}]),
        on_node(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]),
        near(topologyKey="zone", namespaces=["a"], namespaceSelector={}, labelSelector={"matchLabels": {"a": ""}}),
        near(topologyKey="zone", labelSelector={}, matchLabelKeys=["a"], mismatchLabelKeys=["b"]),
        spread(whenUnsatisfiable="DoNotSchedule", minDomains=2, nodeTaintsPolicy="Honor"),
        pod(topologySpreadConstraints=[SPREAD, {**SPREAD, "whenUnsatisfiable": "DoNotSchedule"}]),
        cost("-2147483648"),
        cost("0"),
    ],
)
def test_what_a_server_takes_is_taken(manifest: dict[str, Any]) -> None:
    assert normalise(manifest).pod["spec"] == normalise(pod()).pod["spec"]


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        (tolerating(key="a b"), "spec.tolerations[0].key: must be [prefix/]name"),
        (tolerating(value="a"), "spec.tolerations[0].operator: must be 'Exists' where there is no key (got '')"),
        (
            tolerating(key="a", operator="Near"),
            "spec.tolerations[0].operator: must be 'Equal' or 'Exists' (got 'Near')",
        ),
        (tolerating(key="a", operator="Exists", value="b"), "spec.tolerations[0].value: must not be there with"),
        (tolerating(key="a", value="b c"), "spec.tolerations[0].value: must be at most 63 letters"),
        (tolerating(key="a", tolerationSeconds=1), "spec.tolerations[0].effect: must be 'NoExecute' with"),
        (on_node(matchExpressions=[{"key": "a", "operator": "In"}]), "[0].values: must not be empty with the operator"),
        (on_node(matchExpressions=[{"key": "a", "operator": "Lt"}]), "[0].values: must be one value with the operator"),
        (on_node(matchFields=[{"key": "a", "operator": "In", "values": ["b"]}]), "[0].key: must be metadata.name"),
        (on_node(matchFields=[{"key": "metadata.name", "operator": "Gt", "values": ["b"]}]), "must be 'In' or 'NotIn'"),
        (on_node(matchFields=[{"key": "metadata.name", "operator": "In"}]), "[0].values: must be the name of one node"),
        (near(topologyKey=""), "podAffinityTerm.topologyKey: must be [prefix/]name"),
        (near(topologyKey="a", namespaces=["a.b"]), "podAffinityTerm.namespaces: must be lower case letters"),
        (near(topologyKey="a", namespaceSelector={"matchLabels": {"a": "-"}}), "matchLabels[a]: must be at most 63"),
        (near(topologyKey="a", matchLabelKeys=["b"]), "podAffinityTerm.matchLabelKeys: needs a labelSelector"),
        (
            near(topologyKey="a", labelSelector={}, matchLabelKeys=["b"], mismatchLabelKeys=["b"]),
            "must not hold what mis",
        ),
        (spread(topologyKey=""), "spec.topologySpreadConstraints[0].topologyKey: must not be empty"),
        (spread(minDomains=1), "minDomains: needs whenUnsatisfiable: DoNotSchedule (got 1)"),
        (
            with_labels(
                spread(labelSelector={"matchExpressions": [{"key": "a", "operator": "Exists"}]}, matchLabelKeys=["a"])
            ),
            "spec.topologySpreadConstraints[0].matchLabelKeys: must not hold a key twice, nor one that labelSelector",
        ),
        (pod(topologySpreadConstraints=[SPREAD, SPREAD]), "spec.topologySpreadConstraints[1]: must differ from those"),
        (pod(priorityClassName="A_b"), "spec.priorityClassName: must be lower case letters"),
        (pod(overhead={"cpu": "-1"}), "spec.overhead[cpu]: must not be negative (got '-1')"),
        (pod(overhead={"cpu": "much"}), "spec.overhead[cpu]: must be a quantity"),
        (cost("+1"), "pod-deletion-cost]: must be an integer of 32 bits (got '+1')"),
        (cost("2147483648"), "pod-deletion-cost]: must be an integer of 32 bits (got '2147483648')"),
    ],
)
def test_what_a_server_refuses_is_refused(manifest: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ManifestError) as caught:
        normalise(manifest)
    assert sentence in caught.value.message
