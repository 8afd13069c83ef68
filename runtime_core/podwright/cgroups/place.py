# SPDX-License-Identifier: Apache-2.0
"""Where a container's group is in each hierarchy: ``linux.cgroupsPath`` (config-linux.md, "Cgroups Path").

An absolute path starts at the hierarchy's mount. A relative one, and the container's id when there is none, starts at
the group of the process that asks, so that what bounds the engine bounds its containers too. In v2 it starts one level
higher: a group that holds processes cannot give controllers to the groups in it.
"""

from __future__ import annotations

from podwright.errors import HostError, ManifestError
from podwright.files import read_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwright.cgroups.mounts import Mount
    from podwright.cgroups.tree import Hierarchy

FIELD = "linux.cgroupsPath"
_SLICE = "system.slice"


class Place:
    """The text of the configuration, checked; ``group`` says what it means in one hierarchy."""

    __slots__ = ("_absolute", "_names", "_own")

    def __init__(self, path: str | None, container_id: str, *, systemd: bool = False) -> None:
        text = path or container_id
        if systemd:
            text = _scope(path, container_id)
        self._absolute = text.startswith("/")
        self._names = _plain(text)
        self._own: dict[str, str] | None = None

    def group(self, mount: Mount, own: str = "/proc/self/cgroup") -> str:
        """Return the group's path below the mount, without a slash at either end."""
        names = list(self._names)
        if not self._absolute:
            if self._own is None:
                self._own = own_groups(own)
            names = self._start(mount, self._own).split("/") + names
        return "/".join(name for name in names if name)

    def _start(self, mount: Mount, own: dict[str, str]) -> str:
        if mount.version == 2:
            start = own.get("", "/").rpartition("/")[0]
        else:
            start = next((own[name] for name in mount.controllers if name in own), "/")
        return shown(mount, start)


def shown(mount: Mount, group: str) -> str:
    """Return where a group of /proc/PID/cgroup is below the mount; "/" for one that it does not show."""
    if mount.root != "/":  # the mount shows a part of the hierarchy, as inside of another container
        group = group[len(mount.root) :] if (group + "/").startswith(mount.root + "/") else "/"
    return "/" if ".." in group.split("/") else group  # outside of what our cgroup namespace shows


def own_groups(path: str = "/proc/self/cgroup") -> dict[str, str]:
    """Return this process's group by controller; "" is the hierarchy of v2."""
    lines = read_small(path).decode("utf-8", "surrogateescape").splitlines()
    found = {}
    for line in lines:
        _, controllers, group = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = group
    return found


def below(groups: Sequence[tuple[Hierarchy, str]], path: str) -> list[str]:
    """Return the directories that a process enters which shall go deeper than the container's own groups.

    ``path`` starts at the container's groups; with ``controller,controller:`` before it, it is meant for the
    hierarchies of these only (v1). Raises ManifestError for one that leads out, HostError for one that is not there.
    """
    controllers, colon, rest = path.rpartition(":")
    names = [name for name in rest.split("/") if name not in ("", ".")]
    if ".." in names or not path.isprintable():
        raise ManifestError(f"cgroup {path!r} must be a path below the container's own, without ..", value=path)
    wanted, found, used = set(controllers.split(",")), [], not colon
    for hierarchy, group in groups:
        directory = hierarchy.directory(group)
        if not colon or wanted & hierarchy.controllers:
            used = True
            directory = "/".join([directory, *names])
            if not hierarchy.files.exists(directory):
                raise HostError(f"the container has no cgroup {path!r}: {directory} is not there")
        found.append(directory)
    if not used:
        raise HostError(f"cgroup {path!r} names controllers that the container has no group for")
    return found


def _plain(text: str) -> list[str]:
    names = [name for name in text.split("/") if name not in ("", ".")]
    if ".." in names or not names or not text.isprintable():
        raise ManifestError(
            f"{FIELD} is {text!r}, but must be a path of plain names to a group of its own, without ..",
            field=FIELD, value=text,
        )  # fmt: skip
    return names


def unit_of(path: str | None, container_id: str) -> tuple[str, str]:
    """Return the slice and the unit that ``slice:prefix:name`` means: a scope, or a slice when the name is one's."""
    parts = (path or f":podwright:{container_id}").split(":")
    if len(parts) != 3 or "/" in "".join(parts) or not parts[2]:
        raise ManifestError(
            f"{FIELD} is {path!r}, but with --systemd-cgroup it must be slice:prefix:name, as system.slice:app:1",
            field=FIELD, value=path,
        )  # fmt: skip
    parent, prefix, name = parts
    unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    _slices(parent or _SLICE)
    return parent or _SLICE, unit


def _scope(path: str | None, container_id: str) -> str:
    """Return the group that systemd would make for ``slice:prefix:name``, for hosts where none runs."""
    parent, unit = unit_of(path, container_id)
    return f"{_slices(parent)}/{unit}"


def _slices(name: str) -> str:
    """Return the path of a slice: a-b.slice is in a.slice, and -.slice is the root."""
    if name == "-.slice":
        return "/"
    words = name.removesuffix(".slice").split("-")
    if not name.endswith(".slice") or not all(words):
        raise ManifestError(f"{FIELD} names {name!r}, but a slice is named as a-b.slice", field=FIELD, value=name)
    return "".join(f"/{'-'.join(words[: count + 1])}.slice" for count in range(len(words)))
