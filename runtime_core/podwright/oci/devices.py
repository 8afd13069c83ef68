# SPDX-License-Identifier: Apache-2.0
"""The nodes and links of a container's /dev, as steps of a plan (config-linux.md, "Default Devices")."""

from __future__ import annotations

from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

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
_MAX_MAJOR, _MAX_MINOR = (1 << 12) - 1, (1 << 20) - 1  # MKDEV of the kernel


def device_steps(extra: Sequence[Mapping[str, Any]], mounts: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Yield the steps for the default devices, those of ``linux.devices`` and the links.

    A device of ``linux.devices`` takes the place of a default one of its path. Where the host's own /dev is bound
    nothing is made: it has all of them, and the container would change the host.
    """
    wanted = {path: ["device", "c", path, major, minor, _MODE, 0, 0] for path, major, minor in _DEFAULT_DEVICES}
    given: dict[str, list[Any]] = {}
    for position, device in enumerate(extra):
        step = _device(device, f"linux.devices[{position}]")
        path = step[2]
        if given.setdefault(path, step) != step:
            field = f"linux.devices[{position}].path"
            raise ManifestError(f"{field}: {path} is listed twice, each time another one", field=field, value=path)
    # callers that pass all devices of the host have this one among them; it would open the host's terminals
    given.pop("/dev/ptmx", None)
    wanted |= given
    own_dev = not _is_bound("/dev", mounts)
    for path, step in wanted.items():
        if own_dev or not path.startswith("/dev/"):
            yield step
    if own_dev:
        for text, path in _LINKS:
            if path not in given:
                yield ["symlink", text, path]


def _device(device: Mapping[str, Any], field: str) -> list[Any]:
    path, kind = device["path"], device["type"]
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise ManifestError(f"{field}.path is {path!r}, but must be a plain path", field=f"{field}.path", value=path)
    numbers = []
    for key, most in (("major", _MAX_MAJOR), ("minor", _MAX_MINOR)):
        number = device.get(key)
        if kind == "p":
            number = 0
        elif number is None:
            raise ManifestError(f"{field}.{key} is missing; only a FIFO has no numbers", field=f"{field}.{key}")
        elif not 0 <= number <= most:
            raise ManifestError(f"{field}.{key} is {number}, but must be between 0 and {most}", field=f"{field}.{key}")
        numbers.append(number)
    mode = device.get("fileMode")
    return [
        "device",
        "c" if kind == "u" else kind,  # mknod(1): u is an unbuffered character device
        path,
        *numbers,
        _MODE if mode is None else mode & 0o7777,  # some callers leave the bits of the type in it
        device.get("uid") or 0,
        device.get("gid") or 0,
    ]


def _is_bound(path: str, mounts: Sequence[Mapping[str, Any]]) -> bool:
    bound = False
    for mount in mounts:
        if mount["destination"].rstrip("/") == path:
            options = mount.get("options") or ()
            bound = mount.get("type") == "bind" or "bind" in options or "rbind" in options
    return bound
