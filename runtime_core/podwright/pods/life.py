# SPDX-License-Identifier: Apache-2.0
"""What the supervisor does for a container while it runs, compiled to ``life.json``: probes, hooks, its last words."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from podwright.files import canonical_json
from podwright.manifest.expand import expand
from podwright.manifest.normalise import DEFAULT_MESSAGE_PATH
from podwright.manifest.probes import is_ipv4
from podwright.oci.mounts import Bind

LIFE_VERSION = 1
_PROBE_AGENT, _HOOK_AGENT = "kube-probe/1.36", "kube-lifecycle/1.36"
_KINDS = {"startupProbe": "startup", "livenessProbe": "liveness", "readinessProbe": "readiness"}
_PATIENCE = 86400  # seconds of a helper for a hook, whose end comes from elsewhere
_PROBER = os.path.join(os.path.dirname(__file__), "prober.py")


def compile_life(container: Mapping[str, Any], address: str, grace: int) -> dict[str, Any]:
    """Return the plan of a (normalised) container in a pod with this address and grace period (seconds)."""
    probes = [
        _probe(container[field], kind, container, address, grace)
        for field, kind in _KINDS.items()
        if field in container
    ]
    hooks = container.get("lifecycle", {})
    return {
        "version": LIFE_VERSION,
        "probes": probes,
        **{name: _hook(hooks.get(name), container, address) for name in ("postStart", "preStop")},
        "terminationMessage": container.get("terminationMessagePolicy", "File"),
    }


def message_bind(container: Mapping[str, Any], folder: str) -> Bind:
    """Return the mount of the file for a container's message; ``folder`` is the container's.

    The supervisor makes the file, and empties it before each start.
    """
    target = container.get("terminationMessagePath", DEFAULT_MESSAGE_PATH)
    return Bind(f"{folder}/termination-log", target, ("rprivate", "rw"))


def _probe(
    probe: Mapping[str, Any], kind: str, container: Mapping[str, Any], address: str, grace: int
) -> dict[str, Any]:
    return {
        "kind": kind,
        "delay": 1000 * probe.get("initialDelaySeconds", 0),
        "period": 1000 * probe["periodSeconds"],
        "timeout": 1000 * probe["timeoutSeconds"],
        "success": probe["successThreshold"],
        "failure": probe["failureThreshold"],
        "grace": probe.get("terminationGracePeriodSeconds", grace),
        "action": _probe_action(probe, container, address),
    }


def _probe_action(probe: Mapping[str, Any], container: Mapping[str, Any], address: str) -> list[Any]:
    timeout = probe["timeoutSeconds"]
    if "exec" in probe:
        # As the kubelet does it: values as they are written, "" for one from elsewhere.
        variables = {variable["name"]: variable.get("value", "") for variable in container.get("env", ())}
        return ["exec", *(expand(word, variables) for word in probe["exec"]["command"])]
    if "grpc" in probe:
        grpc = probe["grpc"]
        return ["helper", *_helper("grpc", address, str(grpc["port"]), grpc.get("service", ""), str(timeout))]
    if "httpGet" in probe:
        return _request("http", probe["httpGet"], container, address, agent=_PROBE_AGENT, timeout=timeout)
    handler = probe["tcpSocket"]
    host, port = handler.get("host", address), _port(handler["port"], container)
    return ["tcp", host, port] if is_ipv4(host) else ["helper", *_helper("tcp", host, str(port), str(timeout))]


def _hook(hook: Mapping[str, Any] | None, container: Mapping[str, Any], address: str) -> list[Any] | None:
    if not hook:
        return None
    if "exec" in hook:
        return ["exec", *hook["exec"]["command"]]
    if "httpGet" in hook:
        return _request("send", hook["httpGet"], container, address, agent=_HOOK_AGENT, timeout=_PATIENCE)
    if "sleep" in hook:
        return ["sleep", hook["sleep"].get("seconds", 0)]
    return ["fail", "a hook cannot be a tcpSocket: Kubernetes accepts it, and fails to run it"]


def _port(port: int | str, container: Mapping[str, Any]) -> int:
    if isinstance(port, int):
        return port
    return next(int(item["containerPort"]) for item in container["ports"] if item.get("name") == port)


def _request(
    kind: str, handler: Mapping[str, Any], container: Mapping[str, Any], address: str, *, agent: str, timeout: int
) -> list[Any]:
    """Return the action of an httpGet: by podinit itself, or by the helper what it does not know."""
    host, port = handler.get("host", address), _port(handler["port"], container)
    scheme = handler.get("scheme", "HTTP").lower()
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = _headers(handler, authority, agent)
    url = f"{scheme}://{authority}{handler['path']}"
    helper = _helper(kind, url, canonical_json(headers).decode(), str(timeout))
    if scheme == "https" or not is_ipv4(host):
        return ["helper", *helper]
    lines = [f"GET {handler['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    return [kind, host, port, "".join(f"{line}\r\n" for line in [*lines, ""]), helper]


def _headers(handler: Mapping[str, Any], authority: str, agent: str) -> list[tuple[str, str]]:
    """Return the headers of a request as the kubelet makes it: some of its own, unless the probe has them."""
    given = [(header["name"], header.get("value", "")) for header in handler.get("httpHeaders", ())]
    names = {name.lower() for name, _ in given}
    own = {"Host": authority, "User-Agent": agent, "Accept": "*/*"}
    headers = [(name, value) for name, value in own.items() if name.lower() not in names]
    return headers + [(name, value) for name, value in given if name.lower() != "connection" and value]


def _helper(*arguments: str) -> list[str]:
    # Without site-packages: it has to start quickly, and needs nothing of them.
    return [sys.executable, "-I", "-S", _PROBER, *arguments]
