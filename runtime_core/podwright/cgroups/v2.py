# SPDX-License-Identifier: Apache-2.0
"""The hierarchy of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst)."""

import errno

from podwright.cgroups.bpf import device_program
from podwright.cgroups.devices import DEFAULT_RULES
from podwright.cgroups.limits import Limits, cpu_weight
from podwright.cgroups.tree import GONE, Hierarchy, Setting
from podwright.errors import HostError


class V2Hierarchy(Hierarchy):
    """Limits in the files of v2. On a hybrid host it may serve no controller at all, but still kills a whole group."""

    oom_file = "memory.events"

    def settings(self, limits: Limits) -> list[Setting]:
        """Return cpu.*, memory.* and pids.* files with their values."""
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
        return [setting for setting in every if setting.controller in self.controllers]

    def enable(self, directory: str) -> None:
        """Add our controllers to cgroup.subtree_control."""
        wanted = self.controllers & {"cpu", "memory", "pids"}
        if not wanted:
            return
        path = f"{directory}/cgroup.subtree_control"
        missing = sorted(wanted - set(self.files.read(path).split()))
        if not missing:
            return
        try:
            self.files.write(path, " ".join(f"+{name}" for name in missing))
        except FileNotFoundError:
            if self.files.exists(directory):  # ENOENT is also the kernel's word for a controller that is not there
                raise HostError(f"cgroup {directory} has no controller {', '.join(missing)} to give") from None
            raise
        except OSError as error:
            reason = "processes live in it" if error.errno == errno.EBUSY else error.strerror
            raise HostError(f"cannot enable {', '.join(missing)} below cgroup {directory}: {reason}") from error

    def confine_devices(self, directory: str, *, fresh: bool) -> None:
        """Put a BPF program on the group."""
        if fresh or not self.files.has_device_program(directory):
            self.files.attach_device_program(directory, device_program(DEFAULT_RULES))

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

    def kill(self, group: str) -> None:
        """Use cgroup.kill (Linux 5.14): one write, no fork escapes, frozen processes die too."""
        try:
            self.files.write(f"{self.directory(group)}/cgroup.kill", "1")
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot kill the processes of {self.directory(group)}: {error.strerror}") from error
            super().kill(group)
