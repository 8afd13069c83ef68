# SPDX-License-Identifier: Apache-2.0
"""The nodes and links of a container's /dev, as steps of a plan (config-linux.md, "Default Devices")."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podwright.errors import HostError

_MODE = 0o666
_DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
_LINKS = (
    ("pts/ptmx", "/dev/ptmx"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
)
_KEYS = {"path", "type", "major", "minor", "fileMode", "uid", "gid"}


def device_steps(extra: Sequence[Mapping[str, Any]], mounts: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Yield the steps for the default devices, those of ``linux.devices`` and the links.

    Nothing is made in a /dev that is not the container's own tmpfs: it would be made in whatever is mounted there.
    Raises HostError for a device that is not a character device of root's below /dev.
    """
    own_dev = any(mount["destination"] == "/dev" and mount.get("type") == "tmpfs" for mount in mounts)
    if not own_dev:
        raise HostError("mounts: a container needs a tmpfs of its own at /dev", field="mounts")
    for path, major, minor in _DEFAULT_DEVICES:
        yield ["device", path, major, minor, _MODE]
    for device in extra:
        plain = device.get("type") == "c" and not device.get("uid") and not device.get("gid")
        path = device["path"]
        if not plain or device.keys() - _KEYS or not path.startswith("/dev/") or ".." in path.split("/"):
            raise HostError(f"linux.devices: {path} is not supported", field="linux.devices", value=dict(device))
        yield ["device", path, device["major"], device["minor"], device.get("fileMode", _MODE)]
    for text, path in _LINKS:
        yield ["symlink", text, path]
