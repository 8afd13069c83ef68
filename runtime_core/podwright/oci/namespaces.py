# SPDX-License-Identifier: Apache-2.0
"""The namespaces of a container: which are new, which are joined by path, and the mappings of a user namespace."""

from __future__ import annotations

import os

from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
_CLONE = {
    "time": 0x80,
    "mount": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
_FILES = {"mount": "mnt", "network": "net"}  # in /proc/PID/ns; the others have the name of the type
_MAX_MAP = 4096  # bytes
_CLOCKS = ("monotonic", "boottime")


class Namespaces:
    """``listed`` is [type, path] of each namespace in the configuration; "" as a path is a new one."""

    __slots__ = ("_inherited", "_paths", "listed")

    def __init__(self, entries: Iterable[Mapping[str, Any]], inherited: Sequence[str] = ()) -> None:
        """``inherited`` are types that the caller has made for the container, and so are not the host's."""
        self.listed: list[list[str]] = []
        self._paths: dict[str, str] = {}
        self._inherited = inherited
        for position, entry in enumerate(entries):
            kind, path = entry["type"], entry.get("path") or ""
            field = f"linux.namespaces[{position}]"
            if kind in self._paths:
                raise ManifestError(f"{field}: a second {kind} namespace; name each type once", field=field, value=kind)
            if path:
                _check_path(kind, path, f"{field}.path")
            self._paths[kind] = path
            if kind == "user" and not self.own(kind):
                del self._paths[kind]  # it is joined already, and the kernel would not join it again (setns(2))
                continue
            self.listed.append([kind, path])

    def new(self, kind: str) -> bool:
        """Tell whether the container gets a new namespace of this type."""
        return self._paths.get(kind) == ""

    def named(self, kind: str) -> bool:
        """Tell whether the configuration names a namespace of this type."""
        return kind in self._paths

    def own(self, kind: str) -> bool:
        """Tell whether the container's namespace of this type is another one than the host's."""
        path = self._paths.get(kind)
        if path is None:
            return kind in self._inherited
        if not path:
            return True
        joined, host = os.stat(path), os.stat(f"/proc/self/ns/{_FILES.get(kind, kind)}")
        return (joined.st_dev, joined.st_ino) != (host.st_dev, host.st_ino)

    def require(self, kind: str, field: str) -> None:
        """Raise a ManifestError for a field that would change the host where the container has no such namespace."""
        if not self.own(kind):
            raise ManifestError(
                f"{field} needs a {kind} namespace of the container's own: add one to linux.namespaces, "
                f"or remove {field}",
                field=field,
            )


def _check_path(kind: str, path: str, field: str) -> None:
    if not path.startswith("/"):
        raise ManifestError(f"{field} is {path!r}, but must be an absolute path", field=field, value=path)
    from fcntl import ioctl

    try:
        # NONBLOCK: opening a FIFO must not wait for a writer
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise ManifestError(f"{field}: cannot open {path}: {error.strerror}", field=field, value=path) from error
    try:
        found = ioctl(fd, NS_GET_NSTYPE)
    except OSError as error:
        raise ManifestError(f"{field}: {path} is no namespace", field=field, value=path) from error
    finally:
        os.close(fd)
    if found != _CLONE[kind]:
        name = next((name for name, flag in _CLONE.items() if flag == found), "unknown")
        raise ManifestError(f"{field}: {path} is a {name} namespace, but must be one of type {kind}", field=field)


def compile_mappings(linux: Mapping[str, Any], namespaces: Namespaces, key: str) -> list[list[int]]:
    """Return ``uidMappings`` or ``gidMappings`` as [in the container, on the host, size] of a new user namespace.

    A user namespace that is joined has its own; callers give a mapping all the same, since runc asks for one.
    """
    field = f"linux.{key}"
    mappings = linux.get(key) or []
    if mappings and not namespaces.named("user"):
        raise ManifestError(f"{field} needs a user namespace: add one to linux.namespaces", field=field)
    result = check_mappings(mappings, field)
    if not namespaces.new("user"):
        return []
    if not result:
        raise ManifestError(f"{field} is missing, and a new user namespace needs it", field=field)
    if not is_mapped(0, result):
        raise ManifestError(f"{field} does not map ID 0, as which the container is set up; add it", field=field)
    return result


def check_mappings(mappings: Sequence[Mapping[str, int]], field: str) -> list[list[int]]:
    """Return mappings as triples; ManifestError for IDs beyond the last one, and for overlaps."""
    result = [[entry["containerID"], entry["hostID"], entry["size"]] for entry in mappings]
    for side, name in ((0, "containerID"), (1, "hostID")):
        end = 0
        for first, size in sorted((entry[side], entry[2]) for entry in result):
            if first + size > (1 << 32) - 1:
                raise ManifestError(
                    f"{field}: {size} IDs from {name} {first} go beyond the last one, 4294967294", field=field
                )
            if first < end:
                raise ManifestError(f"{field}: {name} {first} is in two mappings; let them not overlap", field=field)
            end = first + size
    # the kernel takes a map in one write of less than a page (user_namespaces(7)): some 200 usual lines
    if len(result) > 100 and sum(len(" ".join(map(str, entry))) + 1 for entry in result) >= _MAX_MAP:
        raise ManifestError(f"{field} is too long: written as lines it must be below {_MAX_MAP} bytes", field=field)
    return result


def is_mapped(number: int, mappings: Sequence[Sequence[int]]) -> bool:
    """Tell whether an ID of the container is in its mappings."""
    return any(first <= number < first + size for first, _, size in mappings)


def check_mapped(process: Mapping[str, Any], linux: Mapping[str, Any]) -> None:
    """Raise a ManifestError for a user whom a new user namespace does not have; the kernel would only say EINVAL."""
    user = process.get("user") or {}
    for key, ids in (
        ("uid", [user.get("uid") or 0]),
        ("gid", [user.get("gid") or 0, *(user.get("additionalGids") or ())]),
    ):
        mappings = [
            [entry["containerID"], entry["hostID"], entry["size"]] for entry in linux.get(f"{key}Mappings") or ()
        ]
        new = any(entry["type"] == "user" and not entry.get("path") for entry in linux.get("namespaces") or ())
        for number in ids if new else ():
            if not is_mapped(number, mappings):
                raise ManifestError(
                    f"process.user: {key} {number} is not in linux.{key}Mappings; map it, or choose another one",
                    field="process.user",
                    value=number,
                )


def compile_time_offsets(linux: Mapping[str, Any], namespaces: Namespaces) -> list[list[Any]]:
    """Return [clock, seconds, nanoseconds] for each clock of a new time namespace."""
    offsets = linux.get("timeOffsets") or {}
    if offsets and not namespaces.new("time"):
        raise ManifestError(
            "linux.timeOffsets needs a new time namespace: add one to linux.namespaces", field="linux.timeOffsets"
        )
    for clock in offsets:
        if clock not in _CLOCKS:
            raise ManifestError(
                f"linux.timeOffsets.{clock}: only the clocks monotonic and boottime have an offset",
                field="linux.timeOffsets",
                value=clock,
            )
    return [
        [clock, (entry or {}).get("secs") or 0, (entry or {}).get("nanosecs") or 0] for clock, entry in offsets.items()
    ]


def compile_net_devices(linux: Mapping[str, Any], namespaces: Namespaces) -> list[list[str]]:
    """Return [name on the host, name in the container] of the interfaces that move to the container."""
    devices = linux.get("netDevices") or {}
    if devices:
        namespaces.require("network", "linux.netDevices")
    result: list[list[str]] = []
    for name, entry in devices.items():
        inside = (entry or {}).get("name") or name
        for each in (name, inside):
            _check_interface(each)
        if any(inside == taken for _, taken in result):
            raise ManifestError(
                f"linux.netDevices.{name}: another interface is to be called {inside!r} in the container too",
                field="linux.netDevices",
                value=inside,
            )
        result.append([name, inside])
    return result


def _check_interface(name: str) -> None:
    # dev_valid_name of the kernel
    if len(name.encode()) > 15 or name in (".", "..") or any(sign in "/:" or sign.isspace() for sign in name):
        raise ManifestError(
            f"linux.netDevices: {name!r} is no name of a network interface (at most 15 bytes, without '/', ':', space)",
            field="linux.netDevices",
            value=name,
        )
