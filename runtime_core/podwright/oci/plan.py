# SPDX-License-Identifier: Apache-2.0
"""An OCI runtime-spec configuration compiled to a container plan: the flat list of steps that podinit carries out.

The plan holds no decision and the compiler drops nothing: each key of the configuration becomes a step, is carried out
by somebody else who is named below, or is refused by its name. The form of the plan is in ARCHITECTURE.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podwright.errors import HostError
from podwright.oci import devices
from podwright.oci.mount_options import MS_BIND, parse_options
from podwright.oci.spec import SECCOMP_ANNOTATION
from podwright.security import capabilities

PLAN_VERSION = 1
Step = list[Any]

# What podinit makes anew for each container; all others are the pod's.
_NAMESPACES = {(("type", kind),) for kind in ("pid", "mount", "cgroup")}
# Every key that is understood; "" is the configuration itself.
_KEYS = {
    "": {"ociVersion", "process", "root", "mounts", "annotations", "linux"},
    "process": {"user", "args", "env", "cwd", "capabilities", "noNewPrivileges", "oomScoreAdj", "rlimits"},
    "process.user": {"uid", "gid", "additionalGids", "umask"},
    "process.capabilities": {"bounding", "effective", "permitted", "inheritable", "ambient"},
    "root": {"path", "readonly"},
    "linux": {
        "namespaces",
        "cgroupsPath",
        "resources",
        "devices",
        "sysctl",
        "seccomp",
        "maskedPaths",
        "readonlyPaths",
        "rootfsPropagation",
    },
    # Enforced by the cgroups that the plan names; podwright.cgroups sets them from the same numbers.
    "linux.resources": {"cpu", "memory", "pids", "devices"},
}
_FILE_SYSTEMS = frozenset(("proc", "tmpfs", "devpts", "mqueue", "sysfs", "cgroup", "cgroup2"))
_RLIMITS = frozenset(
    (
        "RLIMIT_AS",
        "RLIMIT_CORE",
        "RLIMIT_CPU",
        "RLIMIT_DATA",
        "RLIMIT_FSIZE",
        "RLIMIT_LOCKS",
        "RLIMIT_MEMLOCK",
        "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE",
        "RLIMIT_NOFILE",
        "RLIMIT_NPROC",
        "RLIMIT_RSS",
        "RLIMIT_RTPRIO",
        "RLIMIT_RTTIME",
        "RLIMIT_SIGPENDING",
        "RLIMIT_STACK",
    )
)
# The keys below /proc/sys that belong to the pod's own network and IPC namespaces; all others are the host's.
_IPC_SYSCTLS = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_NAMESPACED_SYSCTLS = ("net.", "fs.mqueue.")
_DEFAULT_UMASK = 0o022


def compile_plan(
    spec: Mapping[str, Any],
    *,
    name: str,
    spec_hash: str,
    stop_signal: int,
    lower: Sequence[str],
    cgroups: Sequence[str],
    oom_events: Mapping[str, str] | None,
    seccomp: str | None,
) -> dict[str, Any]:
    """Return the plan of container ``name``, as ``plan.json`` has it.

    ``lower`` are the image's layer directories (topmost first), ``cgroups`` the container's cgroup directories,
    ``oom_events`` where its OOM kills are counted (None: nowhere), ``seccomp`` the file of the compiled filter (None
    only when the configuration asks for none). Raises HostError naming the first key that cannot be carried out.
    """
    _refuse_unknown(spec, cgroups, seccomp)
    process = spec["process"]
    _check_root(spec["root"], name)
    if not process["args"] or not process["cwd"].startswith("/"):
        raise HostError("process needs args, and an absolute cwd", field="process")
    return {
        "version": PLAN_VERSION,
        "name": name,
        "hash": spec_hash,
        "args": list(process["args"]),
        "env": list(process.get("env") or ()),
        "cwd": process["cwd"],
        "stopSignal": stop_signal,
        "cgroups": list(cgroups),
        "oomEvents": None if oom_events is None else dict(oom_events),
        "lower": list(lower),
        "steps": _steps(spec, process, seccomp),
    }


def _steps(spec: Mapping[str, Any], process: Mapping[str, Any], seccomp: str | None) -> list[Step]:
    linux = spec["linux"]
    user = process["user"]
    steps: list[Step] = [["overlay"]]
    steps += _mounts(spec.get("mounts") or ())
    steps += devices.device_steps(linux.get("devices") or (), spec.get("mounts") or ())
    steps.append(["pivot_root"])
    steps += _sysctls(linux.get("sysctl") or {})
    steps += _paths("readonly_path", linux, "readonlyPaths")
    steps += _paths("mask_path", linux, "maskedPaths")
    if spec["root"].get("readonly"):
        steps.append(["root_readonly"])
    steps += _rlimits(process.get("rlimits") or ())
    if process.get("oomScoreAdj") is not None:
        steps.append(["oom_score_adj", process["oomScoreAdj"]])
    steps.append(["umask", user.get("umask", _DEFAULT_UMASK)])
    steps.append(["capabilities", _capabilities(process)])
    steps.append(["user", user["uid"], user["gid"], list(user.get("additionalGids") or ())])
    if process.get("noNewPrivileges"):
        steps.append(["no_new_privileges"])
    if seccomp is not None:
        steps.append(["seccomp", seccomp])
    return steps


def _refuse_unknown(spec: Mapping[str, Any], cgroups: Sequence[str], seccomp: str | None) -> None:
    for path, known in _KEYS.items():
        value: Any = spec
        for key in path.split(".") if path else ():
            value = value.get(key) or {}
        for key, item in value.items():
            # null, false and empty ask for nothing; 0 may be a wish
            if key not in known and item is not None and item is not False and item not in ("", [], {}):
                raise _unsupported(f"{path}.{key}".lstrip("."), item)
    linux = spec["linux"]
    if not str(spec["ociVersion"]).startswith("1."):
        raise _unsupported("ociVersion", spec["ociVersion"])
    if {tuple(item.items()) for item in linux["namespaces"]} != _NAMESPACES:
        raise _unsupported("linux.namespaces", linux["namespaces"])
    if linux.get("rootfsPropagation") not in (None, "", "private", "rprivate"):
        raise _unsupported("linux.rootfsPropagation", linux["rootfsPropagation"])
    _check_cgroups(linux, cgroups)
    asked = bool(linux.get("seccomp")) or SECCOMP_ANNOTATION in (spec.get("annotations") or {})
    if asked != (seccomp is not None):
        raise HostError("linux.seccomp and the compiled filter must come together", field="linux.seccomp")


def _check_cgroups(linux: Mapping[str, Any], cgroups: Sequence[str]) -> None:
    path, resources = linux.get("cgroupsPath") or "", linux.get("resources") or {}
    for directory in cgroups:
        if not directory.startswith("/") or not directory.endswith(path) or ".." in directory.split("/"):
            raise HostError(
                f"linux.cgroupsPath is {path!r}, but the container's cgroup is {directory}", field="linux.cgroupsPath"
            )
    if resources and not cgroups:
        raise HostError("linux.resources needs a cgroup, and there is none", field="linux.resources")
    # Nothing but the default devices: what podwright.cgroups gives every container.
    if resources.get("devices") not in (None, *([{"allow": allow, "access": "rwm"}] for allow in (False, True))):
        raise _unsupported("linux.resources.devices", resources["devices"])


def _check_root(root: Mapping[str, Any], name: str) -> None:
    path = root["path"]
    if not path.startswith("/") or not path.endswith(f"/containers/{name}/rootfs"):
        raise _unsupported("root.path", path)


def _mounts(mounts: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    for position, mount in enumerate(mounts):
        field = f"mounts[{position}]"
        for key, value in mount.items():
            if key not in ("destination", "type", "source", "options") and value:
                raise _unsupported(f"{field}.{key}", value)
        target, kind, source = mount["destination"], mount.get("type") or "none", mount.get("source") or ""
        _check_target(f"{field}.destination", target, kind)
        flags, data = parse_options(mount.get("options") or (), f"{field}.options")
        if flags & MS_BIND:
            if kind not in ("bind", "none"):
                raise _unsupported(f"{field}.type", kind)
            if not source.startswith("/") or "\0" in source:
                raise _unsupported(f"{field}.source", source)
            yield ["bind", source, target, flags & ~MS_BIND]
        elif kind in _FILE_SYSTEMS:
            yield ["mount", kind, source or kind, target, flags, data]
        else:
            raise _unsupported(f"{field}.type", kind)


def _check_target(field: str, target: str, kind: str) -> None:
    parts = target.split("/")[1:]
    if not target.startswith("/") or "\0" in target or any(part in ("", ".", "..") for part in parts):
        raise HostError(f"{field} is {target!r}, but must be a plain absolute path below /", field=field, value=target)
    # Anything else over /proc could fake what is written to and read from there (CVE-2019-16884).
    if parts[0] == "proc" and (len(parts) > 1 or kind != "proc"):
        raise HostError(f"{field} is {target!r}, but /proc takes only a proc file system", field=field, value=target)


def _paths(kind: str, linux: Mapping[str, Any], key: str) -> Iterator[Step]:
    for path in linux.get(key) or ():
        if not path.startswith("/"):
            raise _unsupported(f"linux.{key}", path)
        yield [kind, path]


def _sysctls(sysctls: Mapping[str, str]) -> Iterator[Step]:
    for key, value in sysctls.items():
        if not (key in _IPC_SYSCTLS or key.startswith(_NAMESPACED_SYSCTLS)) or "/" in key or ".." in key:
            raise HostError(
                f"linux.sysctl.{key} does not belong to the pod's network or IPC namespace",
                field="linux.sysctl",
                value=key,
            )
        yield ["sysctl", key, str(value)]


def _rlimits(rlimits: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    for rlimit in rlimits:
        if rlimit["type"] not in _RLIMITS:
            raise _unsupported("process.rlimits", rlimit["type"])
        yield ["rlimit", rlimit["type"], rlimit["soft"], rlimit["hard"]]


def _capabilities(process: Mapping[str, Any]) -> dict[str, str]:
    if not process.get("capabilities"):
        raise HostError(
            "process.capabilities is missing, and a container must not keep all", field="process.capabilities"
        )
    sets = process["capabilities"]
    return {
        kind: f"{capabilities.mask(sets.get(kind) or (), field=f'process.capabilities.{kind}'):016x}"
        for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")
    }


def _unsupported(field: str, value: object) -> HostError:
    return HostError(f"{field} is {value!r}, which this runtime does not support", field=field, value=value)
