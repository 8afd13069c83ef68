# SPDX-License-Identifier: Apache-2.0
"""The form of ``config.json`` and of a process, by the runtime-spec 1.3 (config.md and config-linux.md).

This is types, ranges and required members; what the members mean together is checked where they are compiled. What the
specification leaves to other platforms (``solaris``, ``windows``, ``vm``, ``zos``) is not looked at.
"""

from __future__ import annotations

from podwright.errors import ManifestError
from podwright.oci.shape import (
    I64,
    U16,
    U32,
    U64,
    absolute,
    array,
    boolean,
    choice,
    record,
    table,
    text,
    whole,
    wrong,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts")
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable")
MAX_MAPPINGS = 340  # lines of a uid_map (user_namespaces(7))

_texts = array(text)
_signed, _unsigned = whole(-I64 - 1, I64), whole(0, U64)
_id = whole(0, U32 - 1)  # the last one means "none" to the kernel
_number = whole(0, U32)

_mapping = record({"containerID": _id, "hostID": _id, "size": whole(1, U32)}, "containerID", "hostID", "size")
_mappings = array(_mapping, most=MAX_MAPPINGS)


def _for_windows(value: Any, field: str) -> None:
    if value:
        raise ManifestError(f"{field} is for Windows; on Linux give uid and gid", field=field, value=value)


_PROCESS = record(
    {
        "terminal": boolean,
        "consoleSize": record({"height": whole(0, U16), "width": whole(0, U16)}, "height", "width"),
        "user": record(
            {
                "uid": _id,
                "gid": _id,
                "umask": whole(0, 0o777),
                "additionalGids": array(_id),
                "username": _for_windows,
            },
            "uid",
            "gid",
        ),
        "args": _texts,
        "env": _texts,
        "cwd": absolute,
        "capabilities": record(dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), _texts)),
        "rlimits": array(record({"type": text, "soft": _unsigned, "hard": _unsigned}, "type", "soft", "hard")),
        "apparmorProfile": text,
        "selinuxLabel": text,
        "noNewPrivileges": boolean,
        "oomScoreAdj": whole(-1000, 1000),
        "scheduler": record(
            {
                "policy": text,
                "nice": whole(-20, 19),
                "priority": whole(0, 99),
                "flags": _texts,
                "runtime": _unsigned,
                "deadline": _unsigned,
                "period": _unsigned,
            },
            "policy",
        ),
        "ioPriority": record({"class": text, "priority": whole(0, 7)}, "class"),
        "execCPUAffinity": record({"initial": text, "final": text}),
    },
    "cwd",
)

_hook = record({"path": absolute, "args": _texts, "env": _texts, "timeout": whole(1, (1 << 31) - 1)}, "path")
_mount = record(
    {
        "destination": text,
        "type": text,
        "source": text,
        "options": array(text, most=1024),
        "uidMappings": _mappings,
        "gidMappings": _mappings,
    },
    "destination",
)
_rated = record({"major": _signed, "minor": _signed, "rate": _unsigned}, "major", "minor", "rate")
_weighted = record(
    {"major": _signed, "minor": _signed, "weight": whole(0, U16), "leafWeight": whole(0, U16)}, "major", "minor"
)
_RESOURCES = record(
    {
        "devices": array(
            record({"allow": boolean, "type": text, "major": _signed, "minor": _signed, "access": text}, "allow")
        ),
        "memory": record(
            {
                **dict.fromkeys(("limit", "reservation", "swap", "kernel", "kernelTCP"), _signed),
                **dict.fromkeys(("disableOOMKiller", "useHierarchy", "checkBeforeUpdate"), boolean),
                "swappiness": _unsigned,
            }
        ),
        "cpu": record(
            {
                **dict.fromkeys(("shares", "burst", "period", "realtimePeriod"), _unsigned),
                **dict.fromkeys(("quota", "realtimeRuntime"), _signed),
                "cpus": text,
                "mems": text,
                "idle": whole(0, 1),
            }
        ),
        "pids": record({"limit": _signed}),
        "blockIO": record(
            {
                "weight": whole(0, U16),
                "leafWeight": whole(0, U16),
                "weightDevice": array(_weighted),
                **dict.fromkeys(
                    (
                        "throttleReadBpsDevice",
                        "throttleWriteBpsDevice",
                        "throttleReadIOPSDevice",
                        "throttleWriteIOPSDevice",
                    ),
                    array(_rated),
                ),
            }
        ),
        "hugepageLimits": array(record({"pageSize": text, "limit": _unsigned}, "pageSize", "limit")),
        "network": record(
            {"classID": _number, "priorities": array(record({"name": text, "priority": _number}, "name", "priority"))}
        ),
        "rdma": table(record({"hcaHandles": _number, "hcaObjects": _number})),
        "unified": table(text),
    }
)
_seccomp_argument = record(
    {"index": whole(0, 5), "value": _unsigned, "valueTwo": _unsigned, "op": text}, "index", "value", "op"
)
_SECCOMP = record(
    {
        "defaultAction": text,
        "defaultErrnoRet": _number,
        "architectures": _texts,
        "flags": _texts,
        "listenerPath": text,
        "listenerMetadata": text,
        "syscalls": array(
            record(
                {"names": _texts, "action": text, "errnoRet": _number, "args": array(_seccomp_argument)},
                "names",
                "action",
            )
        ),
    },
    "defaultAction",
)
_LINUX = record(
    {
        "namespaces": array(record({"type": choice(*NAMESPACES), "path": text}, "type")),
        "uidMappings": _mappings,
        "gidMappings": _mappings,
        "timeOffsets": table(record({"secs": _signed, "nanosecs": whole(0, 999_999_999)})),
        "devices": array(
            record(
                {
                    "type": choice("c", "b", "u", "p"),
                    "path": absolute,
                    "major": _signed,
                    "minor": _signed,
                    "fileMode": whole(0, 0o177777),
                    "uid": _id,
                    "gid": _id,
                },
                "type",
                "path",
            )
        ),
        "netDevices": table(record({"name": text})),
        "cgroupsPath": text,
        "resources": _RESOURCES,
        "rootfsPropagation": choice("", *PROPAGATIONS),
        "seccomp": _SECCOMP,
        "sysctl": table(text),
        "maskedPaths": array(absolute),
        "readonlyPaths": array(absolute),
        "mountLabel": text,
        "memoryPolicy": record({"mode": text, "nodes": text, "flags": _texts}, "mode"),
        "personality": record({"domain": choice("LINUX", "LINUX32"), "flags": _texts}, "domain"),
    }
)
_CONFIG = record(
    {
        "ociVersion": text,
        "hostname": text,
        "domainname": text,
        "process": _PROCESS,
        "root": record({"path": text, "readonly": boolean}, "path"),
        "mounts": array(_mount),
        "hooks": record(dict.fromkeys(HOOKS, array(_hook))),
        "annotations": table(text),
        "linux": _LINUX,
    },
    "ociVersion",
    "root",
)


def check_config(spec: Any) -> None:
    """Raise a ManifestError for the first member of a configuration that has not the form of the specification."""
    if not isinstance(spec, dict):
        raise wrong("config.json", spec, "an object")
    _CONFIG(spec, "")
    _check_version(spec["ociVersion"])


def check_process(process: Any, field: str = "process") -> None:
    """Raise a ManifestError for the first member of a process that has not the form of the specification."""
    _PROCESS(process, field)


def check_resources(resources: Any, field: str = "linux.resources") -> None:
    """Raise a ManifestError for the first member of resources that has not the form of the specification."""
    _RESOURCES(resources, field)


def _check_version(version: str) -> None:
    """Any 1.x is understood: the specification adds to itself only what an older runtime may ignore (SemVer 2.0)."""
    numbers, dash, pre_release = version.partition("+")[0].partition("-")
    parts = numbers.split(".")
    plain = all(part.isascii() and part.isdigit() and len(part) < 10 and part == str(int(part)) for part in parts)
    if len(parts) != 3 or not plain or (dash and not pre_release):
        raise wrong("ociVersion", version, "a version of the runtime-spec such as 1.3.0")
    if parts[0] != "1":
        raise wrong("ociVersion", version, "1.x: another major version of the runtime-spec has another meaning")
