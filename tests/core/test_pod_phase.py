# SPDX-License-Identifier: Apache-2.0
"""Phase and conditions of pods with containers that start before the others, as the kubelet derives them."""

from collections.abc import Sequence
from typing import Any

import pytest

from podwright.pods.status import not_ready_reason, pod_object
from podwright.pods.store import Record

RUNNING: dict[str, Any] = {"running": {"startedAt": "2026-01-02T03:04:06Z"}}
INITIALIZING: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
BACK_OFF: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}


def make(
    policy: str,
    init: list[tuple[str, dict[str, Any]]],
    *main: dict[str, Any],
    gates: Sequence[str] = (),
    said: Sequence[dict[str, Any]] = (),
    **seen: Any,
) -> dict[str, Any]:
    """A pod whose init containers have (restart policy, state); one in its back-off ended with 1."""
    names = [f"i{index}" for index in range(len(init))] + [f"c{index}" for index in range(len(main))]
    containers = [{"name": name, "image": "x:1"} for name in names]
    for container, (own, _) in zip(containers, init, strict=False):
        container.update({"restartPolicy": own} if own else {})
    spec = {
        "restartPolicy": policy,
        "readinessGates": [{"conditionType": kind} for kind in gates],
        "initContainers": containers[: len(init)],
        "containers": containers[len(init) :],
    }
    record = Record("u1", "running", {"metadata": {"name": "web", "namespace": "d"}, "spec": spec}, 1, {}, "then")
    live = [
        {
            "name": name,
            "state": state,
            "lastState": ended(1) if state is BACK_OFF else {},
            "restartCount": 0,
            "containerID": "a",
            "started": "running" in state,
            "ready": "running" in state,
        }
        for name, state in zip(names, [*(state for _, state in init), *main], strict=True)
    ]
    state = {"startedAt": "then", "containers": live, **seen}
    return pod_object(record, state, address=None, host_address="10.77.0.1", said=said)


def condition(pod: dict[str, Any], kind: str) -> dict[str, Any]:
    found = next(item for item in pod["status"]["conditions"] if item["type"] == kind)
    return {key: found[key] for key in ("status", "reason", "message") if key in found}


@pytest.mark.parametrize(
    ("policy", "init", "main", "phase"),
    [
        ("Always", [("", RUNNING)], [INITIALIZING], "Pending"),
        ("Always", [("", ended(0)), ("", INITIALIZING)], [INITIALIZING], "Pending"),
        ("Always", [("", BACK_OFF)], [INITIALIZING], "Pending"),
        ("Never", [("", ended(1))], [INITIALIZING], "Failed"),
        ("Always", [("Never", ended(1))], [INITIALIZING], "Failed"),
        ("Never", [("OnFailure", BACK_OFF)], [INITIALIZING], "Pending"),
        ("Always", [("", ended(0))], [INITIALIZING], "Pending"),
        ("Always", [("", ended(0))], [RUNNING], "Running"),
        ("Never", [("", ended(0))], [ended(0)], "Succeeded"),
        ("Never", [("", ended(0))], [ended(2)], "Failed"),
        ("Always", [("Always", INITIALIZING)], [INITIALIZING], "Pending"),
        ("Always", [("Always", RUNNING)], [RUNNING], "Running"),
        ("Always", [("Always", BACK_OFF)], [RUNNING], "Running"),
        ("Never", [("Always", RUNNING)], [ended(0)], "Running"),
        ("Never", [("Always", ended(137))], [ended(0)], "Succeeded"),
        ("OnFailure", [("Always", ended(0))], [ended(1)], "Running"),
    ],
)
def test_phase_follows_the_kubelet(policy, init, main, phase):
    assert make(policy, init, *main)["status"]["phase"] == phase


def test_initialized_names_who_is_not_done():
    pod = make("Always", [("", ended(0)), ("Always", INITIALIZING), ("", INITIALIZING)], INITIALIZING)
    assert condition(pod, "Initialized") == {
        "status": "False",
        "reason": "ContainersNotInitialized",
        "message": "containers with incomplete status: [i1 i2]",
    }
    assert [item["ready"] for item in pod["status"]["initContainerStatuses"]] == [True, False, False]


def test_a_sidecar_that_restarts_makes_an_initialized_pod_only_unready():
    pod = make("Always", [("", ended(0)), ("Always", BACK_OFF)], RUNNING)
    assert condition(pod, "Initialized") == {"status": "True"}
    assert condition(pod, "Ready")["message"] == "containers with unready status: [i1]"


def test_a_sidecar_counts_as_ready_and_a_done_init_container_does_not():
    pod = make("Always", [("", ended(0)), ("Always", RUNNING)], RUNNING)
    assert condition(pod, "Ready") == condition(pod, "ContainersReady") == {"status": "True"}


def test_a_pod_that_has_done_its_work():
    pod = make("Never", [("", ended(0)), ("Always", ended(137))], ended(0))
    assert condition(pod, "Initialized") == {"status": "True", "reason": "PodCompleted"}
    assert condition(pod, "Ready") == {"status": "False", "reason": "PodCompleted"}


def test_the_reason_names_the_init_container_that_fails():
    pod = make("Never", [("", ended(0)), ("", ended(3))], INITIALIZING)
    assert not_ready_reason(pod) == (
        "container i1 is terminated: Error (exit code 3); container c0 is waiting: PodInitializing"
    )


def test_a_pod_without_them_has_no_list_of_them():
    assert "initContainerStatuses" not in make("Always", [], RUNNING)["status"]


def test_a_pod_that_lived_for_too_long_has_failed():
    status = make("Always", [], ended(0), reason="DeadlineExceeded")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"


def gate(kind: str, status: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": "then"}


def test_a_pod_is_not_ready_before_its_gates_are_open():
    gates = ("a.example/lit", "b")
    closed = make("Always", [], RUNNING, gates=gates, said=[gate("b", "False")])
    assert condition(closed, "ContainersReady") == {"status": "True"}
    message = (
        'corresponding condition of pod readiness gate "a.example/lit" does not exist., '
        'the status of pod readiness gate "b" is not "True", but False'
    )
    assert condition(closed, "Ready") == {"status": "False", "reason": "ReadinessGatesNotReady", "message": message}
    assert not_ready_reason(closed) == message
    opened = make("Always", [], RUNNING, gates=gates, said=[gate("a.example/lit", "True"), gate("b", "True")])
    assert condition(opened, "Ready") == {"status": "True"}
    assert condition(opened, "a.example/lit") == {"status": "True"}


def test_a_gate_says_nothing_where_the_containers_are_not_ready():
    found = make("Always", [], BACK_OFF, gates=["b"])
    assert condition(found, "Ready")["reason"] == "ContainersNotReady"
