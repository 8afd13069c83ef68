# SPDX-License-Identifier: Apache-2.0
"""One hierarchy of cgroup v1: a mount with one controller or several (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import time

from podwright.cgroups.tree import GONE, UNLIMITED, Hierarchy, Setting
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwright.cgroups.devices import DeviceRule
    from podwright.cgroups.limits import Limits

_FREEZE_TIMEOUT = 0.2


class V1Hierarchy(Hierarchy):
    """Limits in the files of v1. Memory and swap together get the bound that memory has: the pod does not swap."""

    version = 1
    oom_file = "memory.oom_control"
    memory_file = "memory.usage_in_bytes"
    memory_limit_file = "memory.limit_in_bytes"
    freezer_file = "freezer.state"

    def settings(self, limits: Limits) -> list[Setting]:
        """Return cpu.*, memory.*, pids.* and hugetlb.* files with their values."""
        from podwright.cgroups.units import CPU_PERIOD_US

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
        for size, most in limits.huge_pages:
            every.append(Setting("hugetlb", f"hugetlb.{size}.limit_in_bytes", str(most), optional=not most))
            every.append(Setting("hugetlb", f"hugetlb.{size}.rsvd.limit_in_bytes", str(most), optional=True))
        return [setting for setting in every if setting.controller in self.controllers]

    def same(self, actual: str, wanted: str) -> bool:
        """Compare as the base does; "-1" reads back as a huge number."""
        if wanted == "-1" and actual.isdigit():
            return int(actual) >= UNLIMITED
        return super().same(actual, wanted)

    def confine_devices(
        self, directory: str, *, fresh: bool, rules: Sequence[DeviceRule] | None = None, replace: bool = False
    ) -> None:
        """Deny all, then allow what the rules say; or the other way round. A list that is right is left alone."""
        from podwright.cgroups.devices import DEFAULT_RULES, v1_list  # not in the many commands that make no group

        del replace  # there is always one list
        default, exceptions = v1_list(DEFAULT_RULES if rules is None else rules)
        if not fresh and self._devices(directory) == (default, set(exceptions)):
            return
        every, single = ("devices.allow", "devices.deny") if default else ("devices.deny", "devices.allow")
        try:
            self.files.write(f"{directory}/{every}", "a")
            if exceptions:
                self.files.write_each(f"{directory}/{single}", exceptions)
        except OSError as error:
            raise HostError(f"cannot confine {directory} to its devices: {error.strerror}") from error

    def devices_confined(self, directory: str) -> bool:
        """Compare the group's list with the default devices."""
        from podwright.cgroups.devices import DEFAULT_RULES

        return self._devices(directory) == (False, {str(rule) for rule in DEFAULT_RULES})

    def _devices(self, directory: str) -> tuple[bool, set[str]]:
        lines = set(self.files.read(f"{directory}/devices.list").splitlines())
        return ("a *:* rwm" in lines, lines - {"a *:* rwm"})

    @property
    def can_freeze(self) -> bool:
        """Tell whether the freezer is here."""
        return "freezer" in self.controllers

    def frozen(self, directory: str) -> bool:
        """Read the state; FREEZING is not yet."""
        if not self.can_freeze:
            return False
        try:
            return self.files.read(f"{directory}/freezer.state") == "FROZEN"
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot read {directory}/freezer.state: {error.strerror}") from error
            return False

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

    def made(self, directory: str) -> None:
        """Fill a group of cpuset: no process can enter one that names no processor and no memory node."""
        if "cpuset" in self.controllers:
            for name in ("cpuset.cpus", "cpuset.mems"):
                self._inherit(directory, name)

    def make_directories(self, directory: str) -> bool:
        """Make a group, at first in the hope that its parent is there: nothing has to be enabled in v1."""
        try:
            fresh = self.files.make(directory)
            self.made(directory)
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot make cgroup {directory}: {error.strerror}") from error
            return super().make_directories(directory)
        return fresh

    def _inherit(self, directory: str, name: str) -> str:
        value = self.files.read(f"{directory}/{name}")
        if not value and directory != self.root:  # the parent may be as empty, when someone else made it
            value = self._inherit(directory.rpartition("/")[0], name)
            self.files.write(f"{directory}/{name}", value)
        return value

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
