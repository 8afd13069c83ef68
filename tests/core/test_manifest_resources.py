# SPDX-License-Identifier: Apache-2.0
"""``resources`` in a manifest: what is refused, what is filled in, and the class of service that follows."""

from typing import Any

import pytest

from manifesttools import pod, with_container
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise
from podwright.manifest.qos import qos_class
from podwright.manifest.resources import sums

GUARANTEED = {"cpu": "1", "memory": "64Mi"}


def one(name: str, limits: dict[str, Any] | None = None, requests: dict[str, Any] | None = None, **fields: Any) -> Any:
    return {"name": name, "image": "a", "resources": {"limits": limits or {}, "requests": requests or {}}, **fields}


def spec_of(*containers: Any, init: Any = (), **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = normalise(pod(containers=list(containers), initContainers=list(init), **spec)).pod["spec"]
    return found


def own(limits: dict[str, Any] | None = None, requests: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"limits": limits or {}, "requests": requests or {}}


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ({"limits": {"hugepages-2Mi": "3Mi", "cpu": 1}}, "limits[hugepages-2Mi]: must be a multiple of the page size"),
        ({"limits": {"hugepages-x": "2Mi", "cpu": 1}}, "limits[hugepages-x]: must be a multiple of the page size"),
        ({"limits": {"hugepages-0": "2Mi", "cpu": 1}}, "limits[hugepages-0]: must be a multiple of the page size"),
        ({"limits": {"hugepages-2Mi": "4Mi"}}, "resources: huge pages need cpu or memory beside them"),
        (
            {"limits": {"hugepages-2Mi": "4Mi", "cpu": 1}, "requests": {"hugepages-2Mi": "2Mi"}},
            "requests[hugepages-2Mi]: must be the limit of 4Mi: huge pages are not shared",
        ),
        (
            {"requests": {"hugepages-2Mi": "2Mi", "cpu": 1}},
            "limits[hugepages-2Mi]: required beside requests[hugepages-2Mi], but missing",
        ),
        ({"limits": {"memory": "1M"}, "requests": {"memory": "1Mi"}}, "must not be more than the limit of 1M"),
    ],
)
def test_what_no_container_may_ask_for(resources, sentence):
    with pytest.raises(ManifestError) as caught:
        normalise(with_container(resources=resources))
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        (own({"ephemeral-storage": "1Gi"}), "limits[ephemeral-storage]: must be cpu, memory or hugepages-SIZE"),
        (own({"cpu": "x"}), "limits[cpu]: must be a quantity"),
        (own({"cpu": -1}), "limits[cpu]: must not be negative"),
        (own({"cpu": 1}, {"cpu": 2}), "requests[cpu]: must not be more than the limit of 1"),
        (
            own(requests={"cpu": "500m"}),
            "requests[cpu]: must be at least the requests of the containers together, 700m",
        ),
        (own({"cpu": "600m"}), "requests[cpu]: must not be more than the limit of 600m (got '700m')"),
        (
            own({"memory": "32Mi"}),
            "spec.containers[0].resources.limits[memory]: must not be more than the limit of the",
        ),
        (
            own({"cpu": 1, "hugepages-2Mi": "2Mi"}),
            "limits[hugepages-2Mi]: must be at least the limits of the containers",
        ),
    ],
)
def test_what_no_pod_may_ask_for(resources, sentence):
    first = one("a", {"memory": "64Mi", "hugepages-2Mi": "4Mi"}, {"cpu": "500m", "memory": "1Mi"})
    with pytest.raises(ManifestError) as caught:
        spec_of(first, one("b", requests={"cpu": "200m"}), resources=resources)
    assert sentence in caught.value.message


def test_only_quantities_are_added_up():
    with pytest.raises(ManifestError) as caught:
        spec_of(one("a", {"cpu": "x"}), resources=own({"cpu": "y"}))
    assert len(caught.value.message.splitlines()) >= 2, "both are told of, and nothing was added up"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        (own({"cpu": "2"}), own({"cpu": "2", "hugepages-2Mi": "4Mi"}, {"cpu": "700m", "memory": "1Mi"})),
        (own(requests={"cpu": "2"}), own({"hugepages-2Mi": "4Mi"}, {"cpu": "2", "memory": "1Mi"})),
        (own({"memory": "1Gi"}, {"memory": "1Gi"}), own({"memory": "1Gi"}, {"cpu": "700m", "memory": "1Gi"})),
    ],
)
def test_an_api_server_completes_the_resources_of_a_pod(given, expected):
    first = one("a", {"hugepages-2Mi": "4Mi"}, {"cpu": "500m", "memory": "1Mi"})
    found = spec_of(first, one("b", requests={"cpu": "200m"}), resources=given).get("resources")
    if expected:
        expected["limits"].setdefault("hugepages-2Mi", "4Mi")
        expected["requests"].setdefault("hugepages-2Mi", "4Mi")
    assert found == expected
    if found:
        again = spec_of(first, one("b", requests={"cpu": "200m"}), resources=found)
        assert again["resources"] == found


def test_what_a_pod_uses_at_most_at_once():
    spec = spec_of(
        one("a", requests={"cpu": "1"}),
        one("b", requests={"memory": "3"}),
        init=[
            one("first", requests={"cpu": "3"}),
            one("side", requests={"cpu": "500m", "memory": "5"}, restartPolicy="Always"),
            one("last", requests={"memory": "7"}),
        ],
    )
    unit = 10**9
    assert sums(spec, "requests") == {"cpu": 3 * unit, "memory": 12 * unit}
    assert sums(spec, "limits") == {}


@pytest.mark.parametrize(
    ("containers", "init", "resources", "expected"),
    [
        ([one("a")], [], {}, "BestEffort"),
        ([one("a", requests={"cpu": "0"})], [], {}, "BestEffort"),
        ([one("a", GUARANTEED)], [], {}, "Guaranteed"),
        ([one("a", GUARANTEED), one("b")], [], {}, "Burstable"),
        ([one("a", GUARANTEED), one("b", {"cpu": 1})], [], {}, "Burstable"),
        ([one("a", GUARANTEED)], [one("i")], {}, "Burstable"),
        ([one("a", GUARANTEED)], [one("i", GUARANTEED)], {}, "Guaranteed"),
        ([one("a", GUARANTEED, {"cpu": "999m"})], [], {}, "Burstable"),
        ([one("a", GUARANTEED, {"cpu": "1000m", "memory": "65536Ki"})], [], {}, "Guaranteed"),
        ([one("a", {**GUARANTEED, "hugepages-2Mi": "2Mi"})], [], {}, "Guaranteed"),
        ([one("a"), one("b")], [], own(GUARANTEED), "Guaranteed"),
        ([one("a", {"cpu": "500m"})], [], own(GUARANTEED), "Burstable"),
        ([one("a", GUARANTEED)], [], own(requests={"cpu": "2"}), "Burstable"),
    ],
)
def test_quality_of_service_class(containers, init, resources, expected):
    assert qos_class(spec_of(*containers, init=init, resources=resources)) == expected


@pytest.mark.parametrize(
    ("policy", "fields", "sentence"),
    [
        ([("cpu", "RestartContainer"), ("cpu", "NotRequired")], {}, "resizePolicy[1].resourceName: must be unique"),
        ([("cpu", "Sometimes")], {}, "resizePolicy[0].restartPolicy: must be"),
        ([("disk", "NotRequired")], {}, "resizePolicy[0].resourceName: must be"),
        (
            [("cpu", "RestartContainer")],
            {"restartPolicy": "Never"},
            "must be NotRequired where spec.restartPolicy is Never",
        ),
    ],
)
def test_a_resize_policy_that_is_none(policy, fields, sentence):
    items = [{"resourceName": name, "restartPolicy": restart} for name, restart in policy]
    manifest = with_container(resizePolicy=items)
    manifest["spec"].update(fields)
    with pytest.raises(ManifestError) as caught:
        normalise(manifest)
    assert sentence in caught.value.message


def test_only_a_sidecar_among_the_init_containers_starts_again():
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    with pytest.raises(ManifestError, match="must be NotRequired of an init container without restartPolicy: Always"):
        spec_of(one("a"), init=[one("i", resizePolicy=policy)])
    spec = spec_of(one("a"), init=[one("i", resizePolicy=policy, restartPolicy="Always")])
    assert spec["initContainers"][0]["resizePolicy"] == policy


def test_what_needs_no_restart_leaves_no_trace():
    items = [{"resourceName": name, "restartPolicy": "NotRequired"} for name in ("memory", "cpu")]
    assert "resizePolicy" not in spec_of(one("a", resizePolicy=items))["containers"][0]
