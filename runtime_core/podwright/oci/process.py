# SPDX-License-Identifier: Apache-2.0
"""``process`` of a configuration as steps of a plan: what it may use, and who it is."""

from __future__ import annotations

from podwright.errors import ManifestError
from podwright.oci.shape import U64, wrong
from podwright.security import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Protocol

    class SeccompFilter(Protocol):
        """A compiled system call filter."""

        @property
        def path(self) -> str:
            """The file of its instructions."""

        @property
        def flags(self) -> int:
            """``SECCOMP_FILTER_FLAG_*``."""

        @property
        def listener_path(self) -> str:
            """The socket that gets the notifications' descriptor, "" for none."""

        @property
        def listener_metadata(self) -> str:
            """What is sent with it."""


CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
RLIMITS = tuple(
    f"RLIMIT_{name}"
    for name in (
        "AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RSS",
        "RTPRIO", "RTTIME", "SIGPENDING", "STACK",
    )
)  # fmt: skip
_DEFAULT_UMASK = 0o022
_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}
_MAX_GROUPS = 65536  # NGROUPS_MAX


def command(process: Mapping[str, Any], field: str = "process") -> dict[str, Any]:
    """Return what the plan says of the command itself: ``args``, ``env``, ``cwd`` and ``terminal``."""
    args, env = list(process.get("args") or ()), list(process.get("env") or ())
    if not args or not args[0]:
        raise ManifestError(f"{field}.args is empty; give the program that is to run", field=f"{field}.args")
    for position, variable in enumerate(env):
        if not variable.partition("=")[0] or "=" not in variable:
            raise wrong(f"{field}.env[{position}]", variable, "NAME=value")
    size = process.get("consoleSize") or {}
    terminal = [size.get("height") or 0, size.get("width") or 0] if process.get("terminal") else None
    return {"args": args, "env": env, "cwd": process["cwd"], "terminal": terminal}


def inside_steps(process: Mapping[str, Any], linux: Mapping[str, Any], field: str = "process") -> Iterator[list[Any]]:
    """Yield the steps that a process takes before it gives up its privileges."""
    if process.get("apparmorProfile") or process.get("selinuxLabel"):
        yield from _security_module_steps(process, field)
    yield from rlimit_steps(process.get("rlimits") or (), f"{field}.rlimits")
    if process.get("oomScoreAdj") is not None:
        yield ["oom_score_adj", process["oomScoreAdj"]]
    if process.get("scheduler"):
        from podwright.oci.scheduling import scheduler_step

        yield scheduler_step(process["scheduler"], f"{field}.scheduler")
    if process.get("ioPriority"):
        from podwright.oci.scheduling import io_priority_step

        yield io_priority_step(process["ioPriority"], f"{field}.ioPriority")
    if linux.get("personality"):
        yield _personality(linux["personality"])
    umask = (process.get("user") or {}).get("umask")
    yield ["umask", _DEFAULT_UMASK if umask is None else umask]


def last_steps(
    process: Mapping[str, Any], seccomp: SeccompFilter | None, field: str = "process"
) -> Iterator[list[Any]]:
    """Yield the steps by which a process becomes what it is to be: capabilities, user, no new privileges, filter."""
    user = process.get("user") or {}
    groups = list(user.get("additionalGids") or ())
    if len(groups) > _MAX_GROUPS:
        raise ManifestError(f"{field}.user.additionalGids has more than {_MAX_GROUPS} groups", field=field)
    yield ["capabilities", _capabilities(process.get("capabilities") or {}, f"{field}.capabilities")]
    yield ["user", user.get("uid") or 0, user.get("gid") or 0, groups]
    if process.get("noNewPrivileges"):
        yield ["no_new_privileges"]
    if seccomp is not None:
        yield ["seccomp", seccomp.path, seccomp.flags, seccomp.listener_path, seccomp.listener_metadata]


def _security_module_steps(process: Mapping[str, Any], field: str) -> Iterator[list[Any]]:
    from podwright.oci import lsm

    apparmor = lsm.apparmor_profile(process.get("apparmorProfile") or "", f"{field}.apparmorProfile")
    if apparmor:
        yield ["apparmor", apparmor]
    selinux = lsm.selinux_label(process.get("selinuxLabel") or "", f"{field}.selinuxLabel")
    if selinux:
        yield ["selinux", selinux]


def rlimit_steps(rlimits: Sequence[Mapping[str, Any]], field: str) -> Iterator[list[Any]]:
    """Yield a step for each resource limit."""
    seen: set[str] = set()
    for position, rlimit in enumerate(rlimits):
        kind, soft, hard = rlimit["type"], rlimit["soft"], rlimit["hard"]
        where = f"{field}[{position}]"
        if kind not in RLIMITS:
            raise wrong(f"{where}.type", kind, f"one of {', '.join(RLIMITS)}")
        if kind in seen:
            raise ManifestError(f"{where}: {kind} is listed twice; keep one of both", field=where, value=kind)
        if soft > hard:
            raise ManifestError(f"{where}: the soft limit {soft} is above the hard limit {hard}", field=where)
        seen.add(kind)
        yield ["rlimit", kind, _or_infinity(soft), _or_infinity(hard)]


def _or_infinity(number: int) -> int:
    return -1 if number == U64 else number


def _capabilities(sets: Mapping[str, Any], field: str) -> dict[str, str]:
    """Return the masks. A process that is given none has none, as the runtimes before this one have it."""
    masks = {kind: capabilities.mask(sets.get(kind) or (), field=f"{field}.{kind}") for kind in CAPABILITY_SETS}
    beyond = capabilities.names(masks["effective"] & ~masks["permitted"])
    if beyond:
        raise ManifestError(
            f"{field}.effective: {beyond[0]} is not among the permitted ones; add it there", field=f"{field}.effective"
        )
    # The kernel raises no others (capabilities(7)), and `runc spec` itself has ambient ones that are not inheritable.
    masks["ambient"] &= masks["permitted"] & masks["inheritable"]
    return {kind: f"{mask:016x}" for kind, mask in masks.items()}


def _personality(personality: Mapping[str, Any]) -> list[Any]:
    flags = personality.get("flags") or ()
    if flags:
        raise ManifestError(
            f"linux.personality.flags: {flags[0]!r} is unknown; the runtime-spec has no flags yet",
            field="linux.personality.flags",
            value=flags[0],
        )
    return ["personality", _PERSONALITIES[personality["domain"]]]
