# SPDX-License-Identifier: Apache-2.0
"""The groups of pods, in all hierarchies at once.

::

    <mount><parent>                      config.cgroups_parent; gone with the last pod
     └── pod<uid>                        the pod's sums, and its limit of processes
          ├── sandbox                    supervisor and pause, without limits
          └── container-<name>           one container: its limits, its devices

A container's group has a prefix because ``sandbox``, and ``tasks`` (a file in each group of v1), are names that a
container may have.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from podwright.cgroups.limits import Limits
from podwright.cgroups.tree import UNLIMITED, Hierarchy
from podwright.cgroups.units import MIN_SHARES
from podwright.errors import HostError

SANDBOX = ""
"""The key of the sandbox's directories in what ``create`` returns (no container has this name)."""
_POD = "/"


class CgroupManager:
    """One of these per process; it keeps no state but what it found on the host.

    ``missing`` is ``config.cgroups_missing``: under ``warn`` a limit that the host cannot enforce is skipped, and
    ``check`` says so.
    """

    def __init__(self, hierarchies: Sequence[Hierarchy], parent: str, *, missing: str = "error") -> None:
        self.hierarchies = hierarchies
        self.parent = parent
        self.controllers = frozenset[str]().union(*(hierarchy.controllers for hierarchy in hierarchies))
        self._strict = missing != "warn"

    def check(self, pod: Limits, containers: Mapping[str, Limits]) -> list[str]:
        """Return a warning for each limit that this host cannot enforce; touches nothing.

        Raises HostError for the first of them, naming the field of the Pod, unless missing limits are only warned of.
        """
        lacking = [
            (f"spec.containers[{name}].resources.{key}", value, controller)
            for name, limits in containers.items()
            for key, value, controller in (
                ("limits.cpu", limits.cpu_quota_us, "cpu"),
                ("requests.cpu", limits.cpu_shares if (limits.cpu_shares or 0) > MIN_SHARES else None, "cpu"),
                ("limits.memory", limits.memory_max, "memory"),
                ("limits.hugepages", any(most for _, most in limits.huge_pages) or None, "hugetlb"),
            )
        ]
        lacking.append(("pods.pids_limit of the configuration", pod.pids_max, "pids"))
        lacking += [(f"the devices of container {name}", limits.container or None, "devices")
                    for name, limits in containers.items() if not limits.all_devices]  # fmt: skip
        warnings = []
        for what, value, controller in lacking:
            if value is None or controller in self.controllers:
                continue
            message = f"{what} cannot be enforced: this host has no cgroup controller {controller}"
            if self._strict:
                field = what if what.startswith("spec.") else None
                raise HostError(f'{message} (cgroups.missing = "warn" in podwright.toml goes on without)', field=field)
            warnings.append(message)
        return warnings

    def create(self, uid: str, pod: Limits, containers: Mapping[str, Limits]) -> dict[str, list[str]]:
        """Make all groups of a pod with their limits; return for each container (and SANDBOX) its directories.

        Groups that are there already get the limits. On failure the pod's groups that hold no process are removed.
        """
        self.check(pod, containers)
        limits = {SANDBOX: Limits(), **containers}
        made: dict[str, list[str]] = {name: [] for name in limits}
        try:
            for hierarchy in self.hierarchies:
                hierarchy.make(_group(uid), pod)
                for name in limits:
                    made[name].append(hierarchy.make(_group(uid, name), limits[name]))
        except HostError as error:
            try:
                self.remove(uid, timeout=0)
            except HostError as undo:
                raise HostError(f"{error}; undoing it failed too: {undo}") from error
            raise
        return made

    def check_memory(
        self,
        uid: str,
        pod: Limits,
        containers: Mapping[str, Limits],
        fields: Mapping[str, str],
        stopped: Collection[str],
    ) -> None:
        """Refuse memory limits of a running pod that are lower than before and than what is in use; touches nothing.

        What the kernel can take back without harm (files that were read long ago) is not in use. ``fields`` names the
        field behind each limit, ``stopped`` the containers that do not run while their limits change. Raises HostError.
        """
        for hierarchy in self.hierarchies:
            for name, limits in {**containers, _POD: pod}.items():
                group = _group(uid, None if name == _POD else name)
                used = hierarchy.memory_in_use(group)
                if name == _POD:
                    used -= sum(hierarchy.memory_in_use(_group(uid, other)) for other in stopped)
                if name in stopped or limits.memory_max is None:
                    continue
                if limits.memory_max < min(hierarchy.memory_limit(group), used):
                    field = fields.get(name, "spec.resources.limits.memory")
                    reason = (
                        f"cannot be lowered to {limits.memory_max} bytes while {used} are in use; the old limit stays"
                    )
                    raise HostError(f"{field} {reason}", field=field, value=str(limits.memory_max))

    def update(self, uid: str, pod: Limits, containers: Mapping[str, Limits]) -> None:
        """Give the groups of a running pod new limits, without a restart.

        A memory limit below what is in use is refused by v1, and makes v2 reclaim and at last kill: ``check_memory``
        says so before.
        """
        self.check(pod, containers)
        with self.resizing(uid, pod):
            self.apply(uid, containers)

    @contextmanager
    def resizing(self, uid: str, pod: Limits) -> Iterator[None]:
        """Let the pod's group have its old and its new limits while its containers change, and then the new ones.

        No group of a container may have more than that: v1 refuses a larger quota, and more memory would be a lie.
        """
        for hierarchy in self.hierarchies:
            most = max(pod.memory_max or UNLIMITED, hierarchy.memory_limit(_group(uid)))
            memory = None if most == UNLIMITED else most
            hierarchy.apply(_group(uid), pod._replace(cpu_quota_us=None, memory_max=memory))
        yield
        for hierarchy in self.hierarchies:
            hierarchy.apply(_group(uid), pod)

    def apply(self, uid: str, containers: Mapping[str, Limits]) -> None:
        """Give the groups of some containers their limits."""
        for hierarchy in self.hierarchies:
            for name, limits in containers.items():
                hierarchy.apply(_group(uid, name), limits)

    def differ(self, uid: str, containers: Mapping[str, Limits]) -> list[str]:
        """Return the containers whose groups have other limits."""
        return [
            name
            for name, limits in containers.items()
            if any(hierarchy.drift(_group(uid, name), limits) for hierarchy in self.hierarchies)
        ]

    def drift(self, uid: str, pod: Limits, containers: Mapping[str, Limits]) -> list[str]:
        """Return a sentence for each limit that the kernel does not hold (any more); empty is well."""
        groups = {_group(uid): pod, **{_group(uid, name): limits for name, limits in containers.items()}}
        return [
            sentence
            for hierarchy in self.hierarchies
            for group, limits in groups.items()
            for sentence in hierarchy.drift(group, limits)
        ]

    def path(self, uid: str, container: str) -> str:
        """Return a container's group as OCI's ``linux.cgroupsPath`` has it: absolute in each hierarchy."""
        return f"{self.parent}/{_group(uid, container)}"

    def directories(self, uid: str, container: str) -> list[str]:
        """Return the directories of a container (or SANDBOX), one per hierarchy, as ``create`` did."""
        return [hierarchy.directory(_group(uid, container)) for hierarchy in self.hierarchies]

    def oom_events(self, uid: str, container: str) -> dict[str, str] | None:
        """Return the ``file`` and ``key`` that count a container's OOM kills; None without a memory controller."""
        found = (hierarchy.oom_events(_group(uid, container)) for hierarchy in self.hierarchies)
        return next((events for events in found if events), None)

    def pods(self) -> list[str]:
        """Return the uids of all pods that have a group in some hierarchy."""
        names = {name for hierarchy in self.hierarchies for name in hierarchy.files.children(hierarchy.root)}
        return sorted(name.removeprefix("pod") for name in names if name.startswith("pod"))

    def pids(self, uid: str, container: str | None = None) -> list[int]:
        """Return the processes of a pod, or of one container (or SANDBOX) of it."""
        group = _group(uid, container)
        return sorted(set[int]().union(*(hierarchy.pids(group) for hierarchy in self.hierarchies)))

    def kill(self, uid: str, container: str | None = None, *, timeout: float = 10) -> None:
        """Kill every process of a pod or of one container, and wait until they are gone.

        Raises HostError when some are still there after ``timeout`` seconds (waiting for a disk that does not answer).
        """
        deadline = time.monotonic() + timeout
        pause = 0.001
        while pids := self.pids(uid, container):
            if time.monotonic() > deadline:
                raise HostError(f"processes {pids} of pod {uid} did not die within {timeout:g} s of SIGKILL")
            for hierarchy in self.hierarchies:
                hierarchy.kill(_group(uid, container))
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def remove(self, uid: str, *, timeout: float = 10) -> None:
        """Remove all groups of a pod, which must hold no process (any more), and the parent if it was the last."""
        deadline = time.monotonic() + timeout
        for hierarchy in self.hierarchies:
            hierarchy.remove(_group(uid), deadline)
            hierarchy.remove_root()


def _group(uid: str, container: str | None = None) -> str:
    """Return a group's relative path. The names were checked with the manifest; here only what could leave the tree."""
    if container is None:
        return f"pod{_name(uid)}"
    return f"pod{_name(uid)}/{'sandbox' if container == SANDBOX else 'container-' + _name(container)}"


def _name(text: str) -> str:
    if not text or "/" in text or "\0" in text or "\n" in text:
        raise HostError(f"{text!r} cannot be part of a cgroup's name", value=text)
    return text
