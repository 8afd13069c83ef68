# SPDX-License-Identifier: Apache-2.0
"""What the supervisor is told of the disk that a pod may take, and the status of one that took more."""

from typing import Any

from podwright.manifest.normalise import normalise
from podwright.pods.status import not_ready_reason, pod_object
from podwright.pods.storage import PERIOD, storage_plan
from podwright.pods.store import Record

MIB = 1 << 20


def one(name: str, limit: str = "", **fields: Any) -> dict[str, Any]:
    limits = {"limits": {"ephemeral-storage": limit}} if limit else {}
    return {"name": name, "image": "a", "resources": limits, **fields}


def record(*containers: Any, **spec: Any) -> Record:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    pod = normalise({**manifest, "spec": {**spec, "containers": list(containers)}}).pod
    return Record("u", "running", pod, 1, {}, "2026-01-02T03:04:05Z")


def bounds(*containers: Any, **spec: Any) -> list[tuple[int, str, list[str]]]:
    plan = storage_plan(record(*containers, **spec))
    return [(one["limit"], one["message"], [plan["paths"][index] for index in one["paths"]]) for one in plan["bounds"]]


def test_without_a_limit_nothing_is_added_up():
    assert storage_plan(record(one("a"), volumes=[{"name": "v", "emptyDir": {}}])) == {
        "period": PERIOD,
        "paths": [],
        "bounds": [],
    }


def test_the_order_and_the_words_are_the_kubelets():
    volumes = [
        {"name": "cache", "emptyDir": {"sizeLimit": "5Mi"}},
        {"name": "fast", "emptyDir": {"sizeLimit": "1Mi", "medium": "Memory"}},
        {"name": "free", "emptyDir": {"sizeLimit": 0}},
        {"name": "host", "hostPath": {"path": "/srv"}},
    ]
    everything = [f"containers/{name}/{part}" for name in "iab" for part in ("rw", "logs")]
    assert bounds(one("a", "10Mi"), one("b"), initContainers=[one("i", "12Mi")], volumes=volumes) == [
        (5 * MIB, 'Usage of EmptyDir volume "cache" exceeds the limit "5Mi". ', ["volumes/cache"]),
        (
            12 * MIB,
            "Pod ephemeral local storage usage exceeds the total limit of containers 12Mi. ",
            [*everything, "volumes/cache", "volumes/free"],
        ),
        (
            10 * MIB,
            'Container a exceeded its local ephemeral storage limit "10Mi". ',
            ["containers/a/rw", "containers/a/logs"],
        ),
    ]


def test_a_request_bounds_nothing():
    assert bounds({**one("a"), "resources": {"requests": {"ephemeral-storage": "1Mi"}}}) == []


def test_the_status_of_an_evicted_pod():
    state = {"startedAt": "2026-01-02T03:04:06Z", "containers": [], "reason": "Evicted", "message": "Too much. "}
    pod = pod_object(record(one("a")), state, address=None, host_address="10.77.0.1")
    status = pod["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "Too much. ")
    assert not_ready_reason(pod) == "Evicted: Too much."
