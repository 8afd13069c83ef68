# SPDX-License-Identifier: Apache-2.0
"""How the kernel schedules a process: CPU and I/O priorities, CPU affinity, and where its memory comes from."""

from __future__ import annotations

from podwright.errors import ManifestError
from podwright.oci.shape import wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_POLICIES = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_IDLE": 5, "SCHED_DEADLINE": 6,
}  # fmt: skip
_SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
MEMORY_MODES = {
    "MPOL_DEFAULT": 0, "MPOL_PREFERRED": 1, "MPOL_BIND": 2, "MPOL_INTERLEAVE": 3, "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5, "MPOL_WEIGHTED_INTERLEAVE": 6,
}  # fmt: skip
MEMORY_FLAGS = {"MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15}
_MAX_NODE, _MAX_CPU = 1023, 8191  # MAX_NUMNODES and NR_CPUS of the largest kernels


def scheduler_step(scheduler: Mapping[str, Any], field: str) -> list[Any]:
    """Return the step for sched_setattr(2)."""
    policy = scheduler["policy"]
    if policy == "SCHED_ISO":
        raise ManifestError(f"{field}.policy: Linux has reserved SCHED_ISO but never had it", field=f"{field}.policy")
    number = _named(policy, _POLICIES, f"{field}.policy")
    flags = _flags(scheduler.get("flags") or (), _SCHED_FLAGS, f"{field}.flags")
    nice, priority = scheduler.get("nice") or 0, scheduler.get("priority") or 0
    real_time = policy in ("SCHED_FIFO", "SCHED_RR")
    if real_time and not priority:
        raise wrong(f"{field}.priority", priority, f"between 1 and 99 with {policy}")
    if priority and not real_time:
        raise ManifestError(
            f"{field}.priority is for SCHED_FIFO and SCHED_RR; remove it with {policy}", field=f"{field}.priority"
        )
    times = [scheduler.get(key) or 0 for key in ("runtime", "deadline", "period")]
    if any(times) and policy != "SCHED_DEADLINE":
        raise ManifestError(
            f"{field}: runtime, deadline and period are for SCHED_DEADLINE; remove them with {policy}", field=field
        )
    runtime, deadline, period = times
    if policy == "SCHED_DEADLINE" and not 0 < runtime <= deadline <= (period or deadline):
        raise ManifestError(
            f"{field}: SCHED_DEADLINE needs 0 < runtime <= deadline <= period, which {runtime}, {deadline} and "
            f"{period} are not",
            field=field,
        )
    return ["scheduler", number, nice, priority, flags, runtime, deadline, period]


def io_priority_step(priority: Mapping[str, Any], field: str) -> list[Any]:
    """Return the step for ioprio_set(2)."""
    return ["io_priority", _named(priority["class"], _IO_CLASSES, f"{field}.class"), priority.get("priority") or 0]


def memory_policy_step(policy: Mapping[str, Any]) -> list[Any]:
    """Return the step for set_mempolicy(2), with the rules of its manual page."""
    field = "linux.memoryPolicy"
    mode = policy["mode"]
    number = _named(mode, MEMORY_MODES, f"{field}.mode")
    names: list[str] = policy.get("flags") or []
    flags = _flags(names, MEMORY_FLAGS, f"{field}.flags")
    nodes = number_list(policy.get("nodes") or "", _MAX_NODE, f"{field}.nodes")
    if nodes and mode in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        raise ManifestError(f"{field}.nodes: {mode} takes no nodes; remove them", field=f"{field}.nodes")
    if not nodes and mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED"):
        raise ManifestError(f"{field}.nodes is missing, and {mode} needs it", field=f"{field}.nodes")
    if flags and not nodes:
        raise ManifestError(
            f"{field}.flags: {names[0]} says something about nodes, and there are none", field=f"{field}.flags"
        )
    if "MPOL_F_RELATIVE_NODES" in names and "MPOL_F_STATIC_NODES" in names:
        raise ManifestError(
            f"{field}.flags: MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other", field=f"{field}.flags"
        )
    if "MPOL_F_NUMA_BALANCING" in names and mode not in ("MPOL_BIND", "MPOL_PREFERRED_MANY"):
        raise ManifestError(f"{field}.flags: MPOL_F_NUMA_BALANCING needs MPOL_BIND, not {mode}", field=f"{field}.flags")
    return ["memory_policy", number, flags, nodes]


def affinity(process: Mapping[str, Any], field: str) -> list[str]:
    """Return [initial, final] of ``execCPUAffinity``, "" for one that is not given."""
    wanted = process.get("execCPUAffinity") or {}
    result = []
    for key in ("initial", "final"):
        text = wanted.get(key) or ""
        number_list(text, _MAX_CPU, f"{field}.execCPUAffinity.{key}")
        result.append(text.replace(" ", ""))
    return result


def number_list(text: str, most: int, field: str) -> list[int]:
    """Return the numbers of a list as the kernel writes it (``0-3,7``), in ascending order."""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = (item.strip() for item in part.partition("-"))
        last = last if dash else first
        if not all(item.isascii() and item.isdigit() and len(item) < 6 for item in (first, last)):
            raise wrong(field, text, "a list of numbers such as 0-3,7")
        if not int(first) <= int(last) <= most:
            raise wrong(field, text, f"a list of ascending ranges of numbers up to {most}")
        numbers.update(range(int(first), int(last) + 1))
    return sorted(numbers)


def _named(name: str, known: Mapping[str, int], field: str) -> int:
    if name not in known:
        raise wrong(field, name, f"one of {', '.join(known)}")
    return known[name]


def _flags(names: Iterable[str], known: Mapping[str, int], field: str) -> int:
    flags = 0
    for name in names:
        flags |= _named(name, known, field)
    return flags
