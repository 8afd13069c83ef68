# SPDX-License-Identifier: Apache-2.0
"""A pod as Kubernetes shows it: v1.Pod with ``status``, made from the record and the supervisor's live state.

Pure functions; ``phase.py`` has what is derived from the states of all containers.
"""

from collections.abc import Sequence
from typing import Any

from podwright.manifest import lone
from podwright.manifest.names import image_name
from podwright.manifest.qos import qos_class
from podwright.manifest.restart import is_sidecar
from podwright.pods import resources
from podwright.pods.phase import Pod, conditions, phase_of
from podwright.pods.store import Record

_GONE = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "the container's supervisor is gone"}
_MAX_MESSAGES = 12 << 10  # bytes of a pod's last words, as the kubelet
_EXPIRED = "Pod was active on the node longer than the specified deadline"


def pod_object(
    record: Record,
    state: dict[str, Any] | None,
    *,
    address: str | None,
    host_address: str,
    said: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the v1.Pod: the recorded manifest with uid, creation time and status.

    ``state`` is the supervisor's state.json, None when no supervisor lives; ``said`` are conditions that others have
    set. A container alone is as it is written, with the same status.
    """
    status = _status(record, state, said if state else (), address, host_address)
    if lone.is_lone(record.pod):
        made = {"uid": record.uid, "creationTimestamp": record.created_at}
        return {**lone.unwrap(record.pod), **made, "status": status}
    metadata = {**record.pod["metadata"], "uid": record.uid, "creationTimestamp": record.created_at}
    return {**record.pod, "metadata": metadata, "status": status}


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether the pod is ready, or has done its work."""
    return pod["status"]["phase"] == "Succeeded" or any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"]["conditions"]
    )


def not_ready_reason(pod: dict[str, Any]) -> str:
    """Say why the pod was ended, or in one clause for each container that is not ready why that is so."""
    if "message" in pod["status"]:
        return f"{pod['status']['reason']}: {pod['status']['message'].strip()}"
    reasons = []
    for status in (*pod["status"].get("initContainerStatuses", ()), *pod["status"]["containerStatuses"]):
        kind, detail = next(iter(status["state"].items()))
        if kind == "running" or status["ready"]:
            continue
        last = detail if kind == "terminated" else status["lastState"].get("terminated", {})
        text = f"container {status['name']} is {kind}: {detail.get('reason', 'unknown')}"
        if "exitCode" in last:
            text += f" (exit code {last['exitCode']}{', ' + last['message'] if last.get('message') else ''})"
        reasons.append(text)
    ready = next(item for item in pod["status"]["conditions"] if item["type"] == "Ready")
    return "; ".join(reasons) or ready.get("message") or f"phase {pod['status']['phase']}"


def _status(
    record: Record,
    state: dict[str, Any] | None,
    said: Sequence[dict[str, Any]],
    address: str | None,
    host_address: str,
) -> dict[str, Any]:
    live = {entry["name"]: entry for entry in state["containers"]} if state else {}
    init = [_container_status(record, item, live.get(item["name"])) for item in record.init_containers]
    containers = [_container_status(record, item, live.get(item["name"])) for item in record.containers]
    for container, own in zip(record.init_containers, init, strict=True):
        if not is_sidecar(container):  # ready means done
            own["ready"] = own["state"].get("terminated", {}).get("exitCode") == 0
    started = state["startedAt"] if state else record.created_at
    reason = (state or {}).get("reason")
    pod = Pod(record, init, containers, alive=state is not None, ended=reason is not None, said=said)
    phase = phase_of(pod)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": conditions(pod, phase, started),
        "hostIP": host_address,
        "startTime": started,
        "qosClass": qos_class(record.pod["spec"]),
        "containerStatuses": containers,
        **resources.pod_status(record.pod["spec"]),
    }
    if state and reason:
        status |= {"reason": reason, "message": state.get("message", _EXPIRED)}
    if init:
        status["initContainerStatuses"] = init
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
    status = {
        "name": container["name"],
        "state": _cut(state, record),
        "lastState": _cut(live["lastState"], record) if live else {},
        "ready": bool(live and live.get("ready", "running" in state)),  # a supervisor of the first form knows no probes
        "started": bool(live and live.get("started", "running" in state)),
        "restartCount": live["restartCount"] if live else 0,
        "image": image.get("reference", container.get("image", "")),
        "imageID": f"{image_name(image['reference'])}@{image['digest']}" if image else "",
        **resources.container_status(container),
    }
    own_signal = container.get("lifecycle", {}).get("stopSignal")
    if own_signal:
        status["stopSignal"] = own_signal
    if live and live["containerID"]:
        status["containerID"] = f"podwright://{live['containerID']}"
    return status


def _cut(state: dict[str, Any], record: Record) -> dict[str, Any]:
    """Return a state with a container's last words cut to its share of what all of the pod's may say together."""
    end = state.get("terminated", {})
    if "message" not in end:
        return state
    share = end["message"].encode()[: _MAX_MESSAGES // len(record.all_containers)]
    return {"terminated": {**end, "message": share.decode(errors="ignore")}}
