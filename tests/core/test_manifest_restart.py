# SPDX-License-Identifier: Apache-2.0
"""When a container starts again, as its own fields say and as the pod says."""

from typing import Any

import pytest

from manifesttools import with_container
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise
from podwright.manifest.restart import should_restart
from podwright.pods.members import members
from podwright.pods.store import Record


def rule(operator: str, *codes: int, action: str = "Restart") -> dict[str, Any]:
    return {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}


@pytest.mark.parametrize(
    ("container", "pod_policy", "again"),
    [
        ({}, "Always", {0, 1, 42}),
        ({}, "OnFailure", {1, 42}),
        ({}, "Never", set()),
        ({"restartPolicy": "Never"}, "Always", set()),
        ({"restartPolicy": "OnFailure"}, "Never", {1, 42}),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("In", 42)]}, "Always", {42}),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("NotIn", 42)]}, "Never", {0, 1}),
        ({"restartPolicy": "OnFailure", "restartPolicyRules": [rule("In", 0)]}, "Never", {0, 1, 42}),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("In", 1), rule("In", 0)]}, "Never", {0, 1}),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("NotIn")]}, "Never", {0, 1, 42}),
    ],
)
def test_rules_come_before_the_container_and_the_container_before_the_pod(container, pod_policy, again):
    assert {code for code in (0, 1, 42) if should_restart(container, pod_policy, code)} == again


def test_the_supervisor_is_told_what_decides():
    fields = {"restartPolicy": "Never", "restartPolicyRules": [rule("In", 9, 3, 9), rule("NotIn", 0)]}
    normal = normalise(with_container(**fields)).pod
    assert normal["spec"]["containers"][0]["restartPolicyRules"][0] == rule("In", 3, 9)
    record = Record("u", "running", normal, 1, {}, "")
    name = normal["spec"]["containers"][0]["name"]
    assert members(record)[0] == {"name": name, "role": "main", "restart": "Never", "rules": [[True, 3, 9], [False, 0]]}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"restartPolicyRules": [rule("In", 1)]}, "restartPolicy"),
        ({"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]}, "restartPolicyRules[0].exitCodes"),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [rule("In", 1, action="RestartAllContainers")]},
            "restartPolicyRules[0].action",
        ),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("In", 1)] * 21}, "restartPolicyRules"),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [rule("In", *range(256))]},
            "restartPolicyRules[0].exitCodes.values",
        ),
    ],
)
def test_what_kubernetes_or_this_release_refuses(fields, field):
    with pytest.raises(ManifestError, match=r"spec\.containers") as caught:
        normalise(with_container(**fields))
    assert caught.value.field == f"spec.containers[0].{field}"


def test_a_container_alone_has_the_policy_of_its_pod_and_no_rules():
    lone = {"kind": "Container", "name": "a", "image": "x:1", "restartPolicy": "OnFailure"}
    assert normalise(lone).pod["spec"]["restartPolicy"] == "OnFailure"
    with pytest.raises(ManifestError, match="restartPolicyRules: not supported"):
        normalise({**lone, "restartPolicyRules": [rule("In", 1)]})
