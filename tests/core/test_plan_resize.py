# SPDX-License-Identifier: Apache-2.0
"""What another amount of a resource takes: nothing but new limits, a restart, or a new pod."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from podwright.manifest.normalise import NORMALISER_VERSION, normalise
from podwright.plan.model import Observed, Plan
from podwright.plan.planner import plan

RUNNING = Observed("running", [], {})
RESTART = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "initContainers": [
            {"name": "first", "image": "a", "resources": {"requests": {"cpu": "100m"}}},
            {
                "name": "side",
                "image": "a",
                "restartPolicy": "Always",
                "resources": {"limits": {"memory": "4Mi"}, "requests": {"memory": "1Mi"}},
                "resizePolicy": RESTART,
            },
        ],
        "containers": [
            {"name": "app", "image": "a", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}},
            {
                "name": "jvm",
                "image": "a",
                "resources": {"limits": {"cpu": "1", "memory": "64Mi", "hugepages-2Mi": "2Mi"}},
                "resizePolicy": RESTART,
            },
            {"name": "free", "image": "a", "resizePolicy": RESTART},
        ],
        "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "256Mi", "cpu": "3"}},
    },
}


def planned(edit: Callable[[dict[str, Any], dict[str, dict[str, Any]]], object]) -> Plan:
    """Plan for the pod, changed by a function of its spec and its containers by name."""
    manifest = copy.deepcopy(POD)
    spec = manifest["spec"]
    edit(spec, {item["name"]: item for item in (*spec["initContainers"], *spec["containers"])})
    recorded = {"pod": normalise(POD).pod, "normaliser": NORMALISER_VERSION, "images": {}}
    return plan(normalise(manifest).pod, recorded, RUNNING)


def limit(container: dict[str, Any], **limits: Any) -> None:
    container["resources"]["limits"].update(limits)


@pytest.mark.parametrize(
    ("edit", "action", "restart", "in_place"),
    [
        (lambda _, c: limit(c["app"], memory="96Mi"), "update", [], ["app"]),
        (lambda _, c: limit(c["app"], cpu="2"), "update", [], ["app"]),
        (lambda _, c: limit(c["jvm"], cpu="2"), "update", [], ["jvm"]),
        (lambda _, c: limit(c["jvm"], memory="96Mi"), "update", ["jvm"], []),
        (lambda _, c: (limit(c["jvm"], memory="96Mi"), limit(c["app"], cpu=2)), "update", ["jvm"], ["app"]),
        (lambda _, c: c["jvm"]["resources"].update(requests={"memory": "1Mi"}), "update", ["jvm"], []),
        (lambda _, c: limit(c["jvm"], **{"hugepages-2Mi": "4Mi"}), "recreate", [], []),
        (lambda _, c: c["app"].pop("resources"), "update", [], ["app"]),
        (lambda _, c: c["app"].update(resizePolicy=RESTART), "update", [], ["app"]),
        (lambda _, c: c["side"].pop("resizePolicy"), "update", [], ["side"]),
        (lambda _, c: c["side"]["resources"]["requests"].update(memory="2Mi"), "update", ["side"], []),
        (lambda _, c: c["side"]["resources"]["requests"].update(cpu="1m"), "update", [], ["side"]),
        (lambda _, c: c["first"]["resources"]["requests"].update(cpu="1m"), "update", [], ["first"]),
        (lambda s, _: s["initContainers"].pop(), "recreate", [], []),
        (lambda s, _: s["resources"]["limits"].update(memory="2Gi"), "update", ["free"], []),
        (lambda s, _: s["resources"]["requests"].update(memory="300Mi"), "update", [], []),
        (lambda s, _: s["resources"]["limits"].update(cpu="8"), "update", [], []),
        (lambda s, _: s["resources"]["limits"].update({"hugepages-2Mi": "4Mi"}), "recreate", [], []),
    ],
)
def test_what_it_takes(edit, action, restart, in_place):
    found = planned(edit)
    assert (found.action, found.restart, found.in_place) == (action, restart, in_place)


def test_a_container_that_feels_the_limit_of_the_pod_is_named():
    found = planned(lambda s, _: s["resources"]["limits"].update(memory="2Gi"))
    assert [(change.path, change.before, change.after, change.effect) for change in found.changes] == [
        ("spec.containers[free].resources.limits[memory]", "1Gi", "2Gi", "restart container free"),
        ("spec.resources.limits[memory]", "1Gi", "2Gi", "in-place"),
    ]


def test_another_class_of_service_is_another_pod():
    found = planned(lambda s, _: s["resources"].update(limits={"memory": "1Gi", "cpu": "4"}, requests={}))
    assert found.action == "update", "the requests are still less than the limits"
    guaranteed = {"memory": "1Gi", "cpu": "4"}
    found = planned(lambda s, _: s["resources"].update(limits=guaranteed, requests=guaranteed))
    assert found.action == "recreate"
    assert {change.effect for change in found.changes} == {"recreate pod"}
