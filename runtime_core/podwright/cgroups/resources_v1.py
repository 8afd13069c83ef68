# SPDX-License-Identifier: Apache-2.0
"""``linux.resources`` (checked before) as files of cgroup v1. A number 0 is not set, where OCI allows it."""

from __future__ import annotations

from podwright.cgroups.tree import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Object = Mapping[str, Any]

_THROTTLES = (
    ("throttleReadBpsDevice", "read_bps", "rbps"), ("throttleWriteBpsDevice", "write_bps", "wbps"),
    ("throttleReadIOPSDevice", "read_iops", "riops"), ("throttleWriteIOPSDevice", "write_iops", "wiops"),
)  # fmt: skip
"""OCI's field, and what v1 and v2 call it."""

_MEMORY = (
    ("reservation", "memory.soft_limit_in_bytes", "-1"), ("limit", "memory.limit_in_bytes", "-1"),
    ("swap", "memory.memsw.limit_in_bytes", "-1"), ("kernelTCP", "memory.kmem.tcp.limit_in_bytes", "-1"),
)  # fmt: skip
_CPU = (
    ("shares", "cpu.shares", "1024"), ("period", "cpu.cfs_period_us", "100000"), ("quota", "cpu.cfs_quota_us", "-1"),
    ("realtimePeriod", "cpu.rt_period_us", "1000000"), ("realtimeRuntime", "cpu.rt_runtime_us", "0"),
)  # fmt: skip


def v1_settings(resources: Object) -> list[Setting]:
    """Return every setting of the configuration; the devices are rules of their own (devices.py)."""
    return collected(resources, _PARTS)


def collected(resources: Object, parts: tuple[tuple[str, Any], ...]) -> list[Setting]:
    """Return what the functions add to a list for the parts that are there; the same in v1 and v2."""
    found: list[Setting] = []
    for key, add in parts:
        part = resources.get(key)
        if part:
            add(found, part)
    return found


def named(name: str) -> str:
    """Return the full name of a field, as errors say it."""
    return f"linux.resources.{name}"


def _memory(found: list[Setting], memory: Object) -> None:
    for key, file, default in _MEMORY:
        if memory.get(key):
            found.append(Setting("memory", file, str(memory[key]), default, field=named(f"memory.{key}")))
    if memory.get("limit") == -1 and not memory.get("swap"):  # no limit of memory is also none of memory and swap
        field = named("memory.limit")
        found.append(Setting("memory", "memory.memsw.limit_in_bytes", "-1", "-1", optional=True, field=field))
    swappiness = memory.get("swappiness")
    if swappiness is not None and swappiness != (1 << 64) - 1:  # that is how Docker says -1, unset
        found.append(Setting("memory", "memory.swappiness", str(swappiness), field=named("memory.swappiness")))
    for key, file, default in (("disableOOMKiller", "oom_control", "0"), ("useHierarchy", "use_hierarchy", "1")):
        if memory.get(key) is not None:
            value = str(int(memory[key]))
            found.append(Setting("memory", f"memory.{file}", value, default, field=named(f"memory.{key}")))


def _cpu(found: list[Setting], cpu: Object) -> None:
    for key, file, default in _CPU:
        if cpu.get(key) and not (key == "shares" and cpu.get("idle")):  # an idle group has no weight
            found.append(Setting("cpu", file, str(cpu[key]), default, field=named(f"cpu.{key}")))
    for key, file in (("burst", "cpu.cfs_burst_us"), ("idle", "cpu.idle")):
        if cpu.get(key) is not None:
            found.append(Setting("cpu", file, str(cpu[key]), "0", field=named(f"cpu.{key}")))
    add_cpuset(found, cpu)


def add_cpuset(found: list[Setting], cpu: Object) -> None:
    """Add which processors and memory nodes: the same in v1 and v2."""
    found += [
        Setting("cpuset", f"cpuset.{key}", cpu[key].strip(), field=named(f"cpu.{key}"))
        for key in ("cpus", "mems")
        if cpu.get(key)
    ]


def add_pids(found: list[Setting], pids: Object) -> None:
    """Add the limit of processes, the same in v1 and v2: below 0 none, and no lower than 1, which forbids any fork."""
    limit = pids.get("limit")
    if limit is not None:
        value = "max" if limit < 0 else str(max(limit, 1))
        found.append(Setting("pids", "pids.max", value, "max", field=named("pids.limit")))


def add_rdma(found: list[Setting], rdma: Object) -> None:
    """Add the limits of each RDMA device, the same in v1 and v2."""
    for name, limits in rdma.items():
        words = [
            f"{word}={limits[key]}"
            for key, word in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))
            if limits.get(key) is not None
        ]
        if words:
            found.append(Setting("rdma", "rdma.max", " ".join([name, *words]), field=named(f"rdma[{name}]")))


def weights(block: Object) -> list[tuple[str, Object, str]]:
    """Return who has a weight: the start of the field's name, the object, and the start of the value."""
    devices = block.get("weightDevice") or ()
    return [("", block, "")] + [
        (f"weightDevice[{index}].", device, f"{device['major']}:{device['minor']} ")
        for index, device in enumerate(devices)
    ]


def throttles(block: Object) -> list[tuple[str, str, str, str, int]]:
    """Return each throttled device: the field, what v1 and v2 call the limit, the device, the rate."""
    return [
        (named(f"blockIO.{key}[{index}]"), v1, v2, f"{device['major']}:{device['minor']}", device["rate"])
        for key, v1, v2 in _THROTTLES
        for index, device in enumerate(block.get(key) or ())
    ]


def _block_io(found: list[Setting], block: Object) -> None:
    for name, part, prefix in weights(block):
        suffix = "_device" if prefix else ""
        for key, word in (("weight", "weight"), ("leafWeight", "leaf_weight")):
            if part.get(key):
                field, value = named(f"blockIO.{name}{key}"), f"{prefix}{part[key]}"
                plain = Setting("blkio", f"blkio.{word}{suffix}", value, field=field)
                bfq = Setting("blkio", f"blkio.bfq.{word}{suffix}", value, field=field, instead=plain)
                found.append(bfq if key == "weight" else plain)
    for field, word, _, device, rate in throttles(block):
        found.append(Setting("blkio", f"blkio.throttle.{word}_device", f"{device} {rate}", field=field))


def _huge_pages(found: list[Setting], limits: list[Object]) -> None:
    for index, limit in enumerate(limits):
        field, size = named(f"hugepageLimits[{index}]"), limit["pageSize"]
        value = str(limit["limit"])
        found.append(Setting("hugetlb", f"hugetlb.{size}.limit_in_bytes", value, field=field))
        file = f"hugetlb.{size}.rsvd.limit_in_bytes"  # Linux 5.7: what is reserved counts, not only what is touched
        found.append(Setting("hugetlb", file, value, optional=True, field=field))


def _network(found: list[Setting], network: Object) -> None:
    if network.get("classID"):
        found.append(Setting("net_cls", "net_cls.classid", str(network["classID"]), field=named("network.classID")))
    for index, entry in enumerate(network.get("priorities") or ()):
        field = named(f"network.priorities[{index}]")
        found.append(Setting("net_prio", "net_prio.ifpriomap", f"{entry['name']} {entry['priority']}", field=field))


def _unified(found: list[Setting], unified: Object) -> None:
    for name in unified:
        controller = f"{name.partition('.')[0]} of cgroup v2"
        found.append(Setting(controller, name, "", field=named(f"unified[{name}]")))


_PARTS: tuple[tuple[str, Any], ...] = (
    ("memory", _memory), ("cpu", _cpu), ("pids", add_pids), ("blockIO", _block_io), ("hugepageLimits", _huge_pages),
    ("network", _network), ("rdma", add_rdma), ("unified", _unified),
)  # fmt: skip
