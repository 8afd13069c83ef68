# SPDX-License-Identifier: Apache-2.0
"""Hooks and stop signals: what is wrong with them, and their normal form (Kubernetes: pkg/apis/core/validation)."""

from collections.abc import Iterator, Mapping
from typing import Any

from podwright.manifest import probes
from podwright.manifest.faults import Fault

DEFAULT_GRACE_PERIOD = 30
"""Seconds."""
HOOKS = ("postStart", "preStop")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_SIGNALS = frozenset(
    f"SIG{name}"
    for name in (
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
        "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
        "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
        *(f"RTMIN+{number}" for number in range(1, 16)),
        *(f"RTMAX-{number}" for number in range(1, 15)),
    )
)  # fmt: skip


def faults_of(
    container: Mapping[str, Any], field: str, *, grace: int | None, os: Mapping[str, Any] | None
) -> Iterator[Fault]:
    """Yield what is wrong with a container's lifecycle, in a pod with this grace period (seconds) and ``spec.os``."""
    lifecycle = container.get("lifecycle") or {}
    for hook in HOOKS:
        given = lifecycle.get(hook)
        if given is None:
            continue
        where = f"{field}.lifecycle.{hook}"
        yield from probes.handler_faults_of(given, _HANDLERS, container, where)
        seconds = (given.get("sleep") or {}).get("seconds", 0)
        most = DEFAULT_GRACE_PERIOD if grace is None else grace
        if not 0 <= seconds <= most:
            reason = f"must be from 0 to terminationGracePeriodSeconds, {most}"
            yield Fault(f"{where}.sleep.seconds", reason, seconds)
    signal = lifecycle.get("stopSignal")
    if signal is not None and not os:
        reason = "must not be there without spec.os.name; add linux there"
        yield Fault(f"{field}.lifecycle.stopSignal", reason, signal)
    elif signal is not None and signal not in _SIGNALS:
        reason = "must be a signal of Linux, such as SIGTERM or SIGRTMIN+3"
        yield Fault(f"{field}.lifecycle.stopSignal", reason, signal)


def normal(lifecycle: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a lifecycle with its defaults filled in; nothing for none."""
    given = lifecycle or {}
    hooks = {name: probes.normal_handler(given[name], _HANDLERS) for name in HOOKS if given.get(name)}
    return {**hooks, **({"stopSignal": given["stopSignal"]} if given.get("stopSignal") else {})}


def normal_os(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return a pod's ``os`` where it matters: beside a stop signal. It says nothing new to Podwright."""
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    needed = any((container.get("lifecycle") or {}).get("stopSignal") for container in containers)
    return {"name": "linux"} if needed else {}
