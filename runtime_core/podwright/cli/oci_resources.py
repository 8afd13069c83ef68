# SPDX-License-Identifier: Apache-2.0
"""podwright-oci pause, resume, update and events."""

from __future__ import annotations

import time

from podwright.cli.oci_context import say
from podwright.cli.options import Option, Verb, usage
from podwright.containers.oom import kills
from podwright.errors import ContainerError
from podwright.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from podwright.cli.oci_context import Context
    from podwright.cli.options import Values
    from podwright.containers.lifecycle import Containers

MAX_RESOURCES = 1 << 20
_OOM_PAUSE = 0.2  # seconds between two looks at the count of OOM kills
# Option, its place in linux.resources, and whether it is a number.
_LIMITS = (
    ("blkio-weight", ("blockIO", "weight"), True),
    ("cpu-period", ("cpu", "period"), True),
    ("cpu-quota", ("cpu", "quota"), True),
    ("cpu-burst", ("cpu", "burst"), True),
    ("cpu-share", ("cpu", "shares"), True),
    ("cpu-idle", ("cpu", "idle"), True),
    ("cpu-rt-period", ("cpu", "realtimePeriod"), True),
    ("cpu-rt-runtime", ("cpu", "realtimeRuntime"), True),
    ("cpuset-cpus", ("cpu", "cpus"), False),
    ("cpuset-mems", ("cpu", "mems"), False),
    ("memory", ("memory", "limit"), True),
    ("memory-reservation", ("memory", "reservation"), True),
    ("memory-swap", ("memory", "swap"), True),
    ("pids-limit", ("pids", "limit"), True),
)
_INTEL = ("l3-cache-schema", "mem-bw-schema")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def _pause(context: Context, values: Values) -> int:
    context.containers().pause(values.arguments[0])
    return 0


def _resume(context: Context, values: Values) -> int:
    context.containers().resume(values.arguments[0])
    return 0


def _update(context: Context, values: Values) -> int:
    for option in _INTEL:
        if values.text(option) is not None:
            raise usage(f"--{option} is not supported: linux.intelRdt is not changed in a running container")
    path = values.text("resources")
    resources = asked_resources(values) if path is None else read_resources(path)
    if not resources:
        raise usage("update needs at least one limit; see --help")
    context.containers().update(values.arguments[0], resources)
    return 0


def asked_resources(values: Values) -> dict[str, Any]:
    """Return ``linux.resources`` as the options say it."""
    resources: dict[str, Any] = {}
    for option, (group, key), number in _LIMITS:
        text = values.text(option)
        if text is not None:
            resources.setdefault(group, {})[key] = amount(option, text) if number else text
    return resources


def amount(option: str, text: str) -> int:
    """Read a number; one of bytes (memory…) may have a unit, as 512m or 512MiB. -1 is no limit."""
    if text == "-1":
        return -1
    lower = text.lower()
    if option.startswith("memory"):
        lower = lower.removesuffix("b").removesuffix("i")
        digits, unit = (lower[:-1], lower[-1]) if lower and not lower[-1].isdigit() else (lower, "")
    else:
        digits, unit = lower, ""
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or unit not in _UNITS:
        raise usage(f"--{option} is {text!r}, but must be a whole number, or -1 for no limit")
    return int(digits) * _UNITS[unit]


def read_resources(path: str) -> dict[str, Any]:
    """Return ``linux.resources`` from a file; - is standard input."""
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            text = file.read(MAX_RESOURCES + 1)
    except OSError as error:
        raise usage(f"--resources is {path!r}, which cannot be read: {error.strerror}") from error
    if len(text) > MAX_RESOURCES:
        raise usage(f"--resources is {path!r}, which has more than {MAX_RESOURCES} bytes")
    try:
        value = loads(text)
    except ValueError as error:
        raise ContainerError(f"the resources in {path} are not JSON: {error}", field="linux.resources") from error
    if not isinstance(value, dict):
        raise ContainerError(f"the resources in {path} must be an object", field="linux.resources")
    return value


def _events(context: Context, values: Values) -> int:
    containers, container_id = context.containers(), values.arguments[0]
    if values.flag("stats"):
        _say_stats(containers, container_id)
        return 0
    interval = _seconds(values.text("interval") or "5s")
    events = containers.oom_events(container_id)
    before = kills(events)
    due = time.monotonic()
    while containers.state(container_id)["status"] != "stopped":
        now = kills(events)
        for _ in range(before, now):
            say(dumps({"type": "oom", "id": container_id}))
        before = max(before, now)
        if time.monotonic() >= due:
            due += interval
            _say_stats(containers, container_id)
        time.sleep(min(_OOM_PAUSE, interval))
    return 0


def _say_stats(containers: Containers, container_id: str) -> None:
    say(dumps({"type": "stats", "id": container_id, "data": containers.stats(container_id)}))


def _seconds(text: str) -> float:
    """Read a duration as Go writes it, in one unit: 500ms, 5s, 1m, 1h; a plain number is of seconds."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
    digits = text.rstrip("hms")
    unit = text[len(digits) :]
    if digits.isascii() and digits.isdigit() and unit in units and float(digits) > 0:
        return float(digits) * units[unit]
    raise usage(f"--interval is {text!r}, but must be a time such as 5s or 500ms")


_RESOURCE_OPTIONS = tuple(
    Option(f"--{name}", f"linux.resources.{'.'.join(place)}", "N" if number else "LIST")
    for name, place, number in _LIMITS
)
VERBS = {
    "pause": (Verb("pause", "ID", "Hold all processes of a container still."), _pause),
    "resume": (Verb("resume", "ID", "Let the processes of a paused container go on."), _resume),
    "update": (
        Verb(
            "update",
            "ID",
            "Change limits of a container.",
            (
                Option("--resources -r", "a file with linux.resources as JSON; - is standard input", "FILE"),
                *_RESOURCE_OPTIONS,
                *(Option(f"--{name}", "refused", "TEXT") for name in _INTEL),
            ),
        ),
        _update,
    ),
    "events": (
        Verb(
            "events",
            "ID",
            "Print what a container uses, again and again, and each OOM kill, until it stops.",
            (
                Option("--stats", "print what it uses now, once"),
                Option("--interval", "how often (default 5s)", "TIME"),
            ),
        ),
        _events,
    ),
}
