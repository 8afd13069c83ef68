# SPDX-License-Identifier: Apache-2.0
"""v1.PodStatus from a record and the supervisor's state."""

import pytest

from podwright.pods.status import is_ready, not_ready_reason, pod_object
from podwright.pods.store import Record

RUNNING = {"running": {"startedAt": "2026-01-02T03:04:06Z"}}
WAITING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


def ended(code: int, reason: str = "Error") -> dict:
    return {"terminated": {"exitCode": code, "reason": reason}}


def seen_by_probes(state: dict) -> dict:
    return dict.fromkeys(("started", "ready"), "running" in state)


def last_of(state: dict) -> dict:
    """A container in its back-off has ended before."""
    return ended(1) if state.get("waiting", {}).get("reason") == "CrashLoopBackOff" else {}


def make(policy: str, *states: dict, state: str = "running", alive: bool = True, resources: dict | None = None) -> dict:
    names = [f"c{index}" for index in range(len(states))]
    containers = [{"name": name, "image": "x:1", "resources": resources or {}} for name in names]
    pod = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"restartPolicy": policy, "containers": containers},
    }
    images = {name: {"reference": "r/x:1", "digest": "sha256:0"} for name in names}
    record = Record("u1", state, pod, 1, images, "2026-01-02T03:04:05Z")
    live = [
        {
            "name": name,
            "state": item,
            "lastState": last_of(item),
            "restartCount": 2,
            "containerID": "abc",
            **seen_by_probes(item),
        }
        for name, item in zip(names, states, strict=True)
    ]
    seen = {"startedAt": "2026-01-02T03:04:05Z", "containers": live} if alive else None
    return pod_object(record, seen, address="10.77.0.2", host_address="10.77.0.1")


@pytest.mark.parametrize(
    ("policy", "states", "phase"),
    [
        ("Always", [RUNNING, RUNNING], "Running"),
        ("Always", [RUNNING, WAITING], "Running"),
        ("Always", [ended(0, "Completed")], "Running"),
        ("OnFailure", [ended(0), ended(0)], "Succeeded"),
        ("OnFailure", [ended(0), ended(3)], "Running"),
        ("Never", [ended(0), ended(3)], "Failed"),
        ("Never", [ended(0), RUNNING], "Running"),
        ("Never", [ended(0)], "Succeeded"),
        ("Always", [{"waiting": {"reason": "ContainerCreating"}}], "Pending"),
    ],
)
def test_phase_follows_the_kubelet(policy, states, phase):
    assert make(policy, *states)["status"]["phase"] == phase


def test_status_of_a_running_pod_has_kubernetes_fields():
    status = make("Always", RUNNING, RUNNING)["status"]
    assert status["podIP"] == "10.77.0.2"
    assert status["podIPs"] == [{"ip": "10.77.0.2"}]
    assert [item["ready"] for item in status["containerStatuses"]] == [True, True]
    assert status["containerStatuses"][0]["containerID"] == "podwright://abc"
    assert status["containerStatuses"][0]["imageID"] == "r/x@sha256:0"
    assert {item["type"]: item["status"] for item in status["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }


def test_ready_means_all_containers_run_or_the_work_is_done():
    assert is_ready(make("Always", RUNNING))
    assert not is_ready(make("Always", RUNNING, WAITING))
    assert is_ready(make("Never", ended(0)))
    assert not is_ready(make("Never", ended(1)))


def test_the_reason_names_the_container():
    assert (
        not_ready_reason(make("Always", RUNNING, WAITING)) == "container c1 is waiting: CrashLoopBackOff (exit code 1)"
    )
    assert not_ready_reason(make("Never", ended(137, "OOMKilled"))) == (
        "container c0 is terminated: OOMKilled (exit code 137)"
    )


def test_without_a_supervisor_nothing_is_claimed():
    status = make("Always", RUNNING, alive=False)["status"]
    assert status["phase"] == "Unknown"
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert "podIP" not in status


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "100m"}}, "Burstable"),
        ({"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "500m", "memory": "64Mi"}}, "Burstable"),
    ],
)
def test_qos_class(resources, expected):
    assert make("Always", RUNNING, resources=resources)["status"]["qosClass"] == expected


def test_the_last_words_of_all_containers_share_twelve_kibibytes():
    end = ended(1)
    end["terminated"]["message"] = "\u00e4" * 2000
    alone, four = make("Never", end), make("Never", end, end, end, end)
    assert alone["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == "\u00e4" * 2000
    for status in four["status"]["containerStatuses"]:
        assert status["state"]["terminated"]["message"] == "\u00e4" * (3072 // 2)
