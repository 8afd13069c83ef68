# SPDX-License-Identifier: Apache-2.0
"""What a container used, as ``runc events --stats`` says it (types/events.go): times in nanoseconds, sizes in bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from podwright.cgroups.tree import Hierarchy

_UNLIMITED = (1 << 64) - 1
_TICK = 10_000_000  # nanoseconds of USER_HZ, which is 100 on every Linux that has cgroups


def stats(groups: Sequence[tuple[Hierarchy, str]]) -> dict[str, Any]:
    """Return the numbers of all controllers that the groups have; a file that is not there counts as 0."""
    found: dict[str, Any] = {
        "cpu": {"usage": {"total": 0, "kernel": 0, "user": 0}, "throttling": {}},
        "cpuset": {}, "memory": {}, "pids": {}, "blkio": {}, "hugetlb": {}, "intel_rdt": {}, "network_interfaces": None,
    }  # fmt: skip
    for hierarchy, group in groups:
        files = _Files(hierarchy, hierarchy.directory(group))
        for controller, add in (_V1 if hierarchy.version == 1 else _V2).items():
            # cpu.stat is in every group of v2; on a hybrid host, v1 has better numbers
            if controller in hierarchy.controllers:
                add(files, found)
    return found


class _Files:
    """The files of one group, read into numbers."""

    def __init__(self, hierarchy: Hierarchy, directory: str) -> None:
        self._files = hierarchy.files
        self.directory = directory

    def text(self, name: str) -> str:
        try:
            return self._files.read(f"{self.directory}/{name}")
        except OSError:  # not in this kernel, or the group is gone
            return ""

    def number(self, name: str) -> int:
        text = self.text(name)
        return _UNLIMITED if text == "max" else int(text) if text.isdigit() else 0

    def table(self, name: str) -> dict[str, int]:
        lines = (line.split() for line in self.text(name).splitlines())
        return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}

    def names(self) -> list[str]:
        return self._files.names(self.directory)


# cgroup v1


def _v1_cpu(files: _Files, found: dict[str, Any]) -> None:
    table = files.table("cpu.stat")
    found["cpu"]["throttling"] = {
        "periods": table.get("nr_periods", 0),
        "throttledPeriods": table.get("nr_throttled", 0),
        "throttledTime": table.get("throttled_time", 0),
    }


def _v1_cpuacct(files: _Files, found: dict[str, Any]) -> None:
    usage = found["cpu"]["usage"]
    usage["total"] = files.number("cpuacct.usage")
    usage["percpu"] = [int(word) for word in files.text("cpuacct.usage_percpu").split()]
    table = files.table("cpuacct.stat")
    usage["user"], usage["kernel"] = table.get("user", 0) * _TICK, table.get("system", 0) * _TICK


def _v1_memory(files: _Files, found: dict[str, Any]) -> None:
    raw = files.table("memory.stat")
    memory = {"cache": raw.get("cache", 0), "raw": raw}
    for key, prefix in (("usage", ""), ("swap", "memsw."), ("kernel", "kmem."), ("kernelTCP", "kmem.tcp.")):
        memory[key] = {
            "limit": files.number(f"memory.{prefix}limit_in_bytes"),
            "usage": files.number(f"memory.{prefix}usage_in_bytes"),
            "max": files.number(f"memory.{prefix}max_usage_in_bytes"),
            "failcnt": files.number(f"memory.{prefix}failcnt"),
        }
    found["memory"] = memory


def _v1_blkio(files: _Files, found: dict[str, Any]) -> None:
    for key, name in (("ioServiceBytesRecursive", "io_service_bytes"), ("ioServicedRecursive", "io_serviced")):
        text = files.text(f"blkio.bfq.{name}_recursive")
        if len(text.splitlines()) < 2:  # only the total: no disk here is scheduled by BFQ
            text = files.text(f"blkio.throttle.{name}_recursive")
        found["blkio"][key] = [
            _entry(device, operation, int(value))
            for device, operation, value in (line.split() for line in text.splitlines() if line.count(" ") == 2)
        ]


def _v1_hugetlb(files: _Files, found: dict[str, Any]) -> None:
    _hugetlb(files, found, ".usage_in_bytes", ".max_usage_in_bytes", lambda size: files.number(f"{size}.failcnt"))


# cgroup v2


def _v2_cpu(files: _Files, found: dict[str, Any]) -> None:
    table = files.table("cpu.stat")
    total, user, kernel = (table.get(key, 0) * 1000 for key in ("usage_usec", "user_usec", "system_usec"))
    found["cpu"] = {
        "usage": {"total": total, "user": user, "kernel": kernel},
        "throttling": {
            "periods": table.get("nr_periods", 0),
            "throttledPeriods": table.get("nr_throttled", 0),
            "throttledTime": table.get("throttled_usec", 0) * 1000,
        },
    }
    _pressure(files, found["cpu"], "cpu.pressure")


def _v2_memory(files: _Files, found: dict[str, Any]) -> None:
    raw, events = files.table("memory.stat"), files.table("memory.events")
    usage, swap = files.number("memory.current"), files.number("memory.swap.current")
    limit, swap_limit = files.number("memory.max"), files.number("memory.swap.max")
    both = _UNLIMITED if _UNLIMITED in (limit, swap_limit) else limit + swap_limit
    found["memory"] = {
        "cache": raw.get("file", 0),
        "usage": {
            "limit": limit, "usage": usage, "max": files.number("memory.peak"), "failcnt": events.get("max", 0),
        },
        "swap": {"limit": both, "usage": usage + swap, "failcnt": 0},  # both together, as v1 counts
        "kernel": {"limit": 0, "usage": raw.get("kernel", 0), "failcnt": 0},
        "kernelTCP": {"limit": 0, "usage": raw.get("sock", 0), "failcnt": 0},
        "raw": raw,
    }  # fmt: skip
    _pressure(files, found["memory"], "memory.pressure")


_OPERATIONS = {
    "rbytes": ("ioServiceBytesRecursive", "Read"), "wbytes": ("ioServiceBytesRecursive", "Write"),
    "dbytes": ("ioServiceBytesRecursive", "Discard"), "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"), "dios": ("ioServicedRecursive", "Discard"),
}  # fmt: skip


def _v2_io(files: _Files, found: dict[str, Any]) -> None:
    lists: dict[str, list[dict[str, Any]]] = {"ioServiceBytesRecursive": [], "ioServicedRecursive": []}
    for line in files.text("io.stat").splitlines():
        device, *words = line.split()
        for word in words:
            key, _, value = word.partition("=")
            if key in _OPERATIONS:
                name, operation = _OPERATIONS[key]
                lists[name].append(_entry(device, operation, int(value)))
    found["blkio"] = lists
    _pressure(files, found["blkio"], "io.pressure")


def _v2_hugetlb(files: _Files, found: dict[str, Any]) -> None:
    _hugetlb(files, found, ".current", ".peak", lambda size: files.table(f"{size}.events").get("max", 0))


# Both


def _pids(files: _Files, found: dict[str, Any]) -> None:
    limit = files.number("pids.max")
    found["pids"] = {"current": files.number("pids.current"), "limit": 0 if limit == _UNLIMITED else limit}


def _cpuset(files: _Files, found: dict[str, Any]) -> None:
    for key in ("cpus", "mems"):
        text = files.text(f"cpuset.{key}.effective") or files.text(f"cpuset.effective_{key}")
        parts = [part.partition("-") for part in text.split(",") if part]
        found["cpuset"][key] = [
            number for first, _, last in parts for number in range(int(first), int(last or first) + 1)
        ]
    if files.text("cpuset.cpu_exclusive"):
        for key in (
            "cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
            "memory_spread_slab", "memory_pressure", "sched_load_balance",
        ):  # fmt: skip
            found["cpuset"][key] = files.number(f"cpuset.{key}")
        found["cpuset"]["sched_relax_domain_level"] = int(files.text("cpuset.sched_relax_domain_level") or 0)


def _hugetlb(files: _Files, found: dict[str, Any], usage: str, most: str, failures: Callable[[str], int]) -> None:
    for name in files.names():
        size = name.removesuffix(usage)
        if size != name and size.startswith("hugetlb.") and not size.endswith(".rsvd"):
            found["hugetlb"][size.removeprefix("hugetlb.")] = {
                "usage": files.number(name), "max": files.number(size + most), "failcnt": failures(size),
            }  # fmt: skip


def _pressure(files: _Files, part: dict[str, Any], name: str) -> None:
    """Add what the processes waited for (Documentation/accounting/psi.rst), where the kernel counts it."""
    kinds: dict[str, dict[str, float | int]] = {}
    for line in files.text(name).splitlines():
        kind, *words = line.split()
        pairs = (word.partition("=") for word in words)
        kinds[kind] = {key: int(value) if key == "total" else float(value) for key, _, value in pairs}
    if kinds:
        part["psi"] = kinds


def _entry(device: str, operation: str, value: int) -> dict[str, Any]:
    major, _, minor = device.partition(":")
    return {"major": int(major), "minor": int(minor), "op": operation, "value": value}


_V1: dict[str, Callable[[_Files, dict[str, Any]], None]] = {
    "cpu": _v1_cpu, "cpuacct": _v1_cpuacct, "memory": _v1_memory, "pids": _pids, "blkio": _v1_blkio,
    "cpuset": _cpuset, "hugetlb": _v1_hugetlb,
}  # fmt: skip
_V2: dict[str, Callable[[_Files, dict[str, Any]], None]] = {
    "cpu": _v2_cpu, "memory": _v2_memory, "pids": _pids, "io": _v2_io, "cpuset": _cpuset, "hugetlb": _v2_hugetlb,
}  # fmt: skip
