# SPDX-License-Identifier: Apache-2.0
"""The phase and the conditions of a pod, derived from the states of its containers. Pure functions.

They follow the kubelet (pkg/kubelet: kubelet_pods.go getPhase, status/generate.go).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from podwright.manifest.restart import is_sidecar, should_restart
from podwright.pods.store import Record

Status = dict[str, Any]

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
"""What follows from the pod's state."""


class Pod(NamedTuple):
    """A pod's record, with the status of each container."""

    record: Record
    init: list[Status]
    main: list[Status]
    alive: bool
    """Whether its supervisor lives."""
    ended: bool = False
    """Whether it was ended because it lived for too long, or took too much of the disk."""
    said: Sequence[dict[str, Any]] = ()
    """Conditions that others have set."""

    def before(self) -> Iterator[tuple[dict[str, Any], Status]]:
        """Yield each init container with its status."""
        yield from zip(self.record.init_containers, self.init, strict=True)

    def restarts(self, container: dict[str, Any], end: Status) -> bool:
        """Tell whether a container that ended like this starts again."""
        return should_restart(container, self.record.pod["spec"]["restartPolicy"], end["exitCode"])


def phase_of(pod: Pod) -> str:
    """Return Pending, Running, Succeeded, Failed, or Unknown where no supervisor can be asked."""
    states = [status["state"] for status in pod.main]
    if not pod.alive:
        # Whether anything runs is unknown to Kubernetes' words only as Unknown; `plan` says what is wrong.
        return "Pending" if all("waiting" in state for state in states) else "Unknown"
    if pod.ended:
        return "Failed"
    ended = [(container, _end(status)) for container, status in pod.before() if not is_sidecar(container)]
    failed = [(container, end) for container, end in ended if end and end["exitCode"] != 0]
    if any(not pod.restarts(container, end) for container, end in failed):
        return "Failed"
    if failed or not all(end for _, end in ended):
        return "Pending"
    sidecars = [status for container, status in pod.before() if is_sidecar(container)]
    if any(map(_has_yet_to_start, pod.main if _initialized(pod) else [*sidecars, *pod.main])):
        return "Pending"
    if any("running" in status["state"] for status in (*sidecars, *pod.main)):
        return "Running"
    ends = [_end(status) or {} for status in pod.main]
    if any(pod.restarts(*pair) for pair in zip(pod.record.containers, ends, strict=True)):
        return "Running"  # the supervisor is about to start it again
    return "Failed" if any(end["exitCode"] for end in ends) else "Succeeded"


def conditions(pod: Pod, phase: str, since: str) -> list[dict[str, Any]]:
    """Return the pod's conditions; ``since`` (RFC 3339) is when it came to be as it is."""
    ready = _ready(pod, phase)
    stages = (
        _yes_or_no(pod.alive and phase not in ("Succeeded", "Failed")),
        _initialization(pod, phase),
        _gated(pod) if ready["status"] == "True" else ready,
        ready,
        _yes_or_no(True),
    )
    own = [
        {"type": kind, **value, "lastTransitionTime": since} for kind, value in zip(OWN_CONDITIONS, stages, strict=True)
    ]
    return [*own, *pod.said]


def _yes_or_no(answer: bool) -> dict[str, Any]:  # noqa: FBT001 (it is what the function is about)
    return {"status": "True" if answer else "False"}


def _ready(pod: Pod, phase: str) -> dict[str, Any]:
    if phase in ("Succeeded", "Failed"):
        return {"status": "False", "reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    stay = [status for container, status in pod.before() if is_sidecar(container)]
    unready = [status["name"] for status in (*stay, *pod.main) if not status["ready"]]
    if not unready:
        return _yes_or_no(True)
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {"status": "False", "reason": "ContainersNotReady", "message": message}


def _gated(pod: Pod) -> dict[str, Any]:
    """Return the condition Ready of a pod whose containers are ready: whether its readiness gates are open too."""
    said = {condition["type"]: condition["status"] for condition in pod.said}
    closed = []
    for gate in pod.record.pod["spec"].get("readinessGates", ()):
        kind = gate["conditionType"]
        if kind not in said:
            closed.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif said[kind] != "True":
            closed.append(f'the status of pod readiness gate "{kind}" is not "True", but {said[kind]}')
    if not closed:
        return _yes_or_no(True)
    return {"status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(closed)}


def _initialization(pod: Pod, phase: str) -> dict[str, Any]:
    if phase == "Succeeded":
        return {"status": "True", "reason": "PodCompleted"}
    incomplete = [
        status["name"]
        for container, status in pod.before()
        if not status["started" if is_sidecar(container) else "ready"]
    ]
    if not incomplete or _initialized(pod):
        return _yes_or_no(True)
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return {"status": "False", "reason": "ContainersNotInitialized", "message": message}


def _initialized(pod: Pod) -> bool:
    """Tell whether a main container was started, which means that all before them was well."""
    return any("running" in status["state"] or _end(status) for status in pod.main)


def _has_yet_to_start(status: Status) -> bool:
    return "waiting" in status["state"] and _end(status) is None


def _end(status: Status) -> Status | None:
    """Return how a container that does not run ended the last time, None if it never did, or runs."""
    if "running" in status["state"]:
        return None
    end: Status | None = status["state"].get("terminated") or status["lastState"].get("terminated")
    return end
