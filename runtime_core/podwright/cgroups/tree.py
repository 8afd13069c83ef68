# SPDX-License-Identifier: Apache-2.0
"""One cgroup hierarchy and our groups in it: what v1 and v2 have in common."""

from __future__ import annotations

import errno
import os
import time

from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from podwright.cgroups.cgroupfs import Cgroupfs
    from podwright.cgroups.devices import DeviceRule
    from podwright.cgroups.limits import Limits

GONE = (errno.ENOENT, errno.ENODEV)
"""What using a group says that was removed: before, or after its file was opened."""
UNLIMITED = 1 << 62
"""Bytes: v1 has the largest number of whole pages for memory without a limit, which is more."""
_RACES = 20  # another process may remove the empty parent just before we make a group in it


class Setting:
    """One file of a group and what to write into it.

    ``default`` is what a new group has. ``optional``: the file is not there on every kernel (swap accounting is a boot
    option). ``field`` is the field of OCI's configuration that asks for it, "" for a pod's. ``instead`` is the setting
    that means the same to a kernel without the file.
    """

    __slots__ = ("controller", "default", "field", "file", "instead", "optional", "value")

    def __init__(
        self, controller: str, file: str, value: str, default: str = "", *,
        optional: bool = False, field: str = "", instead: Setting | None = None,
    ) -> None:  # fmt: skip
        self.controller = controller
        self.file = file
        self.value = value
        self.default = default
        self.optional = optional
        self.field = field
        self.instead = instead


class Hierarchy:
    """The groups below ``<mount><parent>``; ``group`` is a path relative to that. v1.py and v2.py say how limits look.

    ``controllers`` are those that this hierarchy shall serve, of cpu, memory, pids, devices and freezer.
    """

    version = 0
    oom_file = ""
    memory_file = ""
    memory_limit_file = ""
    gifts = False
    freezer_file = ""

    def __init__(self, mount: str, parent: str, controllers: frozenset[str], files: Cgroupfs) -> None:
        self.mount = mount
        self.root = mount.rstrip("/") + parent
        self.controllers = controllers
        self.files = files

    # What a version says.

    def settings(self, limits: Limits) -> list[Setting]:
        """Return the files and values that mean these limits, for our controllers."""
        raise NotImplementedError

    def enable(self, directory: str) -> None:
        """Make our controllers available to the groups in ``directory``."""

    def confine_devices(
        self, directory: str, *, fresh: bool, rules: Sequence[DeviceRule] | None = None, replace: bool = False
    ) -> None:
        """Leave a group the devices that the rules allow, by default the default devices only."""
        raise NotImplementedError

    def devices_confined(self, directory: str) -> bool:
        """Tell whether confine_devices was done."""
        raise NotImplementedError

    def made(self, directory: str) -> None:
        """Do what a new group needs before it can be used."""

    def freeze(self, directory: str, *, frozen: bool) -> None:
        """Stop or resume the processes of one group, if this hierarchy can."""

    def kill(self, group: str) -> None:
        """Send SIGKILL to every process in a group and below it. Thaws: a frozen process of v1 would not die."""
        directories = self.subtree(group)
        try:
            for directory in reversed(directories):  # so that none forks away
                self.freeze(directory, frozen=True)
            for pid in self.pids(group):
                self.files.kill(pid)
        finally:
            for directory in directories:
                self.freeze(directory, frozen=False)

    @property
    def can_freeze(self) -> bool:
        """Tell whether this is a hierarchy that can stop processes."""
        raise NotImplementedError

    def frozen(self, directory: str) -> bool:
        """Tell whether the processes of one group are stopped."""
        raise NotImplementedError

    def serves(self, controller: str) -> bool:
        """Tell whether a setting of this controller is ours."""
        return controller in self.controllers

    def require(self, controllers: AbstractSet[str]) -> None:
        """Hear which controllers the settings of a container need."""

    # What is the same in both.

    def directory(self, group: str) -> str:
        """Return the path of a group."""
        return f"{self.root}/{group}"

    def make(self, group: str, limits: Limits) -> str:
        """Make a group (its parents too) with its limits and return its path. Raises HostError."""
        directory = self.directory(group)
        fresh = self.make_directories(directory)
        self.apply(group, limits, fresh=fresh)
        return directory

    def apply(self, group: str, limits: Limits, *, fresh: bool = False) -> None:
        """Give a group its limits; a fresh one has the defaults already."""
        directory = self.directory(group)
        self.put(directory, self.settings(limits), fresh=fresh)
        if limits.container and not limits.all_devices and "devices" in self.controllers:
            self.confine_devices(directory, fresh=fresh)

    def put(
        self, directory: str, settings: list[Setting], *, fresh: bool,
        lack: Callable[[str, str], None] | None = None,
    ) -> None:  # fmt: skip
        """Write settings into a group; those of cpu.* in an order that the kernel takes.

        ``lack`` is told the sentence and the field of a setting that this kernel has no file for.
        """
        later = []
        for setting in self._order(directory, settings, fresh=fresh):
            if fresh and setting.value == setting.default:
                continue
            try:
                self._write(directory, setting)
            except OSError as error:
                if error.errno == errno.EINVAL and setting.file.startswith("cpu."):
                    later.append(setting)  # a quota fits the old period, or the new one: one of two orders is right
                elif error.errno == errno.ENOENT and lack and self.files.exists(directory):
                    lack(f"{setting.field} cannot be enforced: this kernel has no {setting.file}", setting.field)
                else:
                    raise _refused(directory, setting, error) from error
        for setting in later:
            try:
                self._write(directory, setting)
            except OSError as error:
                raise _refused(directory, setting, error) from error

    def drift(self, group: str, limits: Limits) -> list[str]:
        """Return a sentence for each limit that the kernel does not hold (any more)."""
        directory = self.directory(group)
        if not self.files.exists(directory):
            return [f"cgroup {directory} is missing"]
        found = []
        for setting in self.settings(limits):
            try:
                actual = self.files.read(f"{directory}/{setting.file}")
            except FileNotFoundError:
                if not setting.optional:
                    found.append(f"{setting.file} of {directory} is missing")
                continue
            if not self.same(actual, setting.value):
                found.append(f"{setting.file} of {directory} is {actual}, not {setting.value}")
        if (
            limits.container
            and not limits.all_devices
            and "devices" in self.controllers
            and not self.devices_confined(directory)
        ):
            found.append(f"{directory} is not confined to its devices")
        return found

    def same(self, actual: str, wanted: str) -> bool:
        """Compare a value read with one written: the kernel rounds bytes down to pages."""
        if actual.isdigit() and wanted.isdigit():
            page = os.sysconf("SC_PAGE_SIZE")
            return int(actual) == int(wanted) or int(actual) == int(wanted) // page * page
        return actual == wanted

    def oom_events(self, group: str) -> dict[str, str] | None:
        """Return where the kernel counts the OOM kills in a group: None without the memory controller."""
        if "memory" not in self.controllers:
            return None
        return {"file": f"{self.directory(group)}/{self.oom_file}", "key": "oom_kill"}

    def memory_limit(self, group: str) -> int:
        """Return the bytes that a group may have now; UNLIMITED also where nobody counts them, or it is not there."""
        text = self._memory(group, self.memory_limit_file)
        return min(int(text), UNLIMITED) if text.isdigit() else UNLIMITED

    def memory_in_use(self, group: str) -> int:
        """Return the bytes that a group has, without those of files that the kernel takes back first."""
        text = self._memory(group, self.memory_file)
        if not text.isdigit():
            return 0
        lines = [line.split() for line in self._memory(group, "memory.stat").splitlines()]
        idle = [int(line[1]) for line in lines if line[0] in ("total_inactive_file", "inactive_file")]
        return max(0, int(text) - max(idle, default=0))  # v1 has both, and the total is larger

    def _memory(self, group: str, file: str) -> str:
        if "memory" not in self.controllers:
            return ""
        try:
            return self.files.read(f"{self.directory(group)}/{file}")
        except OSError as error:
            if error.errno not in GONE:
                raise HostError(f"cannot read {self.directory(group)}/{file}: {error.strerror}") from error
            return ""

    def subtree(self, group: str) -> list[str]:
        """Return the directories of a group and of all below it, deepest first; also those that a container made."""
        pending, found = [self.directory(group)], []
        while pending:
            directory = pending.pop()
            found.append(directory)
            pending += [f"{directory}/{name}" for name in self.files.children(directory)]
        return found[::-1]

    def pids(self, group: str, *, recursive: bool = True) -> set[int]:
        """Return the processes in a group and below it; none when it is not there."""
        found: set[int] = set()
        for directory in self.subtree(group) if recursive else [self.directory(group)]:
            try:
                found.update(map(int, self.files.read(f"{directory}/cgroup.procs").split()))
            except OSError as error:
                if error.errno not in GONE:  # it was removed meanwhile
                    raise HostError(f"cannot list the processes of {directory}: {error.strerror}") from error
        return found

    def remove(self, group: str, deadline: float) -> None:
        """Remove a group and all below it; a group stays busy for a moment after its last process died."""
        pause = 0.001
        while True:
            busy = ""
            for directory in self.subtree(group):
                try:
                    self.files.remove(directory)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                        raise HostError(f"cannot remove cgroup {directory}: {error.strerror}") from error
                    busy = directory
            if not busy:
                return
            if time.monotonic() > deadline:
                raise HostError(
                    f"cannot remove cgroup {busy}: it is busy, processes {sorted(self.pids(group))} live in it"
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def remove_root(self) -> None:
        """Remove the parent of all pods if it is empty."""
        try:
            self.files.remove(self.root)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY, errno.ENOENT):
                raise HostError(f"cannot remove cgroup {self.root}: {error.strerror}") from error

    def make_directories(self, directory: str) -> bool:
        """Make a group and those above it; tell whether it is new."""
        names = directory[len(self.mount) :].strip("/").split("/")
        for _ in range(_RACES):
            path, fresh = self.mount.rstrip("/"), False
            try:
                for name in names:
                    self.enable(path)
                    path += "/" + name
                    fresh = self.files.make(path)
                    if fresh:
                        self.made(path)
            except OSError as error:
                if error.errno in GONE:
                    continue
                raise HostError(f"cannot make cgroup {path}: {error.strerror}") from error
            return fresh
        raise HostError(f"cannot make cgroup {directory}: its parent vanishes each time")

    def _order(self, directory: str, settings: list[Setting], *, fresh: bool) -> list[Setting]:
        del directory, fresh
        return settings

    def _write(self, directory: str, setting: Setting) -> None:
        path = f"{directory}/{setting.file}"
        if setting.optional and not self.files.exists(path):
            return
        try:
            self.files.write(path, setting.value)
        except FileNotFoundError:
            if setting.instead is None:
                raise
            self._write(directory, setting.instead)


def _refused(directory: str, setting: Setting, error: OSError) -> HostError:
    reason = "the processes in it use more" if error.errno == errno.EBUSY else error.strerror
    message = f"cannot set {setting.file} of {directory} to {setting.value}: {reason}"
    return HostError(f"{setting.field}: {message}" if setting.field else message, field=setting.field or None)
