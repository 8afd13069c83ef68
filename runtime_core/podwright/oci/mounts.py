# SPDX-License-Identifier: Apache-2.0
"""The file systems that every container of a pod sees, as ``mounts`` of the OCI runtime-spec."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

Mount = dict[str, Any]


class Bind(NamedTuple):
    """A path of the host that a container sees."""

    source: str
    target: str
    options: tuple[str, ...]
    """Of the runtime-spec, beside ``rbind``."""


_CGROUP_ROOT = "/sys/fs/cgroup"


def container_mounts(
    pod_dir: str,
    cgroup_path: str,
    cgroup_dirs: Sequence[str],
    volumes: Sequence[Bind],
    *,
    privileged: bool = False,
) -> list[Mount]:
    """Return all mounts of a container, what holds others before what it holds.

    One of ``volumes`` at the place of a standard mount takes it.
    """
    taken = {volume.target for volume in volumes}
    mounts = [
        mount for mount in standard_mounts(pod_dir, cgroup_path, cgroup_dirs) if mount["destination"] not in taken
    ]
    if privileged:
        mounts = [{**mount, "options": [one for one in mount["options"] if one != "ro"]} for mount in mounts]
    mounts += [_mount(volume.target, "bind", volume.source, "rbind", *volume.options) for volume in volumes]
    if not volumes:
        return mounts  # as listed, they are in order
    return sorted(mounts, key=lambda mount: mount["destination"].count("/"))


def standard_mounts(pod_dir: str, cgroup_path: str, cgroup_dirs: Sequence[str]) -> list[Mount]:
    """Return the mounts in their order; ``pod_dir`` holds what the pod's containers share, see ARCHITECTURE.md.

    ``cgroup_dirs`` are the container's own cgroups, one per hierarchy, all ending in ``cgroup_path``.
    """
    return [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        *_cgroup_mounts(cgroup_path, cgroup_dirs),
        _bind("/dev/shm", f"{pod_dir}/shm"),  # noqa: S108  # a mount target, no temporary file
        # Writable, as in Kubernetes: what a container changes there, its pod's other containers see.
        *(_bind(f"/etc/{name}", f"{pod_dir}/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")),
    ]


def read_only_cgroup_paths(cgroup_path: str, cgroup_dirs: Sequence[str]) -> list[str]:
    """Return what must become read-only once the hierarchies of cgroup v1 are mounted in it."""
    return [] if _targets(cgroup_path, cgroup_dirs).keys() <= {_CGROUP_ROOT} else [_CGROUP_ROOT]


def _cgroup_mounts(cgroup_path: str, cgroup_dirs: Sequence[str]) -> list[Mount]:
    """Show the container its own cgroup where the root of each hierarchy is expected, read-only.

    A bind shows nothing of other pods even where the kernel has no cgroup namespaces, and is the same for v1 and v2.
    Programs that look for their limits (the JVM, Go, Node.js) read them there.
    """
    targets = _targets(cgroup_path, cgroup_dirs)
    mounts = [_bind(target, source, "ro") for target, source in targets.items()]
    if not read_only_cgroup_paths(cgroup_path, cgroup_dirs):
        return mounts
    return [_mount(_CGROUP_ROOT, "tmpfs", "tmpfs", "nosuid", "noexec", "nodev", "mode=755", "size=64k"), *mounts]


def _targets(cgroup_path: str, cgroup_dirs: Sequence[str]) -> dict[str, str]:
    targets = {}
    for directory in cgroup_dirs:
        hierarchy = directory.removesuffix(cgroup_path)
        on_root = hierarchy == _CGROUP_ROOT  # the unified hierarchy alone
        targets[_CGROUP_ROOT if on_root else f"{_CGROUP_ROOT}/{os.path.basename(hierarchy)}"] = directory
    return targets


def _mount(destination: str, kind: str, source: str, *options: str) -> Mount:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _bind(destination: str, source: str, *options: str) -> Mount:
    return _mount(destination, "bind", source, "bind", "rprivate", "nosuid", "nodev", "noexec", *options)
