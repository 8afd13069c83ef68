# SPDX-License-Identifier: Apache-2.0
"""Which cgroup file systems are mounted here (proc(5), mountinfo)."""

from __future__ import annotations

from podwright.files import read_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.cgroups.cgroupfs import Cgroupfs

_FLAGS = frozenset({"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods", "none"})


class Mount:
    """One cgroup mount: its version (1, 2), the part of the hierarchy that it shows, and for v1 its controllers.

    A hierarchy of v1 without controllers has a name, which stands among them as ``name=systemd``.
    """

    __slots__ = ("controllers", "path", "root", "version")

    def __init__(self, path: str, version: int, controllers: frozenset[str], root: str = "/") -> None:
        self.path = path
        self.version = version
        self.controllers = controllers
        self.root = root


def mounted(mountinfo: str = "/proc/self/mountinfo") -> list[Mount]:
    """Return the cgroup mounts that this process sees."""
    return parse_mountinfo(read_small(mountinfo).decode("utf-8", "surrogateescape"))


def parse_mountinfo(text: str) -> list[Mount]:
    """Return the cgroup mounts, the first of each hierarchy only (others are bind mounts of it)."""
    found: dict[object, Mount] = {}
    for line in text.splitlines():
        if " - cgroup" not in line:
            continue
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2) if tail.count(" ") >= 2 else ("", "", "")
        root, path = (part.replace("\\040", " ") for part in fields.split(" ")[3:5])
        if kind == "cgroup2":
            found.setdefault(2, Mount(path, 2, frozenset(), root))
        elif kind == "cgroup":
            words = (word for word in options.split(",") if not word.startswith("release_agent="))
            controllers = frozenset(words) - _FLAGS
            found.setdefault(controllers, Mount(path, 1, controllers, root))
    return list(found.values())


def offered(unified: Mount, files: Cgroupfs) -> frozenset[str]:
    """Return what the hierarchy of v2 can give; devices are always there, as a BPF program."""
    return frozenset(files.read(f"{unified.path}/cgroup.controllers").split()) | {"devices"}
