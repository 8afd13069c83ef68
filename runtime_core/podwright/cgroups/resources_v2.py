# SPDX-License-Identifier: Apache-2.0
"""``linux.resources`` (checked before) as files of cgroup v2, converted where v2 counts otherwise than OCI."""

from __future__ import annotations

from podwright.cgroups.resources_v1 import add_cpuset, add_pids, add_rdma, collected, named, throttles, weights
from podwright.cgroups.tree import Setting
from podwright.cgroups.units import CPU_PERIOD_US, cpu_weight
from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Object = Mapping[str, Any]

_V1_MEMORY = ("kernelTCP", "swappiness")
_V1_CPU = ("realtimePeriod", "realtimeRuntime")


def v2_settings(resources: Object) -> list[Setting]:
    """Return every setting of the configuration; the devices are rules of their own (devices.py).

    What v2 cannot say is there too, with a controller that no hierarchy of v2 has. Raises ManifestError for a bound of
    memory and swap together that is below the one of memory, or stands alone.
    """
    return collected(resources, _PARTS)


def _only_v1(found: list[Setting], controller: str, field: str) -> None:
    found.append(Setting(f"{controller} of cgroup v1", "", "", field=named(field)))


def _memory(found: list[Setting], memory: Object) -> None:
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if swap or limit == -1:
        value = _swap(limit, swap)
        # a kernel without swap accounting has no such file; and nothing to bound, when it shall be none or all
        field = named("memory.swap" if swap else "memory.limit")
        found.append(Setting("memory", "memory.swap.max", value, "max", optional=value in ("max", "0"), field=field))
    if limit:
        found.append(Setting("memory", "memory.max", _bound(limit), "max", field=named("memory.limit")))
    if memory.get("reservation"):
        value = _bound(memory["reservation"])
        found.append(Setting("memory", "memory.low", value, "0", field=named("memory.reservation")))
    for key in _V1_MEMORY:
        if memory.get(key) not in (None, (1 << 64) - 1):
            _only_v1(found, "memory", f"memory.{key}")
    if memory.get("disableOOMKiller"):
        _only_v1(found, "memory", "memory.disableOOMKiller")
    if memory.get("useHierarchy") is False:  # v2 always does
        _only_v1(found, "memory", "memory.useHierarchy")


def _bound(value: int) -> str:
    return "max" if value < 0 else str(value)


def _swap(limit: int, swap: int) -> str:
    """Return the bound of swap alone: OCI's is of memory and swap together, as v1 counts."""
    if swap <= 0 or limit == -1:
        return _bound(swap or -1)
    field = named("memory.swap")
    if not limit:
        raise ManifestError(
            f"{field} is {swap}, memory and swap together, and means nothing to cgroup v2 without memory.limit",
            field=field, value=swap,
        )  # fmt: skip
    if swap < limit:
        raise ManifestError(
            f"{field} is {swap}, memory and swap together, and must not be less than memory.limit, {limit}",
            field=field, value=swap,
        )  # fmt: skip
    return str(swap - limit)


def _cpu(found: list[Setting], cpu: Object) -> None:
    idle = cpu.get("idle")
    if idle is not None:
        found.append(Setting("cpu", "cpu.idle", str(idle), "0", field=named("cpu.idle")))
    if cpu.get("shares") and not idle:  # an idle group has no weight
        value = str(cpu_weight(cpu["shares"]))
        found.append(Setting("cpu", "cpu.weight", value, "100", field=named("cpu.shares")))
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    if quota or period:
        value = f"{_bound(quota or -1)} {period or CPU_PERIOD_US}"
        field = named("cpu.quota" if quota else "cpu.period")
        found.append(Setting("cpu", "cpu.max", value, "max 100000", field=field))
    if cpu.get("burst") is not None:
        found.append(Setting("cpu", "cpu.max.burst", str(cpu["burst"]), "0", field=named("cpu.burst")))
    for key in _V1_CPU:
        if cpu.get(key):
            _only_v1(found, "cpu", f"cpu.{key}")
    add_cpuset(found, cpu)


def _block_io(found: list[Setting], block: Object) -> None:
    for name, part, prefix in weights(block):
        if part.get("weight"):
            field, weight = named(f"blockIO.{name}weight"), part["weight"]
            plain = Setting("io", "io.weight", f"{prefix or 'default '}{_io_weight(weight)}", field=field)
            found.append(Setting("io", "io.bfq.weight", f"{prefix}{weight}", field=field, instead=plain))
        if part.get("leafWeight"):
            _only_v1(found, "blkio", f"blockIO.{name}leafWeight")
    for field, _, word, device, rate in throttles(block):
        found.append(Setting("io", "io.max", f"{device} {word}={rate or 'max'}", field=field))


def _io_weight(weight: int) -> int:
    """Convert 10…1000 of v1 to 1…10000 of v2 on a straight line, as the OCI runtimes do."""
    return 1 + (max(weight, 10) - 10) * 9999 // 990


def _huge_pages(found: list[Setting], limits: list[Object]) -> None:
    for index, limit in enumerate(limits):
        field, size, value = named(f"hugepageLimits[{index}]"), limit["pageSize"], str(limit["limit"])
        found.append(Setting("hugetlb", f"hugetlb.{size}.max", value, "max", field=field))
        # Linux 5.7: what is reserved counts, not only what is touched
        found.append(Setting("hugetlb", f"hugetlb.{size}.rsvd.max", value, "max", optional=True, field=field))


def _network(found: list[Setting], network: Object) -> None:
    if network.get("classID"):
        _only_v1(found, "net_cls", "network.classID")
    for index, _ in enumerate(network.get("priorities") or ()):
        _only_v1(found, "net_prio", f"network.priorities[{index}]")


def _unified(found: list[Setting], unified: Object) -> None:
    for name, value in unified.items():
        found.append(Setting(name.partition(".")[0], name, value, field=named(f"unified[{name}]")))


_PARTS: tuple[tuple[str, Any], ...] = (
    ("memory", _memory), ("cpu", _cpu), ("pids", add_pids), ("blockIO", _block_io), ("hugepageLimits", _huge_pages),
    ("network", _network), ("rdma", add_rdma), ("unified", _unified),
)  # fmt: skip
