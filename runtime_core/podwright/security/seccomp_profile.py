# SPDX-License-Identifier: Apache-2.0
"""A seccomp profile in the OCI runtime-spec's form (config-linux.md, "Seccomp"), read into rules of numbers.

Meaning, chosen so that a profile does here what it does under runc with libseccomp:

- A rule without ``args`` decides its system calls for good; among several such rules the first one counts.
- Otherwise the rules with ``args`` are tried in the order of the profile, and the first whose conditions all hold
  decides. When two conditions of one rule look at the same argument, each condition of that rule is a rule of its own.
- What no rule decides gets the default action.

Only the native architecture is served: 32-bit and x32 calls on a 64-bit kernel are a second, little-tested door, and
kill the process. A system call that only other architectures have is skipped, a name that none has is an error.

Beyond OCI: ``comment`` anywhere, and ``includes``/``excludes`` with ``caps`` in a rule (see default_seccomp.json).
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from podwright.errors import ManifestError
from podwright.security.syscall_table import SyscallTable

OPERATORS = frozenset(f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
_MAX_ERRNO = 4095  # the kernel cuts larger ones to this (linux/err.h)
_EPERM = 1
# linux/seccomp.h: SECCOMP_RET_*
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,  # the old name of KILL_THREAD
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_ERRNO = {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
_ARCHITECTURES = frozenset(
    (
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_ARM",
        "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_MIPS",
        "SCMP_ARCH_MIPS64",
        "SCMP_ARCH_MIPS64N32",
        "SCMP_ARCH_MIPSEL",
        "SCMP_ARCH_MIPSEL64",
        "SCMP_ARCH_MIPSEL64N32",
        "SCMP_ARCH_PPC",
        "SCMP_ARCH_PPC64",
        "SCMP_ARCH_PPC64LE",
        "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X",
        "SCMP_ARCH_PARISC",
        "SCMP_ARCH_PARISC64",
        "SCMP_ARCH_RISCV64",
        "SCMP_ARCH_LOONGARCH64",
        "SCMP_ARCH_M68K",
        "SCMP_ARCH_SH",
        "SCMP_ARCH_SHEB",
    )
)
_ROOT = "linux.seccomp"


class Condition(NamedTuple):
    """One comparison of a 64-bit argument, counted from 0; for MASKED_EQ ``value`` is the mask."""

    argument: int
    operator: str
    value: int
    other: int


class Rule(NamedTuple):
    """If all conditions hold, the filter returns ``result`` (SECCOMP_RET_*)."""

    conditions: tuple[Condition, ...]
    result: int


class Rules(NamedTuple):
    """A whole profile, for one architecture and one set of capabilities."""

    default: int
    syscalls: dict[int, list[Rule]]
    """By system call number. A rule without conditions is alone in its list."""


def resolve(profile: dict[str, Any], table: SyscallTable, caps: Collection[str]) -> Rules:
    """Check a profile and turn it into numbers.

    ManifestError names the first thing in it that is wrong or not supported: nothing of a profile is ever dropped.
    """
    known = {"comment", "defaultAction", "defaultErrnoRet", "architectures", "syscalls", "flags"}
    _only(profile, known, _ROOT)
    if profile.get("flags"):
        raise _wrong(f"{_ROOT}.flags", profile["flags"], "filter flags are not supported; leave the list empty")
    for arch in profile.get("architectures", ()):
        if arch not in _ARCHITECTURES:
            raise _wrong(f"{_ROOT}.architectures", arch, "there is no such architecture")
    default = _result(profile, "defaultAction", "defaultErrnoRet", _ROOT)
    always: dict[int, int] = {}
    conditional: dict[int, list[Rule]] = {}
    for position, entry in enumerate(profile.get("syscalls") or ()):
        where = f"{_ROOT}.syscalls[{position}]"
        _only(entry, {"comment", "names", "action", "errnoRet", "args", "includes", "excludes"}, where)
        rules = _rules(entry, where)
        numbers = _numbers(entry, table, where)
        if not _applies(entry, caps, where):
            continue
        for number in numbers:
            if rules[0].conditions:
                conditional.setdefault(number, []).extend(rules)
            elif rules[0].result != default:  # as in runc, restating the default does not silence other rules
                always.setdefault(number, rules[0].result)
    return Rules(default, conditional | {number: [Rule((), result)] for number, result in always.items()})


def _rules(entry: dict[str, Any], where: str) -> list[Rule]:
    result = _result(entry, "action", "errnoRet", where)
    conditions = tuple(_condition(arg, f"{where}.args[{n}]") for n, arg in enumerate(entry.get("args") or ()))
    if len({condition.argument for condition in conditions}) < len(conditions):
        return [Rule((condition,), result) for condition in conditions]
    return [Rule(conditions, result)]


def _condition(arg: dict[str, Any], where: str) -> Condition:
    _only(arg, {"comment", "index", "value", "valueTwo", "op"}, where)
    index, value, other = arg.get("index"), arg.get("value"), arg.get("valueTwo", 0)
    if type(index) is not int or not 0 <= index <= 5:
        raise _wrong(f"{where}.index", index, "a system call has the arguments 0 to 5")
    for key, number in (("value", value), ("valueTwo", other)):
        if type(number) is not int or not 0 <= number < 1 << 64:
            raise _wrong(f"{where}.{key}", number, "must be an unsigned 64-bit number")
    if arg.get("op") not in OPERATORS:
        raise _wrong(f"{where}.op", arg.get("op"), "there is no such comparison")
    return Condition(index, arg["op"], value, other)  # type: ignore[arg-type]  # the loop has checked value


def _numbers(entry: dict[str, Any], table: SyscallTable, where: str) -> list[int]:
    if not entry.get("names"):
        raise _wrong(f"{where}.names", entry.get("names"), "must name at least one system call")
    found = []
    for name in entry["names"]:
        if name in table.numbers:
            found.append(table.numbers[name])
        elif name not in table.elsewhere:
            raise _wrong(f"{where}.names", name, "no architecture has such a system call")
    return found


def _applies(entry: dict[str, Any], caps: Collection[str], where: str) -> bool:
    for key in ("includes", "excludes"):
        _only(entry.get(key, {}), {"caps"}, f"{where}.{key}")
    wanted, unwanted = entry.get("includes", {}).get("caps", ()), entry.get("excludes", {}).get("caps", ())
    return all(cap in caps for cap in wanted) and not any(cap in caps for cap in unwanted)


def _result(entry: dict[str, Any], action_key: str, errno_key: str, where: str) -> int:
    action, number = entry.get(action_key), entry.get(errno_key)
    if action == "SCMP_ACT_NOTIFY":
        raise _wrong(f"{where}.{action_key}", action, "system call notification is not supported")
    if action not in _ACTIONS:
        raise _wrong(f"{where}.{action_key}", action, "there is no such action")
    if action not in _WITH_ERRNO:
        if number is not None:
            raise _wrong(f"{where}.{errno_key}", number, f"{action} has no error number")
        return _ACTIONS[action]
    if number is None:
        number = _EPERM
    if type(number) is not int or not 0 <= number <= _MAX_ERRNO:
        raise _wrong(f"{where}.{errno_key}", number, f"must be an error number from 0 to {_MAX_ERRNO}")
    return _ACTIONS[action] | number


def _only(value: Any, known: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(where, value, "must be an object")
    for key in value:
        if key not in known:
            raise _wrong(f"{where}.{key}", value[key], "is not supported")


def _wrong(field: str, value: object, reason: str) -> ManifestError:
    return ManifestError(f"{field} is {value!r}: {reason}", field=field, value=value)
