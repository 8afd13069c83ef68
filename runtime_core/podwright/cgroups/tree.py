# SPDX-License-Identifier: Apache-2.0
"""One cgroup hierarchy and our groups in it: what v1 and v2 have in common."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.cgroups.limits import Limits
from podwright.errors import HostError

GONE = (errno.ENOENT, errno.ENODEV)
"""What using a group says that was removed: before, or after its file was opened."""
_RACES = 20  # another process may remove the empty parent just before we make a group in it


class Setting(NamedTuple):
    """One file of a group and what to write into it."""

    controller: str
    file: str
    value: str
    default: str
    """What a new group has."""
    optional: bool = False
    """The file is not there on every kernel (swap accounting is a boot option)."""


class Hierarchy:
    """The groups below ``<mount><parent>``; ``group`` is a path relative to that. v1.py and v2.py say how limits look.

    ``controllers`` are those that this hierarchy shall serve, of cpu, memory, pids, devices and freezer.
    """

    oom_file = ""

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

    def confine_devices(self, directory: str, *, fresh: bool) -> None:
        """Leave a group the default devices only."""
        raise NotImplementedError

    def devices_confined(self, directory: str) -> bool:
        """Tell whether confine_devices was done."""
        raise NotImplementedError

    def freeze(self, directory: str, *, frozen: bool) -> None:
        """Stop or resume the processes of one group, if this hierarchy can."""

    def kill(self, group: str) -> None:
        """Send SIGKILL to every process in a group and below it. Thaws: a frozen process of v1 would not die."""
        with self._frozen(group):
            for pid in self.pids(group):
                self.files.kill(pid)

    # What is the same in both.

    def directory(self, group: str) -> str:
        """Return the path of a group."""
        return f"{self.root}/{group}"

    def make(self, group: str, limits: Limits) -> str:
        """Make a group (its parents too) with its limits and return its path. Raises HostError."""
        directory = self.directory(group)
        fresh = self._make_directories(directory)
        self.apply(group, limits, fresh=fresh)
        return directory

    def apply(self, group: str, limits: Limits, *, fresh: bool = False) -> None:
        """Give a group its limits; a fresh one has the defaults already."""
        directory = self.directory(group)
        for setting in self._order(directory, self.settings(limits), fresh=fresh):
            if fresh and setting.value == setting.default:
                continue
            if setting.optional and not self.files.exists(f"{directory}/{setting.file}"):
                continue
            self._set(directory, setting)
        if limits.container and not limits.all_devices and "devices" in self.controllers:
            self.confine_devices(directory, fresh=fresh)

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

    def subtree(self, group: str) -> list[str]:
        """Return the directories of a group and of all below it, deepest first; also those that a container made."""
        pending, found = [self.directory(group)], []
        while pending:
            directory = pending.pop()
            found.append(directory)
            pending += [f"{directory}/{name}" for name in self.files.children(directory)]
        return found[::-1]

    def pids(self, group: str) -> set[int]:
        """Return the processes in a group and below it; none when it is not there."""
        found: set[int] = set()
        for directory in self.subtree(group):
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

    def _make_directories(self, directory: str) -> bool:
        names = directory[len(self.mount) :].strip("/").split("/")
        for _ in range(_RACES):
            path, fresh = self.mount.rstrip("/"), False
            try:
                for name in names:
                    self.enable(path)
                    path += "/" + name
                    fresh = self.files.make(path)
            except OSError as error:
                if error.errno in GONE:
                    continue
                raise HostError(f"cannot make cgroup {path}: {error.strerror}") from error
            return fresh
        raise HostError(f"cannot make cgroup {directory}: its parent vanishes each time")

    def _order(self, directory: str, settings: list[Setting], *, fresh: bool) -> list[Setting]:
        del directory, fresh
        return settings

    def _set(self, directory: str, setting: Setting) -> None:
        try:
            self.files.write(f"{directory}/{setting.file}", setting.value)
        except OSError as error:
            reason = "the processes in it use more" if error.errno == errno.EBUSY else error.strerror
            raise HostError(f"cannot set {setting.file} of {directory} to {setting.value}: {reason}") from error

    @contextmanager
    def _frozen(self, group: str) -> Iterator[None]:
        """Hold the processes of a group still, so that none forks away; always ends thawed."""
        directories = self.subtree(group)
        try:
            for directory in reversed(directories):
                self.freeze(directory, frozen=True)
            yield
        finally:
            for directory in directories:
                self.freeze(directory, frozen=False)
