# SPDX-License-Identifier: Apache-2.0
"""The hierarchy of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import errno

from podwright.cgroups.tree import GONE, Hierarchy, Setting
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from podwright.cgroups.devices import DeviceRule
    from podwright.cgroups.limits import Limits


class V2Hierarchy(Hierarchy):
    """Limits in the files of v2. On a hybrid host it may serve no controller at all, but still kills a whole group."""

    version = 2
    oom_file = "memory.events"
    memory_file = "memory.current"
    memory_limit_file = "memory.max"
    freezer_file = "cgroup.freeze"
    can_freeze = True
    required: frozenset[str] | None = None
    """The controllers that the groups cannot do without: all of ours, unless said here."""
    gifts = True
    """Whether to enable the others too, where the parent lets us."""

    def settings(self, limits: Limits) -> list[Setting]:
        """Return cpu.*, memory.*, pids.* and hugetlb.* files with their values."""
        from podwright.cgroups.units import cpu_weight

        quota, memory, pids = (
            "max" if limit is None else str(limit)
            for limit in (limits.cpu_quota_us, limits.memory_max, limits.pids_max)
        )
        every = [
            Setting("cpu", "cpu.max", f"{quota} {limits.cpu_period_us}", "max 100000"),
            Setting("cpu", "cpu.weight", str(cpu_weight(limits.cpu_shares or 1024)), "100"),
            Setting("memory", "memory.max", memory, "max"),
            Setting("memory", "memory.swap.max", "0" if limits.container else "max", "max", optional=True),
            Setting("memory", "memory.oom.group", str(int(limits.container)), "0", optional=True),
            Setting("pids", "pids.max", pids, "max"),
        ]
        for size, most in limits.huge_pages:  # what is reserved counts, not only what is touched (Linux 5.7)
            every.append(Setting("hugetlb", f"hugetlb.{size}.max", str(most), "max", optional=not most))
            every.append(Setting("hugetlb", f"hugetlb.{size}.rsvd.max", str(most), "max", optional=True))
        return [setting for setting in every if setting.controller in self.controllers]

    def enable(self, directory: str) -> None:
        """Add our controllers to cgroup.subtree_control."""
        wanted = self.controllers - {"devices"}  # which is a BPF program, no controller
        if self.required is not None and not self.gifts:
            wanted &= self.required
        if not wanted:
            return
        path = f"{directory}/cgroup.subtree_control"
        missing = sorted(wanted - set(self.files.read(path).split()))
        if not missing:
            return
        needed = missing if self.required is None else [name for name in missing if name in self.required]
        if len(needed) < len(missing):
            self._try(path, missing)
            missing = sorted(set(needed) - set(self.files.read(path).split()))
        if missing:
            self._enable(directory, path, missing)

    def _try(self, path: str, names: list[str]) -> None:
        """Enable what can be had; a parent may hold some back."""
        try:
            self.files.write(path, " ".join(f"+{name}" for name in names))
        except OSError:
            for name in names if len(names) > 1 else ():
                self._try(path, [name])

    def _enable(self, directory: str, path: str, missing: list[str]) -> None:
        try:
            self.files.write(path, " ".join(f"+{name}" for name in missing))
        except FileNotFoundError:
            if self.files.exists(directory):  # ENOENT is also the kernel's word for a controller that is not there
                raise HostError(f"cgroup {directory} has no controller {', '.join(missing)} to give") from None
            raise
        except OSError as error:
            reason = "processes live in it" if error.errno == errno.EBUSY else error.strerror
            raise HostError(f"cannot enable {', '.join(missing)} below cgroup {directory}: {reason}") from error

    def confine_devices(
        self, directory: str, *, fresh: bool, rules: Sequence[DeviceRule] | None = None, replace: bool = False
    ) -> None:
        """Put a BPF program on the group; one that is there is taken for ours unless it shall be replaced."""
        from podwright.cgroups.devices import DEFAULT_RULES, all_allowed  # not in the commands that make no group

        rules = DEFAULT_RULES if rules is None else rules
        if not all_allowed(rules) if fresh else replace or not self.files.has_device_program(directory):
            from podwright.cgroups.bpf import device_program  # not on a hybrid host, where v1 has the devices

            self.files.attach_device_program(directory, device_program(rules))

    def devices_confined(self, directory: str) -> bool:
        """Ask the kernel for the group's programs."""
        return self.files.has_device_program(directory)

    def freeze(self, directory: str, *, frozen: bool) -> None:
        """Write cgroup.freeze; only reached on kernels that cannot kill a group at once."""
        try:
            self.files.write(f"{directory}/cgroup.freeze", str(int(frozen)))
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot set {directory}/cgroup.freeze: {error.strerror}") from error

    def frozen(self, directory: str) -> bool:
        """Ask whether all processes have stopped, not whether they were told to."""
        try:
            return "frozen 1" in self.files.read(f"{directory}/cgroup.events").splitlines()
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot read {directory}/cgroup.events: {error.strerror}") from error
            return False

    def serves(self, controller: str) -> bool:
        """Tell whether a setting of this controller is ours; cgroup.* are in every group."""
        return controller in self.controllers or controller == "cgroup"

    def require(self, controllers: AbstractSet[str]) -> None:
        """Insist on these only; the others are for statistics, and for groups that the container makes."""
        self.required = frozenset(controllers)

    def kill(self, group: str) -> None:
        """Use cgroup.kill (Linux 5.14): one write, no fork escapes, frozen processes die too."""
        try:
            self.files.write(f"{self.directory(group)}/cgroup.kill", "1")
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot kill the processes of {self.directory(group)}: {error.strerror}") from error
            super().kill(group)
