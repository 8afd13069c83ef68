# SPDX-License-Identifier: Apache-2.0
"""The groups of one container at the place that its configuration names: one in each hierarchy of the host.

::

    group = ContainerCgroup.open(linux.get("cgroupsPath"), container_id)
    group.create(linux.get("resources"))      the limits hold before a process enters
    …podinit enters group.directories…
    state["cgroups"] = group.record()         later commands need no search: ContainerCgroup.restored(record)
    group.kill()
    group.remove()

The pods' groups are manager.py's; both use the hierarchies of v1.py and v2.py.
"""

from __future__ import annotations

import errno
import time

from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from podwright.cgroups.mounts import Mount
    from podwright.cgroups.tree import Hierarchy, Setting

_BUSY = (errno.EBUSY, errno.ENOTEMPTY)
_PLACE = "linux.cgroupsPath"
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class ContainerCgroup:
    """One container's groups. ``warnings`` are the sentences about what was left out, after ``create``, ``update``.

    ``missing`` is ``config.cgroups_missing``: under ``warn`` a limit that the host cannot enforce is left out.
    """

    def __init__(self, groups: Sequence[tuple[Hierarchy, str]], *, missing: str = "error") -> None:
        self._groups = list(groups)
        self._strict = missing != "warn"
        self.warnings: list[str] = []

    @classmethod
    def open(
        cls, path: str | None, container_id: str, *, systemd: bool = False, missing: str = "error",
        files: Cgroupfs | None = None, mountinfo: str = "/proc/self/mountinfo", own: str = "/proc/self/cgroup",
    ) -> ContainerCgroup:  # fmt: skip
        """Find the place; make nothing.

        ``path`` is ``linux.cgroupsPath`` or None; ``systemd`` is --systemd-cgroup where no systemd runs: its paths look
        otherwise. A host without any cgroup mount gives a container without groups. Raises ManifestError for a path
        that leads elsewhere.
        """
        from podwright.cgroups.mounts import mounted  # the commands that find a record go without
        from podwright.cgroups.place import Place

        place = Place(path, container_id, systemd=systemd)
        mounts = mounted(mountinfo)
        files = files or Cgroupfs()
        groups = [(hierarchy, place.group(mount, own)) for mount, hierarchy in _hierarchies(mounts, files)]
        return cls(groups, missing=missing)

    @classmethod
    def restored(
        cls, record: Sequence[Sequence[Any]], *, missing: str = "error", files: Cgroupfs | None = None
    ) -> ContainerCgroup:
        """Return the groups that ``record`` described, in another process."""
        files = files or Cgroupfs()
        return cls(
            [(_hierarchy(version, mount, frozenset(controllers), files), group)
             for version, mount, controllers, group in record],
            missing=missing,
        )  # fmt: skip

    def record(self) -> list[list[Any]]:
        """Return what ``restored`` needs, as JSON has it."""
        return [
            [hierarchy.version, hierarchy.mount, sorted(hierarchy.controllers), group]
            for hierarchy, group in self._groups
        ]

    @property
    def directories(self) -> list[str]:
        """The absolute directories, one per hierarchy, that a process of the container enters."""
        return [hierarchy.directory(group) for hierarchy, group in self._groups]

    def below(self, path: str) -> list[str]:
        """Return the directories for a process of ``exec --cgroup PATH`` (place.py)."""
        from podwright.cgroups.place import below

        return below(self._groups, path)

    def mounts(self) -> list[tuple[str, list[str], str, int]]:
        """Return for each hierarchy: its mount point, controllers (and name=…), the container's directory, version.

        The container's own /sys/fs/cgroup is made of these.
        """
        return [
            (hierarchy.mount, sorted(hierarchy.controllers), hierarchy.directory(group), hierarchy.version)
            for hierarchy, group in self._groups
        ]

    # Making, changing, removing.

    def create(self, resources: Mapping[str, Any] | None = None, *, optional: bool = False) -> list[str]:
        """Make the groups with their limits, and return ``directories``.

        ``optional``: a hierarchy where this user may make no group is left out, if no limit needs it, and so are the
        devices where this user may not restrict them (rootless; a user namespace gives no right to any device).
        Raises ManifestError for resources of a wrong form; HostError, with nothing left behind, for a limit that the
        host cannot enforce, and for a group that is in use already.
        """
        resources = resources or {}
        plan = self._plan(resources)
        made: list[tuple[Hierarchy, str]] = []
        joined = []
        try:
            for (hierarchy, group), settings in zip(self._groups, plan, strict=True):
                if self._make(hierarchy, group, settings, made, optional=optional):
                    joined.append((hierarchy, group))
                    fresh = made[-1:] == joined[-1:]
                    hierarchy.put(hierarchy.directory(group), settings, fresh=fresh, lack=self._lack)
                    self._confine(hierarchy, group, resources, fresh=fresh, optional=optional)
        except BaseException as error:
            self._undo(made, error)
            raise
        self._groups = joined
        return self.directories

    def update(self, resources: Mapping[str, Any]) -> None:
        """Change the limits that are named, in place; the others stay. Raises as ``create``, and may stop half-way."""
        plan = self._plan(resources)
        if (resources.get("memory") or {}).get("checkBeforeUpdate"):
            self._check_usage(resources["memory"].get("limit") or -1)
        for (hierarchy, group), settings in zip(self._groups, plan, strict=True):
            hierarchy.put(hierarchy.directory(group), settings, fresh=False, lack=self._lack)
            if resources.get("devices"):
                self._confine(hierarchy, group, resources, fresh=False)

    def remove(self, *, timeout: float = 10) -> None:
        """Remove the groups, and those that the container made in them. No process may live in them (any more).

        A group that is gone already is no error. Raises HostError for one that stays busy.
        """
        deadline = time.monotonic() + timeout
        for hierarchy, group in self._remove_empty():
            hierarchy.remove(group, deadline)

    def destroy(self, *, timeout: float = 10) -> None:
        """Kill what is left in the groups, if anything is, and remove them."""
        if not self._remove_empty():
            return
        self.kill(timeout=timeout)
        self.remove(timeout=timeout)

    def remove_unused(self) -> None:
        """Remove the groups that nothing is in, and leave the others as they are."""
        self._remove_empty()

    def exists(self) -> bool:
        """Tell whether any of the groups is there."""
        return any(hierarchy.files.exists(hierarchy.directory(group)) for hierarchy, group in self._groups)

    # Its processes.

    def pids(self, *, recursive: bool = True) -> list[int]:
        """Return the processes in the groups, by default also in those that the container made in them."""
        found: set[int] = set()
        for hierarchy, group in self._groups:
            found |= hierarchy.pids(group, recursive=recursive)
        return sorted(found)

    def kill(self, *, timeout: float = 10) -> None:
        """Kill every process, frozen ones too, and wait until they are gone; none of them stays frozen.

        Raises HostError when some are still there after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        pause, first = 0.001, True
        while True:
            if first:
                self._kill_in(self._killers()[:1])
            pids = self.pids()
            if not pids:
                return
            if time.monotonic() > deadline:
                raise HostError(f"processes {pids} of the container did not die within {timeout:g} s of SIGKILL")
            if not first:  # what a process with the right to write to cgroups moved out of the first hierarchy
                self._kill_in(self._groups)
            first = False
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def freeze(self, *, timeout: float = 10) -> None:
        """Stop every process. Raises HostError, with all of them running again, when some cannot be stopped."""
        hierarchy, group = self._freezer()
        directory = hierarchy.directory(group)
        deadline = time.monotonic() + timeout
        pause = 0.001
        try:
            while True:
                # again and again: in v1 a process that forks meanwhile can leave the group on its way for ever
                hierarchy.freeze(directory, frozen=True)
                if hierarchy.frozen(directory):
                    return
                if time.monotonic() > deadline:
                    raise HostError(f"the processes in {directory} could not be frozen within {timeout:g} s")
                time.sleep(pause)
                pause = min(pause * 2, 0.05)
        except BaseException:
            hierarchy.freeze(directory, frozen=False)
            raise

    def thaw(self) -> None:
        """Let every process run on, whichever freezer stopped it."""
        for hierarchy, group in self._freezers():
            hierarchy.freeze(hierarchy.directory(group), frozen=False)

    def frozen(self) -> bool:
        """Tell whether the processes are stopped."""
        return any(hierarchy.frozen(hierarchy.directory(group)) for hierarchy, group in self._freezers())

    # What they used.

    def stats(self) -> dict[str, Any]:
        """Return the data of ``events --stats``, in runc's form."""
        from podwright.cgroups.stats import stats

        return stats(self._groups)

    def oom_events(self) -> dict[str, str] | None:
        """Return the ``file`` and ``key`` that count OOM kills; None without a memory controller."""
        return next((events for events in (h.oom_events(group) for h, group in self._groups) if events), None)

    # The steps of the above.

    def _plan(self, resources: Mapping[str, Any]) -> list[list[Setting]]:
        """Return the settings for each hierarchy, once all of them are known to have one."""
        self.warnings = []
        if not resources:
            return [[] for _ in self._groups]
        from podwright.cgroups.resources import check

        check(resources)
        by_version = self._settings(resources)
        for hierarchy, _ in self._groups:
            hierarchy.require({setting.controller for setting in by_version[hierarchy.version]})
        plan = [
            [setting for setting in by_version[hierarchy.version] if hierarchy.serves(setting.controller)]
            for hierarchy, _ in self._groups
        ]
        served = {setting.field for settings in plan for setting in settings}
        lacking: dict[str, str] = {}
        for setting in (setting for settings in by_version.values() for setting in settings):
            if setting.field not in served:
                lacking.setdefault(setting.field, setting.controller)
        if resources.get("devices") and not any("devices" in h.controllers for h, _ in self._groups):
            lacking["linux.resources.devices"] = "devices"
        for field, controller in lacking.items():
            self._lack(f"{field} cannot be enforced: this host has no cgroup controller {controller}", field)
        if (resources.get("memory") or {}).get("kernel"):
            self.warnings.append("linux.resources.memory.kernel is ignored, as Linux does since 5.16")
        return plan

    def _settings(self, resources: Mapping[str, Any]) -> dict[int, list[Setting]]:
        found: dict[int, list[Setting]] = {1: [], 2: []}
        if not resources.keys() - {"devices"}:  # the usual ones of an engine, and no settings
            return found
        v1 = [hierarchy for hierarchy, _ in self._groups if hierarchy.version == 1]
        v2 = [hierarchy for hierarchy, _ in self._groups if hierarchy.version == 2]
        if v1 or not v2:
            from podwright.cgroups.resources_v1 import v1_settings

            found[1] = v1_settings(resources)
        if v2 and not (v1 and all(any(h.serves(one.controller) for h in v1) for one in found[1])):
            from podwright.cgroups.resources_v2 import v2_settings  # where v1 serves all, v2 has nothing to say

            found[2] = v2_settings(resources)
        return found

    def _lack(self, message: str, field: str) -> None:
        if self._strict:
            raise HostError(f'{message} (cgroups.missing = "warn" in podwright.toml goes on without)', field=field)
        self.warnings.append(message)

    def _remove_empty(self) -> list[tuple[Hierarchy, str]]:
        """Remove the groups, and return those that something is in."""
        busy = []
        for hierarchy, group in self._groups:
            try:
                hierarchy.files.remove(hierarchy.directory(group))
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno not in _BUSY:
                    message = f"cannot remove cgroup {hierarchy.directory(group)}: {error.strerror}"
                    raise HostError(message) from error
                busy.append((hierarchy, group))
        return busy

    def _make(
        self, hierarchy: Hierarchy, group: str, settings: list[Setting], made: list[tuple[Hierarchy, str]], *,
        optional: bool,
    ) -> bool:  # fmt: skip
        """Make one group, or take one that nobody uses; False when the hierarchy is left out."""
        directory = hierarchy.directory(group)
        try:
            fresh = hierarchy.make_directories(directory)
        except HostError as error:
            cause = error.__cause__
            if optional and not settings and isinstance(cause, OSError) and cause.errno in _REFUSED:
                return False
            raise
        if fresh:
            made.append((hierarchy, group))
        elif hierarchy.pids(group):
            raise HostError(f"{_PLACE}: cgroup {directory} is there already and processes live in it", field=_PLACE)
        elif hierarchy.frozen(directory):
            raise HostError(f"{_PLACE}: cgroup {directory} is there already and frozen", field=_PLACE)
        return True

    def _confine(
        self, hierarchy: Hierarchy, group: str, resources: Mapping[str, Any], *, fresh: bool, optional: bool = False
    ) -> None:
        if "devices" not in hierarchy.controllers:
            return
        from podwright.cgroups.devices import container_rules

        rules = container_rules(resources.get("devices") or ())
        try:
            hierarchy.confine_devices(hierarchy.directory(group), fresh=fresh, rules=rules, replace=True)
        except HostError as error:
            if not optional or not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _REFUSED:
                raise
            self.warnings.append(error.message)

    def _undo(self, made: list[tuple[Hierarchy, str]], error: BaseException) -> None:
        for hierarchy, group in reversed(made):
            try:
                hierarchy.files.remove(hierarchy.directory(group))
            except OSError as failed:
                directory = hierarchy.directory(group)
                raise HostError(f"{error}; removing {directory} again failed too: {failed.strerror}") from error

    def _check_usage(self, limit: int) -> None:
        for hierarchy, group in self._groups:
            if "memory" in hierarchy.controllers:
                used = int(hierarchy.files.read(f"{hierarchy.directory(group)}/{hierarchy.memory_file}"))
                if 0 <= limit < used:
                    field = "linux.resources.memory.limit"
                    raise HostError(f"{field} is {limit}, but the container uses {used} bytes now", field=field)

    def _freezers(self) -> list[tuple[Hierarchy, str]]:
        return [(hierarchy, group) for hierarchy, group in self._groups if hierarchy.can_freeze]

    def _freezer(self) -> tuple[Hierarchy, str]:
        for hierarchy, group in self._freezers():
            if hierarchy.files.exists(hierarchy.directory(group) + "/" + hierarchy.freezer_file):
                return hierarchy, group
        raise HostError("the container cannot be paused: it is in no cgroup that this host can freeze")

    def _killers(self) -> list[tuple[Hierarchy, str]]:
        return self._freezers() or self._groups

    def _kill_in(self, groups: Sequence[tuple[Hierarchy, str]]) -> None:
        try:
            for hierarchy, group in groups:
                hierarchy.kill(group)
        finally:
            self.thaw()  # SIGKILL reaches a process that v1 froze only when it is thawed


def _hierarchies(mounts: list[Mount], files: Cgroupfs) -> list[tuple[Mount, Hierarchy]]:
    """Return a hierarchy for each mount, v2 first: it serves what no v1 has."""
    from podwright.cgroups.mounts import offered

    found = []
    taken = {name for mount in mounts for name in mount.controllers}
    for mount in sorted(mounts, key=lambda mount: -mount.version):
        controllers = mount.controllers
        if mount.version == 2:
            controllers = offered(mount, files) - taken
        hierarchy = _hierarchy(mount.version, mount.path, controllers, files)
        hierarchy.gifts = not taken  # what v2 of a hybrid host enables is for those who ask for it
        found.append((mount, hierarchy))
    return found


def _hierarchy(version: int, mount: str, controllers: frozenset[str], files: Cgroupfs) -> Hierarchy:
    if version == 2:
        from podwright.cgroups.v2 import V2Hierarchy

        return V2Hierarchy(mount, "", controllers, files)
    from podwright.cgroups.v1 import V1Hierarchy

    return V1Hierarchy(mount, "", controllers, files)
