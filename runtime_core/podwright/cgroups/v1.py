# SPDX-License-Identifier: Apache-2.0
"""One hierarchy of cgroup v1: a mount with one controller or several (Documentation/admin-guide/cgroup-v1)."""

import time

from podwright.cgroups.devices import DEFAULT_RULES
from podwright.cgroups.limits import CPU_PERIOD_US, Limits
from podwright.cgroups.tree import GONE, Hierarchy, Setting
from podwright.errors import HostError

_UNLIMITED = 1 << 62  # memory without a limit reads as the largest number of whole pages
_FREEZE_TIMEOUT = 0.2


class V1Hierarchy(Hierarchy):
    """Limits in the files of v1. Memory and swap together get the bound that memory has: the pod does not swap."""

    oom_file = "memory.oom_control"

    def settings(self, limits: Limits) -> list[Setting]:
        """Return cpu.*, memory.* and pids.* files with their values."""
        quota, memory, pids = (
            "-1" if limit is None else str(limit) for limit in (limits.cpu_quota_us, limits.memory_max, limits.pids_max)
        )
        every = [
            Setting("cpu", "cpu.cfs_period_us", str(limits.cpu_period_us), str(CPU_PERIOD_US)),
            Setting("cpu", "cpu.cfs_quota_us", quota, "-1"),
            Setting("cpu", "cpu.shares", str(limits.cpu_shares or 1024), "1024"),
            Setting("memory", "memory.limit_in_bytes", memory, "-1"),
            Setting("memory", "memory.memsw.limit_in_bytes", memory, "-1", optional=True),
            Setting("pids", "pids.max", "max" if pids == "-1" else pids, "max"),
        ]
        return [setting for setting in every if setting.controller in self.controllers]

    def same(self, actual: str, wanted: str) -> bool:
        """Compare as the base does; "-1" reads back as a huge number."""
        if wanted == "-1" and actual.isdigit():
            return int(actual) >= _UNLIMITED
        return super().same(actual, wanted)

    def confine_devices(self, directory: str, *, fresh: bool) -> None:
        """Deny all, then allow the defaults."""
        if not fresh and self.devices_confined(directory):
            return
        try:
            self.files.write(f"{directory}/devices.deny", "a")
            for rule in DEFAULT_RULES:
                self.files.write(f"{directory}/devices.allow", str(rule))
        except OSError as error:
            raise HostError(f"cannot confine {directory} to its devices: {error.strerror}") from error

    def devices_confined(self, directory: str) -> bool:
        """Compare the group's list with ours."""
        return set(self.files.read(f"{directory}/devices.list").splitlines()) == {str(rule) for rule in DEFAULT_RULES}

    def freeze(self, directory: str, *, frozen: bool) -> None:
        """Use the freezer, where we have it, and wait a moment for it: a process in a system call takes its time."""
        if "freezer" not in self.controllers:
            return
        state = "FROZEN" if frozen else "THAWED"
        deadline = time.monotonic() + _FREEZE_TIMEOUT
        try:
            self.files.write(f"{directory}/freezer.state", state)
            while frozen and self.files.read(f"{directory}/freezer.state") != state and time.monotonic() < deadline:
                time.sleep(0.001)
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot set {directory}/freezer.state to {state}: {error.strerror}") from error

    def _order(self, directory: str, settings: list[Setting], *, fresh: bool) -> list[Setting]:
        """Write memsw before memory when the bound rises: the kernel refuses any moment with memory above memsw."""
        memsw = [setting for setting in settings if setting.file == "memory.memsw.limit_in_bytes"]
        path = f"{directory}/memory.memsw.limit_in_bytes"
        if fresh or not memsw or not self.files.exists(path):
            return settings
        wanted = memsw[0].value
        if wanted != "-1" and int(wanted) <= int(self.files.read(path)):
            return settings
        return memsw + [setting for setting in settings if setting not in memsw]
