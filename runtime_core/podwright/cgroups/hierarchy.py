# SPDX-License-Identifier: Apache-2.0
"""Find the host's cgroup hierarchies: all controllers in v2, each in a v1 of its own, or some here and some there."""

from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.cgroups.manager import CgroupManager
from podwright.cgroups.mounts import Mount, mounted, offered
from podwright.cgroups.tree import Hierarchy
from podwright.errors import ConfigError, HostError

CONTROLLERS = frozenset({"cpu", "memory", "pids", "devices", "hugetlb"})


def detect(
    parent: str = "/podwright",
    *,
    missing: str = "error",
    mountinfo: str = "/proc/self/mountinfo",
    files: Cgroupfs | None = None,
) -> CgroupManager:
    """Return the manager for what is mounted here (proc(5), mountinfo).

    ``parent`` and ``missing`` are ``config.cgroups_parent`` and ``config.cgroups_missing``. Raises ConfigError for a
    parent that is not a plain absolute path, HostError when no cgroup file system is mounted.
    """
    _check_parent(parent)
    mounts = mounted(mountinfo)
    if not mounts:
        raise HostError("no cgroup file system is mounted on this host (mount -t cgroup2 none /sys/fs/cgroup)")
    return CgroupManager(_hierarchies(mounts, parent, files or Cgroupfs()), parent, missing=missing)


def _hierarchies(mounts: list[Mount], parent: str, files: Cgroupfs) -> list[Hierarchy]:
    from podwright.cgroups.v1 import V1Hierarchy
    from podwright.cgroups.v2 import V2Hierarchy

    unified = next((mount for mount in mounts if mount.version == 2), None)
    wanted = CONTROLLERS if unified else CONTROLLERS | {"freezer"}  # v2 kills a whole group without freezing it
    v1: list[Hierarchy] = [
        V1Hierarchy(mount.path, parent, mount.controllers & wanted, files)
        for mount in mounts
        if mount.controllers & wanted
    ]
    if unified is None:
        return v1
    taken = frozenset[str]().union(*(hierarchy.controllers for hierarchy in v1))
    v2 = V2Hierarchy(unified.path, parent, (offered(unified, files) & CONTROLLERS) - taken, files)
    v2.require(v2.controllers - {"hugetlb"})  # the one that most pods do well without
    return [v2, *v1]


def _check_parent(parent: str) -> None:
    parts = parent.split("/")[1:]
    plain = all(part not in ("", ".", "..") and part.isprintable() and " " not in part for part in parts)
    if not parent.startswith("/") or not parts or not plain:
        raise ConfigError(
            f"cgroups.parent is {parent!r}, but must be an absolute path of plain names, as /podwright",
            field="cgroups.parent",
            value=parent,
        )
