# SPDX-License-Identifier: Apache-2.0
"""From a pod's resources to the limits of its cgroups, its scores, and its status."""

from typing import Any

import pytest

from podwright.cgroups.limits import Limits
from podwright.errors import HostError
from podwright.manifest.normalise import normalise
from podwright.pods import resources
from podwright.pods.store import Record

MIB = 1 << 20
NODE = 1000 * MIB


@pytest.fixture(autouse=True)
def pages(tmp_path, monkeypatch):
    for size in ("2048kB", "1048576kB"):
        (tmp_path / f"hugepages-{size}").mkdir()
    monkeypatch.setattr(resources, "PAGES", str(tmp_path))
    return tmp_path


def one(name: str, limits: dict[str, Any] | None = None, requests: dict[str, Any] | None = None, **fields: Any) -> Any:
    return {"name": name, "image": "a", "resources": {"limits": limits or {}, "requests": requests or {}}, **fields}


def record(*containers: Any, init: Any = (), **spec: Any) -> Record:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    pod = normalise({**manifest, "spec": {**spec, "containers": list(containers), "initContainers": list(init)}}).pod
    return Record("u", "running", pod, 1, {}, "")


def limits(*containers: Any, **spec: Any) -> tuple[Limits, dict[str, Limits]]:
    return resources.limits_of(record(*containers, **spec), 100)


def scores(*containers: Any, **spec: Any) -> dict[str, int]:
    made = record(*containers, **spec)
    return {item["name"]: resources.oom_score(made, item, NODE) for item in made.all_containers}


def test_the_pod_has_the_sums_of_its_containers():
    pod, containers = limits(one("a", {"cpu": 1, "memory": "64Mi"}), one("b", {"cpu": "500m", "memory": "1Mi"}))
    assert pod == Limits(cpu_quota_us=150_000, cpu_shares=1536, memory_max=65 * MIB, pids_max=100)
    none = (("1GB", 0), ("2MB", 0))
    assert containers["b"] == Limits(50_000, 100_000, 512, MIB, container=True, huge_pages=none)


def test_what_the_pod_says_comes_before_its_containers():
    own = {"limits": {"cpu": 2, "memory": "128Mi"}, "requests": {"cpu": 1}}
    pod, containers = limits(one("a", {"memory": "64Mi"}), one("b"), resources=own)
    assert (pod.cpu_quota_us, pod.cpu_shares, pod.memory_max) == (200_000, 1024, 128 * MIB)
    assert [containers[name].memory_max for name in "ab"] == [64 * MIB, 128 * MIB]
    assert [containers[name].cpu_quota_us for name in "ab"] == [200_000, 200_000]
    assert containers["b"].cpu_shares == 2048, "as the kubelet: without a request, the limit"


def test_an_init_container_gets_no_more_than_the_pod():
    _, containers = limits(one("a"), init=[one("i", {"cpu": 2}, {"cpu": 1})], resources={"limits": {"cpu": 1}})
    assert containers["i"].cpu_quota_us == 100_000


def test_huge_pages_are_only_for_those_who_asked():
    asked = {"hugepages-2Mi": "6Mi", "cpu": 1}
    pod, containers = limits(one("a", asked), one("b", asked), one("c"))
    assert pod.huge_pages == (("2MB", 12 * MIB),)
    assert containers["a"].huge_pages == (("1GB", 0), ("2MB", 6 * MIB))
    assert containers["c"].huge_pages == (("1GB", 0), ("2MB", 0))
    pod, containers = limits(one("a", asked), one("b"), resources={"limits": {"hugepages-2Mi": "8Mi", "cpu": 2}})
    assert pod.huge_pages == (("2MB", 8 * MIB),)
    assert [dict(containers[name].huge_pages)["2MB"] for name in "ab"] == [6 * MIB, 8 * MIB]


def test_pages_that_the_host_does_not_have_are_named(pages):
    with pytest.raises(HostError, match=r"limits.hugepages-64Ki: this host has no such pages, but hugepages-2Mi, hu"):
        limits(one("a", {"hugepages-64Ki": "64Ki", "cpu": 1}))
    for folder in pages.iterdir():
        folder.rmdir()
    pages.rmdir()
    assert limits(one("a"))[1]["a"].huge_pages == ()
    with pytest.raises(HostError, match="this host has no such pages, but none"):
        limits(one("a", {"hugepages-2Mi": "2Mi", "cpu": 1}))


@pytest.mark.parametrize(
    ("memory", "score"),
    [("1", 999), ("100Mi", 900), ("500Mi", 500), ("999Mi", 3), ("2000Mi", 3), ("1500Ki", 999)],
)
def test_who_asked_for_more_is_killed_later(memory, score):
    assert scores(one("a", requests={"memory": memory})) == {"a": score}


def test_the_two_ends_of_the_scores():
    everything = {"cpu": 1, "memory": "1Mi"}
    assert scores(one("a", everything), init=[one("i", everything)]) == {"a": -997, "i": -997}
    assert scores(one("a"), one("b")) == {"a": 1000, "b": 1000}
    assert scores(one("a"), one("b", requests={"cpu": 1})) == {"a": 999, "b": 999}


def test_a_sidecar_goes_no_sooner_than_the_main_ones():
    init = [
        one("side", requests={"memory": "10Mi"}, restartPolicy="Always"),
        one("large", requests={"memory": "500Mi"}, restartPolicy="Always"),
        one("init", requests={"memory": "10Mi"}),
    ]
    found = scores(one("a", requests={"memory": "100Mi"}), one("b", requests={"memory": "200Mi"}), init=init)
    assert found == {"a": 900, "b": 800, "side": 900, "large": 500, "init": 990}


def test_what_the_pod_asked_for_beyond_its_containers_is_shared():
    own = {"requests": {"memory": "400Mi"}}
    side = one("side", restartPolicy="Always")
    found = scores(one("a", requests={"memory": "100Mi"}), one("b"), init=[side], resources=own)
    assert found == {"a": 800, "b": 900, "side": 900}


def test_status_tells_what_each_has():
    made = record(one("a", {"memory": "64Mi"}, {"cpu": 1}), one("b"))
    assert resources.container_status(made.containers[0]) == {
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}},
        "allocatedResources": {"cpu": "1", "memory": "64Mi"},
    }
    assert resources.container_status(made.containers[1]) == {}
    assert resources.pod_status(made.pod["spec"]) == {
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}},
        "allocatedResources": {"cpu": "1", "memory": "64Mi"},
    }
    made = record(one("a", {"memory": "64Mi"}), resources={"limits": {"memory": "1Gi"}})
    assert resources.pod_status(made.pod["spec"])["resources"]["limits"] == {"memory": "1Gi"}
    assert resources.pod_status(record(one("a")).pod["spec"]) == {}
