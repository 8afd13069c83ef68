# SPDX-License-Identifier: Apache-2.0
"""What the supervisor does for a container while it runs, compiled to ``life.json``: probes, and its last words."""

from collections.abc import Mapping
from typing import Any

from podwright.manifest.normalise import DEFAULT_MESSAGE_PATH

LIFE_VERSION = 1
USER_AGENT = "kube-probe/1.36"
_KINDS = {"startupProbe": "startup", "livenessProbe": "liveness", "readinessProbe": "readiness"}


def compile_life(container: Mapping[str, Any], address: str, grace: int) -> dict[str, Any]:
    """Return the plan of a (normalised) container in a pod with this address and grace period (seconds)."""
    probes = [
        _probe(container[field], kind, container, address, grace)
        for field, kind in _KINDS.items()
        if field in container
    ]
    policy = container.get("terminationMessagePolicy", "File")
    return {"version": LIFE_VERSION, "probes": probes, "terminationMessage": policy}


def message_bind(container: Mapping[str, Any], folder: str) -> tuple[str, str, bool]:
    """Return source, target and "not read-only" of the file for a container's message; ``folder`` is the container's.

    The supervisor makes the file, and empties it before each start.
    """
    return f"{folder}/termination-log", container.get("terminationMessagePath", DEFAULT_MESSAGE_PATH), False


def _probe(
    probe: Mapping[str, Any], kind: str, container: Mapping[str, Any], address: str, grace: int
) -> dict[str, Any]:
    handler = probe.get("httpGet") or probe["tcpSocket"]
    host, port = handler.get("host", address), _port(handler["port"], container)
    return {
        "kind": kind,
        "delay": 1000 * probe.get("initialDelaySeconds", 0),
        "period": 1000 * probe["periodSeconds"],
        "timeout": 1000 * probe["timeoutSeconds"],
        "success": probe["successThreshold"],
        "failure": probe["failureThreshold"],
        "grace": probe.get("terminationGracePeriodSeconds", grace),
        "action": ["http", host, port, _request(handler, host, port)] if "httpGet" in probe else ["tcp", host, port],
    }


def _port(port: int | str, container: Mapping[str, Any]) -> int:
    if isinstance(port, int):
        return port
    return next(int(item["containerPort"]) for item in container["ports"] if item.get("name") == port)


def _request(handler: Mapping[str, Any], host: str, port: int) -> str:
    """Return an HTTP request as the kubelet makes it: headers of its own, unless the probe has them."""
    given = [(header["name"], header.get("value", "")) for header in handler.get("httpHeaders", ())]
    names = {name.lower() for name, _ in given}
    own = {"Host": f"{host}:{port}", "User-Agent": USER_AGENT, "Accept": "*/*"}
    headers = [(name, value) for name, value in own.items() if name.lower() not in names]
    headers += [(name, value) for name, value in given if name.lower() != "connection" and value]
    lines = [f"GET {handler['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    return "".join(f"{line}\r\n" for line in [*lines, ""])
