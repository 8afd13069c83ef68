# SPDX-License-Identifier: Apache-2.0
"""Docker's form of a seccomp profile (moby/profiles, containers/common), turned into the OCI runtime-spec's.

Engines keep one profile for all machines and containers: its rules may depend on the container's capabilities, on the
architecture and on the kernel, and ``archMap`` tells an architecture's relatives. A profile in the runtime-spec's form
passes unchanged. Unlike a bundle's, such a file is written by hand: a property that is unknown is an error.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from podwright.security.seccomp_profile import ROOT, list_in, wrong

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PROFILE_KEYS = {"comment", "defaultAction", "defaultErrnoRet", "defaultErrno", "archMap", "architectures", "flags",
                 "listenerPath", "listenerMetadata", "syscalls"}  # fmt: skip
_RULE_KEYS = {"comment", "name", "names", "action", "errnoRet", "errno", "args", "includes", "excludes"}
_CONDITION_KEYS = {"comment", "index", "value", "valueTwo", "op"}
_FILTER_KEYS = {"caps", "arches", "minKernel"}
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_SPEC_ARCH = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}


def to_oci(profile: Mapping[str, Any], arch: str, caps: Collection[str], kernel: str | None = None) -> dict[str, Any]:
    """Return the profile for an architecture, a container's capabilities and a kernel release (this host's).

    ManifestError names what is unknown or wrong of Docker's additions; the rest is for ``seccomp_profile.read``.
    """
    _only(profile, _PROFILE_KEYS, ROOT)
    version = _version(kernel or os.uname().release, "kernel")
    result = {key: profile[key] for key in profile.keys() - {"comment", "archMap", "defaultErrno", "syscalls"}}
    if result.get("defaultErrnoRet") is None and profile.get("defaultErrno"):
        result["defaultErrnoRet"] = _errno(profile["defaultErrno"], f"{ROOT}.defaultErrno")
    if profile.get("archMap"):
        if profile.get("architectures"):
            raise wrong(f"{ROOT}.archMap", profile["archMap"], "cannot be used together with architectures")
        result["architectures"] = _architectures(list_in(profile, "archMap", ROOT), arch)
    result["syscalls"] = []
    for position, entry in enumerate(list_in(profile, "syscalls", ROOT)):
        where = f"{ROOT}.syscalls[{position}]"
        rule = _rule(entry, where)
        wanted = _facts(entry, "includes", where)
        unwanted = _facts(entry, "excludes", where)
        if _includes(wanted, arch, caps, version, where) and not _excludes(unwanted, arch, caps, version, where):
            result["syscalls"].append(rule)
    return result


def _rule(entry: Any, where: str) -> dict[str, Any]:
    _only(entry, _RULE_KEYS, where)
    for position, arg in enumerate(list_in(entry, "args", where)):
        _only(arg, _CONDITION_KEYS, f"{where}.args[{position}]")
    rule = {key: entry[key] for key in entry.keys() & {"names", "action", "errnoRet", "args"}}
    if entry.get("name"):
        if entry.get("names"):
            raise wrong(f"{where}.name", entry["name"], "cannot be used together with names")
        rule["names"] = [entry["name"]]
    if rule.get("errnoRet") is None and entry.get("errno"):
        rule["errnoRet"] = _errno(entry["errno"], f"{where}.errno")
    return rule


def _includes(
    wanted: Mapping[str, Any], arch: str, caps: Collection[str], version: tuple[int, int], where: str
) -> bool:
    return (
        all(cap in caps for cap in wanted.get("caps") or ())
        and (not wanted.get("arches") or _GO_ARCH.get(arch) in wanted["arches"])
        and (not wanted.get("minKernel") or version >= _version(wanted["minKernel"], f"{where}.includes.minKernel"))
    )


def _excludes(
    unwanted: Mapping[str, Any], arch: str, caps: Collection[str], version: tuple[int, int], where: str
) -> bool:
    return (
        any(cap in caps for cap in unwanted.get("caps") or ())
        or _GO_ARCH.get(arch) in (unwanted.get("arches") or ())
        or bool(unwanted.get("minKernel") and version >= _version(unwanted["minKernel"], f"{where}.excludes.minKernel"))
    )


def _facts(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    facts = entry.get(key) or {}
    _only(facts, _FILTER_KEYS, f"{where}.{key}")
    for kind in ("caps", "arches"):
        list_in(facts, kind, f"{where}.{key}")
    return facts


def _architectures(entries: list[Any], arch: str) -> list[Any]:
    native = _SPEC_ARCH.get(arch, arch)
    for position, entry in enumerate(entries):
        where = f"{ROOT}.archMap[{position}]"
        _only(entry, {"architecture", "subArchitectures"}, where)
        if entry.get("architecture") == native:
            return [native, *list_in(entry, "subArchitectures", where)]
    return []


def _version(release: object, where: str) -> tuple[int, int]:
    """Return major and minor of a kernel release; what follows them does not count."""
    parts = str(release).replace("-", ".").split(".")
    if len(parts) < 2 or not parts[0].isdecimal() or not parts[1].isdecimal():
        raise wrong(where, release, "must be a kernel version such as 4.8")
    return int(parts[0]), int(parts[1])


def _errno(name: Any, where: str) -> int:
    number = getattr(errno, name, None) if isinstance(name, str) and name.startswith("E") else None
    if not isinstance(number, int):
        raise wrong(where, name, "there is no such error")
    return number


def _only(value: Any, known: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise wrong(where, value, "must be an object")
    for key in value:
        if key not in known:
            raise wrong(f"{where}.{key}", value[key], "is not supported")
