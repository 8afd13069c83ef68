# SPDX-License-Identifier: Apache-2.0
"""Probes: what is wrong with one, and its normal form (Kubernetes: pkg/apis/core/validation, v1/defaults.go)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from podwright.manifest.faults import Fault
from podwright.manifest.names import is_label_key

KINDS = ("startupProbe", "livenessProbe", "readinessProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def faults_of(container: Mapping[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with the probes of a container whose structure is right."""
    for kind in KINDS:
        if container.get(kind) is not None:
            yield from handler_faults_of(container[kind], _HANDLERS, container, f"{field}.{kind}")
            yield from _faults(container[kind], kind, f"{field}.{kind}")


def gate_faults_of(gates: Iterable[Mapping[str, Any]], field: str) -> Iterator[Fault]:
    """Yield what is wrong with the conditions that a pod waits for."""
    for index, gate in enumerate(gates):
        kind = gate["conditionType"]
        if not is_label_key(kind):
            reason = "must be [prefix/]name: letters, digits, '-', '_' and '.', at most 63"
            yield Fault(f"{field}[{index}].conditionType", reason, kind)


def normal(probe: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a probe with its defaults filled in; nothing for none."""
    if not probe:
        return {}
    result = normal_handler(probe, _HANDLERS)
    result |= {name: probe.get(name) or default for name, default in _DEFAULTS.items()}
    return result | _filled(
        {name: probe.get(name) for name in ("initialDelaySeconds", "terminationGracePeriodSeconds")}
    )


def normal_handler(given: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    """Return what a probe, or a hook, does, with its defaults filled in."""
    kind = next(name for name in kinds if given.get(name) is not None)
    handler = _filled(given[kind])
    if kind == "httpGet":
        handler["path"] = handler.get("path", "/")
        if handler.get("scheme") == "HTTP":
            del handler["scheme"]
    return {kind: handler}


def handler_faults_of(
    given: Mapping[str, Any], kinds: Sequence[str], container: Mapping[str, Any], field: str
) -> Iterator[Fault]:
    """Yield what is wrong with what a probe, or a hook, of a container does."""
    names = {port.get("name") for port in container.get("ports") or ()} - {None}
    present = [name for name in kinds if given.get(name) is not None]
    if not present:
        yield Fault(field, f"must say what to do: one of {', '.join(kinds)}")
    for name in present[1:]:
        yield Fault(f"{field}.{name}", f"must not be there beside {present[0]}", given[name])
    for name in present:
        where = f"{field}.{name}"
        if name == "exec" and not given[name].get("command"):
            yield Fault(f"{where}.command", "required, but missing or empty; give a program and its arguments")
        elif name == "exec" and not given[name]["command"][0]:
            yield Fault(f"{where}.command[0]", "must be the name or path of a program", "")
        elif name in ("httpGet", "tcpSocket"):
            yield from _request_faults(given[name], names, where)


def is_ipv4(text: str) -> bool:
    """Tell whether it is an IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdecimal() and part.isascii() and int(part) < 256 for part in parts)


def _faults(probe: Mapping[str, Any], kind: str, field: str) -> Iterator[Fault]:
    if kind != "readinessProbe" and (probe.get("successThreshold") or 1) != 1:
        yield Fault(f"{field}.successThreshold", "must be 1, except of a readiness probe", probe["successThreshold"])
    if kind == "readinessProbe" and probe.get("terminationGracePeriodSeconds") is not None:
        value = probe["terminationGracePeriodSeconds"]
        yield Fault(f"{field}.terminationGracePeriodSeconds", "must not be there: this probe ends nothing", value)


def _request_faults(handler: Mapping[str, Any], names: set[str], field: str) -> Iterator[Fault]:
    port, host = handler["port"], handler.get("host")
    if isinstance(port, str) and port not in names:
        yield Fault(f"{field}.port", "must be a number, or the name of one of the container's ports", port)
    elif isinstance(port, int) and not 1 <= port <= 65535:
        yield Fault(f"{field}.port", "must be from 1 to 65535", port)
    if host and not _is_host(host):
        yield Fault(f"{field}.host", "must be an address or the name of a host; leave it out for the pod's own", host)
    path = handler.get("path") or "/"
    if not _is_plain(path) or " " in path or not path.startswith("/"):
        yield Fault(f"{field}.path", "must start with '/' and hold only printable ASCII without spaces", path)
    for index, header in enumerate(handler.get("httpHeaders") or ()):
        if not header["name"] or not _is_plain(header["name"]) or set(header["name"]) & set(' :()<>@,;\\"/[]?={}'):
            yield Fault(f"{field}.httpHeaders[{index}].name", "must be the name of an HTTP header", header["name"])
        if not _is_plain(header["value"]):
            yield Fault(f"{field}.httpHeaders[{index}].value", "must hold only printable ASCII", header["value"])


def _is_host(text: str) -> bool:
    return text.isascii() and all(sign.isalnum() or sign in "-._:" for sign in text)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
