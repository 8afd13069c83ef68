# SPDX-License-Identifier: Apache-2.0
"""A pod as Kubernetes shows it: v1.Pod with ``status``, made from the record and the supervisor's live state.

Pure functions. Phases and conditions follow the kubelet (kubelet_pods.go getPhase, status/generate.go).
"""

from typing import Any

from podwright.manifest import lone
from podwright.manifest.qos import qos_class
from podwright.manifest.restart import should_restart
from podwright.pods.store import Record

_GONE = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "the container's supervisor is gone"}


def pod_object(
    record: Record, state: dict[str, Any] | None, *, address: str | None, host_address: str
) -> dict[str, Any]:
    """Return the v1.Pod: the recorded manifest with uid, creation time and status.

    ``state`` is the supervisor's state.json, None when no supervisor lives. A container alone is as it is written, with
    the same status.
    """
    if lone.is_lone(record.pod):
        made = {"uid": record.uid, "creationTimestamp": record.created_at}
        return {**lone.unwrap(record.pod), **made, "status": _status(record, state, address, host_address)}
    metadata = {**record.pod["metadata"], "uid": record.uid, "creationTimestamp": record.created_at}
    return {**record.pod, "metadata": metadata, "status": _status(record, state, address, host_address)}


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether the pod is ready, or has done its work."""
    return pod["status"]["phase"] == "Succeeded" or any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"]["conditions"]
    )


def not_ready_reason(pod: dict[str, Any]) -> str:
    """Say in one clause for each container that is not ready why it is not."""
    reasons = []
    for status in pod["status"]["containerStatuses"]:
        kind, detail = next(iter(status["state"].items()))
        if kind == "running":
            continue
        last = detail if kind == "terminated" else status["lastState"].get("terminated", {})
        text = f"container {status['name']} is {kind}: {detail.get('reason', 'unknown')}"
        if "exitCode" in last:
            text += f" (exit code {last['exitCode']}{', ' + last['message'] if last.get('message') else ''})"
        reasons.append(text)
    return "; ".join(reasons) or f"phase {pod['status']['phase']}"


def _status(record: Record, state: dict[str, Any] | None, address: str | None, host_address: str) -> dict[str, Any]:
    live = {entry["name"]: entry for entry in state["containers"]} if state else {}
    containers = [_container_status(record, item, live.get(item["name"])) for item in record.containers]
    phase = _phase(record, [item["state"] for item in containers], alive=state is not None)
    started = state["startedAt"] if state else record.created_at
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": _conditions(containers, phase, started, sandbox=state is not None),
        "hostIP": host_address,
        "startTime": started,
        "qosClass": qos_class(record.containers),
        "containerStatuses": containers,
    }
    if address and state:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def _container_status(record: Record, container: dict[str, Any], live: dict[str, Any] | None) -> dict[str, Any]:
    image = record.images.get(container["name"], {})
    if live:
        state = live["state"]
    elif record.state == "stopped":
        state = {"waiting": {"reason": "Stopped"}}
    elif record.state == "creating":
        state = {"waiting": {"reason": "ContainerCreating"}}
    else:
        state = {"terminated": _GONE}
    running = "running" in state
    status = {
        "name": container["name"],
        "state": state,
        "lastState": live["lastState"] if live else {},
        "ready": running,
        "started": running,
        "restartCount": live["restartCount"] if live else 0,
        "image": image.get("reference", container.get("image", "")),
        "imageID": f"{image['reference'].split('@')[0]}@{image['digest']}" if image else "",
    }
    if live and live["containerID"]:
        status["containerID"] = f"podwright://{live['containerID']}"
    return status


def _phase(record: Record, states: list[dict[str, Any]], *, alive: bool) -> str:
    if not alive:
        # Whether anything runs is unknown to Kubernetes' words only as Unknown; `plan` says what is wrong.
        return "Pending" if all("waiting" in state for state in states) else "Unknown"
    if any("waiting" in state and state["waiting"].get("reason") == "ContainerCreating" for state in states):
        return "Pending"
    if any("terminated" not in state for state in states):
        return "Running"
    policy = record.pod["spec"]["restartPolicy"]
    codes = [state["terminated"]["exitCode"] for state in states]
    if any(should_restart(*pair) for pair in zip(record.containers, [policy] * len(codes), codes, strict=True)):
        return "Running"  # the supervisor is about to start it again
    return "Failed" if any(codes) else "Succeeded"


def _conditions(containers: list[dict[str, Any]], phase: str, since: str, *, sandbox: bool) -> list[dict[str, Any]]:
    unready = [status["name"] for status in containers if not status["ready"]]
    done = phase in ("Succeeded", "Failed")
    ready: dict[str, Any] = {"status": "False" if unready or done else "True"}
    if done:
        ready["reason"] = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    elif unready:
        ready |= {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    yes = {"status": "True"}
    stages = {
        "PodReadyToStartContainers": {"status": "True" if sandbox and not done else "False"},
        "Initialized": yes,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": yes,
    }
    return [{"type": kind, **value, "lastTransitionTime": since} for kind, value in stages.items()]
