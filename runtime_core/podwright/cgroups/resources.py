# SPDX-License-Identifier: Apache-2.0
"""The shape of ``linux.resources`` (OCI runtime specification, config-linux.md, "Control groups").

Checked before anything is made. What a number of the right kind means to the kernel, the kernel says.
"""

from __future__ import annotations

from podwright.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIELD = "linux.resources"
_INT64 = (-(1 << 63), (1 << 63) - 1)
_LIMIT = (-1, (1 << 63) - 1)  # -1 is none
_UINT64 = (0, (1 << 64) - 1)
_UINT32 = (0, (1 << 32) - 1)
_NUMBER = (-1, (1 << 31) - 1)  # of a device; the kernel's own numbers are much smaller
_WEIGHT = (0, 1000)  # 0 is unset, 10 the least
_DEVICE = {"major!": _UINT32, "minor!": _UINT32}
_THROTTLED = [{**_DEVICE, "rate!": _UINT64}]

# A name with "!" must be there; a pair is the range of an integer.
SHAPE: dict[str, Any] = {
    "devices": [{"allow!": bool, "type": str, "major": _NUMBER, "minor": _NUMBER, "access": str}],
    "memory": {
        "limit": _LIMIT, "reservation": _LIMIT, "swap": _LIMIT, "kernel": _LIMIT, "kernelTCP": _LIMIT,
        "swappiness": _UINT64, "disableOOMKiller": bool, "useHierarchy": bool, "checkBeforeUpdate": bool,
    },
    "cpu": {
        "shares": _UINT64, "quota": _INT64, "burst": _UINT64, "period": _UINT64, "realtimeRuntime": _INT64,
        "realtimePeriod": _UINT64, "cpus": str, "mems": str, "idle": (0, 1),
    },
    "pids": {"limit": _INT64},
    "blockIO": {
        "weight": _WEIGHT, "leafWeight": _WEIGHT,
        "weightDevice": [{**_DEVICE, "weight": _WEIGHT, "leafWeight": _WEIGHT}],
        "throttleReadBpsDevice": _THROTTLED, "throttleWriteBpsDevice": _THROTTLED,
        "throttleReadIOPSDevice": _THROTTLED, "throttleWriteIOPSDevice": _THROTTLED,
    },
    "hugepageLimits": [{"pageSize!": str, "limit!": _UINT64}],
    "network": {"classID": _UINT32, "priorities": [{"name!": str, "priority!": _UINT32}]},
    "rdma": {"*": {"hcaHandles": _UINT32, "hcaObjects": _UINT32}},
    "unified": {"*": str},
}  # fmt: skip


def check(resources: object) -> None:
    """Raise ManifestError for the first field that has a wrong form. Unknown fields mean nothing, as OCI demands."""
    _check(resources, SHAPE, _FIELD)
    assert isinstance(resources, dict)  # noqa: S101  for the type checker
    for index, device in enumerate(resources.get("devices") or ()):
        _check_device(device, f"{_FIELD}.devices[{index}]")
    for index, page in enumerate(resources.get("hugepageLimits") or ()):
        size = page["pageSize"]
        if not (size[:-2].isdecimal() and size[:-2].isascii() and size[-2:] in ("KB", "MB", "GB")) or size[0] == "0":
            raise _wrong(f"{_FIELD}.hugepageLimits[{index}].pageSize", size, "a size as 2MB or 1GB")
    for name in resources.get("unified") or {}:
        _check_file(name)
    for key in ("cpus", "mems"):
        _check_list((resources.get("cpu") or {}).get(key), f"{_FIELD}.cpu.{key}")
    for index, entry in enumerate((resources.get("network") or {}).get("priorities") or ()):
        _check_word(entry["name"], f"{_FIELD}.network.priorities[{index}].name", "the name of an interface")
    for name in resources.get("rdma") or {}:
        _check_word(name, f"{_FIELD}.rdma", "the name of a device")


def _check(value: object, shape: Any, field: str) -> None:
    if isinstance(shape, tuple):
        low, high = shape
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(field, value, f"an integer from {low} to {high}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(field, value, "a list")
        for index, entry in enumerate(value):
            _check(entry, shape[0], f"{field}[{index}]")
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _wrong(field, value, "an object")
        _check_members(value, shape, field)
    elif not isinstance(value, shape):
        raise _wrong(field, value, "true or false" if shape is bool else "a string")


def _check_members(value: dict[str, object], shape: dict[str, Any], field: str) -> None:
    for name, member in shape.items():
        if name == "*":
            for key, entry in value.items():
                _check(entry, member, f"{field}[{key}]")
            continue
        plain = name.rstrip("!")
        found = value.get(plain)
        if found is not None:  # null is what encoders write for a field that is not set
            _check(found, member, f"{field}.{plain}")
        elif plain != name:
            raise ManifestError(f"{field}.{plain} is missing", field=f"{field}.{plain}")


def _check_device(device: dict[str, Any], field: str) -> None:
    kind, access = device.get("type") or "a", device.get("access") or "rwm"
    if kind not in ("a", "b", "c"):
        raise _wrong(f"{field}.type", kind, "a, b or c")
    if set(access) - set("rwm"):
        raise _wrong(f"{field}.access", access, "made of the letters r, w and m")


def _check_file(name: str) -> None:
    """Keep a name of ``unified`` inside of the group, and out of what says which processes are in it."""
    field = f"{_FIELD}.unified[{name}]"
    controller, dot, rest = name.partition(".")
    if not (dot and controller and rest) or "/" in name or ".." in name or not name.isprintable() or " " in name:
        raise _wrong(field, name, "the name of a file in a group, as memory.high")
    if controller == "cgroup" and not rest.startswith("max."):
        raise ManifestError(
            f"{field} is the runtime's own business: of cgroup.* only cgroup.max.depth and cgroup.max.descendants may"
            " be set", field=field, value=name,
        )  # fmt: skip


def _check_list(text: str | None, field: str) -> None:
    for part in text.strip().split(",") if text else ():
        first, dash, last = part.partition("-")
        if not _small(first) or (dash and not (_small(last) and int(first) <= int(last))):
            raise _wrong(field, text, "a list of numbers and ranges, as 0-3,7")


def _small(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _check_word(name: str, field: str, what: str) -> None:
    if not name or not name.isprintable() or " " in name:
        raise _wrong(field, name, what)


def _wrong(field: str, value: object, wanted: str) -> ManifestError:
    return ManifestError(f"{field} is {value!r}, but must be {wanted}", field=field, value=value)
