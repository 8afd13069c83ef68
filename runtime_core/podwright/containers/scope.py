# SPDX-License-Identifier: Apache-2.0
"""A container's groups in a transient scope of the systemd that owns this host's cgroups.

::

    system.slice/podwright-1.scope      systemd's: made for the placeholder, gone when nothing lives in it
    ├── placeholder                     a process of ours that waits, until the container's own is there
    └── container                       ours, by delegation (CGROUP_DELEGATION.md): all limits, never touched by systemd

Only what the kernel compares between neighbours is told to systemd, as properties of the scope: its neighbours are
the other units, while ``container`` has none.
"""

from __future__ import annotations

import os
import time

from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.cgroups.container import ContainerCgroup
from podwright.cgroups.mounts import mounted, offered
from podwright.cgroups.place import FIELD, own_groups, shown, unit_of
from podwright.cgroups.v2 import V2Hierarchy
from podwright.containers import process, systemd
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from podwright.cgroups.mounts import Mount

_WITHOUT = "use the cgroupfs driver, without --systemd-cgroup"
_INFINITY = str((1 << 64) - 1)
_SHARED = {"cpu.weight": "CPUWeight", "memory.low": "MemoryLow", "memory.min": "MemoryMin"}
_JOIN_TIMEOUT = 30.0
_LEAVE_TIMEOUT = 10.0
_PATIENCE = 2.0  # seconds that an empty scope has to end by itself
_SIGNALS = tuple(number for number in range(1, 32) if number not in (9, 19))


class Scope:
    """A scope with a placeholder in it, from the start of this object to ``release``."""

    __slots__ = ("_group", "_hierarchy", "_holder", "unit")

    def __init__(
        self, path: str | None, container_id: str, resources: Mapping[str, Any], *, podinit: str,
        files: Cgroupfs | None = None, mountinfo: str = "/proc/self/mountinfo", proc: str = "/proc",
    ) -> None:  # fmt: skip
        """Make the scope that ``linux.cgroupsPath`` names. Raises HostError, with nothing left behind, when it cannot.

        Raises ManifestError for a path or resources of a wrong form.
        """
        parent, self.unit = unit_of(path, container_id)
        files = files or Cgroupfs()
        mount = _unified(path, self.unit, mountinfo)
        shares = shared(resources)
        self._hierarchy = V2Hierarchy(mount.path, "", offered(mount, files), files)
        self._holder = Holder(podinit, _JOIN_TIMEOUT)
        started = False
        try:
            systemd.start_scope(self.unit, _properties(parent, container_id, self._holder.pid) | shares)
            started = True
            self._group = shown(mount, self._joined(proc)).strip("/")
            place = f"{self._hierarchy.directory(self._group)}/placeholder"
            files.make(place)
            # a group that holds processes cannot give controllers to the groups in it
            files.write(f"{place}/cgroup.procs", str(self._holder.pid))
        except BaseException:
            self._holder.end()
            if started:
                systemd.stop(self.unit)
            raise

    def group(self, missing: str) -> ContainerCgroup:
        """Return the container's groups in the scope, not made yet."""
        return ScopeCgroup([(self._hierarchy, f"{self._group}/container")], missing=missing)

    def release(self) -> None:
        """End the placeholder. The scope then ends with the last process of the container."""
        self._holder.end()
        self._hierarchy.remove(f"{self._group}/placeholder", time.monotonic() + _LEAVE_TIMEOUT)

    def _joined(self, proc: str) -> str:
        """Wait until systemd has put the placeholder into the scope; return the scope's group."""
        deadline, pause = time.monotonic() + _JOIN_TIMEOUT, 0.001
        while True:
            own = own_groups(f"{proc}/{self._holder.pid}/cgroup").get("", "")
            if own.endswith(f"/{self.unit}"):
                return own
            if self._holder.ended() or time.monotonic() > deadline:
                raise HostError(
                    f"{FIELD}: systemd took the order for scope {self.unit}, but did not put a process into it;"
                    f" see journalctl -u {self.unit}",
                    field=FIELD,
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.05)


class Holder:
    """A process that does nothing. It ends with this one, however that ends: it waits on a pipe.

    Then it stays for another ``linger`` seconds at most, until systemd has carried out an order that it may have.
    """

    __slots__ = ("_gate", "_handle", "pid")

    def __init__(self, podinit: str, linger: float) -> None:
        theirs, self._gate = os.pipe2(os.O_CLOEXEC)
        try:
            self.pid = os.posix_spawn(
                podinit,
                [podinit, "hold", str(int(linger))],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setpgroup=0,  # the terminal's signals are for us: we undo what they interrupt
                setsigmask=(),
                setsigdef=_SIGNALS,
            )
            self._handle: process.Handle | None = process.Handle(os.pidfd_open(self.pid))
        except OSError as error:
            os.close(self._gate)
            raise HostError(f"cannot run {podinit}: {error.strerror}") from error
        finally:
            os.close(theirs)

    def ended(self) -> bool:
        """Tell whether it has ended before it should."""
        return self._handle is None or self._handle.ended(0)

    def end(self) -> None:
        """End and reap it; a second time is no error."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        os.close(self._gate)
        with handle:
            handle.signal(process.SIGKILL)  # a child that another thread forked may hold the pipe open
            handle.exit_code()


class ScopeCgroup(ContainerCgroup):
    """Groups in a scope: what concerns the scope's neighbours goes to systemd, and the scope ends with them."""

    @property
    def unit(self) -> str:
        """The scope's name, which its group has too."""
        return self._scope().rpartition("/")[2]

    def update(self, resources: Mapping[str, Any]) -> None:
        """Change the limits, and what systemd holds of them."""
        super().update(resources)
        shares = shared(resources)
        if shares:
            systemd.set_properties(self.unit, shares)

    def remove(self, *, timeout: float = _LEAVE_TIMEOUT) -> None:
        """Remove the groups and wait for the end of the scope, so that its name is free again."""
        super().remove(timeout=timeout)
        self._end_scope(timeout)

    def destroy(self, *, timeout: float = _LEAVE_TIMEOUT) -> None:
        """Kill what is left in the groups, and remove them with the scope."""
        super().destroy(timeout=timeout)
        self._end_scope(timeout)

    def _end_scope(self, timeout: float) -> None:
        if self._scope_ends(_PATIENCE):
            return
        systemd.stop(self.unit)  # something else was put into it, or systemd missed the end
        if not self._scope_ends(timeout):
            raise HostError(f"{self.unit} did not end within {timeout:g} s; see systemctl status {self.unit}")

    def _scope_ends(self, timeout: float) -> bool:
        deadline, pause = time.monotonic() + timeout, 0.001
        while self._groups[0][0].files.exists(self._scope()):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        return True

    def _scope(self) -> str:
        hierarchy, group = self._groups[0]
        return hierarchy.directory(group).rpartition("/")[0]


def shared(resources: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return what the kernel compares between neighbours, as properties of the scope."""
    if not resources:
        return {}
    from podwright.cgroups.resources import check
    from podwright.cgroups.resources_v2 import v2_settings

    check(resources)
    found: dict[str, tuple[str, ...]] = {}
    devices: dict[str, str] = {}
    for wanted in v2_settings(resources):
        setting = wanted.instead or wanted  # systemd derives io.bfq.weight
        value = _INFINITY if setting.value == "max" else setting.value
        if setting.file in _SHARED and value.isascii() and value.isdigit():
            found[_SHARED[setting.file]] = ("t", value)
        elif setting.file == "cpu.idle" and value == "1":
            found["CPUWeight"] = ("t", "0")
        elif setting.file == "io.weight":
            key, _, weight = value.rpartition(" ")
            if key in ("", "default"):
                found["IOWeight"] = ("t", weight)
            else:
                devices[f"/dev/block/{key}"] = weight
    if devices:
        pairs = [word for pair in devices.items() for word in pair]
        found["IODeviceWeight"] = ("a(st)", str(len(devices)), *pairs)
    return found


def _properties(parent: str, container_id: str, pid: int) -> dict[str, tuple[str, ...]]:
    return {
        "Description": ("s", f"container {container_id}"),
        "Slice": ("s", parent),
        "Delegate": ("b", "true"),
        "PIDs": ("au", "1", str(pid)),
        "CollectMode": ("s", "inactive-or-failed"),
        "DefaultDependencies": ("b", "false"),
        # the container's own limit holds, also one above what systemd gives every unit
        "TasksMax": ("t", _INFINITY),
    }


def _unified(path: str | None, unit: str, mountinfo: str) -> Mount:
    """Return the hierarchy of v2; HostError where a scope cannot be what the configuration asks for."""
    mounts = mounted(mountinfo)
    found = next((mount for mount in mounts if mount.version == 2), None)
    if found is None or any("name=systemd" in mount.controllers for mount in mounts):
        reason = "systemd uses cgroup v1 on this host, where it delegates no limits"
    elif os.geteuid() != 0:
        reason = "only root may ask for one"
    elif unit.endswith(".slice"):
        raise HostError(f"{FIELD} {path!r} names a slice, but systemd puts processes into scopes only", field=FIELD)
    else:
        return found
    raise HostError(f"{FIELD} {path!r} asks for a scope of systemd, but {reason}: {_WITHOUT}", field=FIELD)
