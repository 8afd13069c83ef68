# SPDX-License-Identifier: Apache-2.0
"""``linux.seccomp`` of the OCI runtime-spec (config-linux.md, "Seccomp"), checked and read into numbers.

What a profile does here is what it does under runc and crun with libseccomp:

- A rule whose action is the default action says nothing. A rule without ``args`` decides its system calls for good; of
  several the first counts. Otherwise the rules with ``args`` are tried in the order of the profile, and the first whose
  conditions all hold decides. What no rule decides gets the default action.
- When two conditions of one rule look at the same argument, each condition of that rule is a rule of its own.
- The name of a system call that an architecture does not have is skipped there: a profile is written for many kernels.
- A property that the specification does not know is ignored, as it demands of runtimes. A word of its own that is
  unknown, an action say, is an error that names the field: guessing would open what was to be shut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from podwright.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = "linux.seccomp"
OPERATORS = frozenset(f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
_EPERM = 1
_NOTIFY = "SCMP_ACT_NOTIFY"
# linux/seccomp.h: SECCOMP_RET_*
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,  # the old name of KILL_THREAD
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    _NOTIFY: 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
# The kernel cuts a larger error number to the first limit (linux/err.h); a tracer is told 16 bits.
_WITH_NUMBER = {"SCMP_ACT_ERRNO": 4095, "SCMP_ACT_TRACE": 0xFFFF}
_ARCHITECTURES = frozenset(
    f"SCMP_ARCH_{name}"
    for name in ("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64",
                 "MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64",
                 "LOONGARCH64", "M68K", "SH", "SHEB")
)  # fmt: skip
_FLAGS = frozenset(f"SECCOMP_FILTER_FLAG_{name}" for name in ("TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"))
# podinit makes these between the load of the filter and the program's start, when nobody answers for them yet: it hands
# the listener over, becomes the user (after the load, unless there is no_new_privs), closes what it has open, executes.
_NEVER_NOTIFY = frozenset(
    ("sendmsg", "sendto", "recvmsg", "recvfrom", "read", "write", "close", "close_range", "accept4", "dup3", "execve",
     "prctl", "capset", "setgroups", "setresgid", "setresuid", "chdir", "getcwd", "exit_group")
)  # fmt: skip


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


class Entry(NamedTuple):
    """One entry of ``syscalls``: what holds for each of the names."""

    names: tuple[str, ...]
    rules: tuple[Rule, ...]


class Profile(NamedTuple):
    """A whole profile."""

    default: int
    architectures: frozenset[str]
    entries: tuple[Entry, ...]


def read(profile: Mapping[str, Any]) -> Profile:
    """Check a profile and turn its actions and conditions into numbers; ManifestError names the first that is wrong."""
    default = _result(_object(profile, ROOT), "defaultAction", "defaultErrnoRet", ROOT)
    if profile["defaultAction"] == _NOTIFY:
        raise wrong(f"{ROOT}.defaultAction", _NOTIFY, "nobody could answer for the calls that start the container")
    architectures = _words(profile, "architectures", _ARCHITECTURES, "there is no such architecture")
    _words(profile, "flags", _FLAGS, "there is no such flag")
    entries = tuple(
        _entry(entry, f"{ROOT}.syscalls[{n}]") for n, entry in enumerate(list_in(profile, "syscalls", ROOT))
    )
    _check_listener(profile)
    if any(entry.rules[0].result == _ACTIONS[_NOTIFY] for entry in entries) and not profile.get("listenerPath"):
        raise wrong(f"{ROOT}.listenerPath", None, "SCMP_ACT_NOTIFY needs the socket of an agent that answers")
    return Profile(default, architectures, entries)


def _entry(entry: Any, where: str) -> Entry:
    result = _result(_object(entry, where), "action", "errnoRet", where)
    names = list_in(entry, "names", where)
    if not names:
        raise wrong(f"{where}.names", entry.get("names"), "must name at least one system call")
    for name in names:
        if not isinstance(name, str) or not name:
            raise wrong(f"{where}.names", name, "must be the name of a system call")
        if entry["action"] == _NOTIFY and name in _NEVER_NOTIFY:
            raise wrong(f"{where}.names", name, "starting the container needs this call: it cannot be SCMP_ACT_NOTIFY")
    conditions = tuple(_condition(arg, f"{where}.args[{n}]") for n, arg in enumerate(list_in(entry, "args", where)))
    if len({condition.argument for condition in conditions}) < len(conditions):
        return Entry(tuple(names), tuple(Rule((condition,), result) for condition in conditions))
    return Entry(tuple(names), (Rule(conditions, result),))


def _condition(arg: Any, where: str) -> Condition:
    index, operator = _object(arg, where).get("index"), arg.get("op")
    value, other = arg.get("value"), arg.get("valueTwo", 0)
    if type(index) is not int or not 0 <= index <= 5:
        raise wrong(f"{where}.index", index, "a system call has the arguments 0 to 5")
    for key, number in (("value", value), ("valueTwo", other)):
        if type(number) is not int or not 0 <= number < 1 << 64:
            raise wrong(f"{where}.{key}", number, "must be an unsigned 64-bit number")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise wrong(f"{where}.op", operator, "there is no such comparison")
    return Condition(index, operator, value, other)


def _result(entry: Mapping[str, Any], action_key: str, errno_key: str, where: str) -> int:
    action, number = entry.get(action_key), entry.get(errno_key)
    if not isinstance(action, str) or action not in _ACTIONS:
        raise wrong(f"{where}.{action_key}", action, "there is no such action")
    limit = _WITH_NUMBER.get(action)
    if limit is None:
        if number is not None:
            raise wrong(f"{where}.{errno_key}", number, f"{action} has no error number")
        return _ACTIONS[action]
    if number is None:
        number = _EPERM
    if type(number) is not int or not 0 <= number <= limit:
        raise wrong(f"{where}.{errno_key}", number, f"must be an error number from 0 to {limit}")
    return _ACTIONS[action] | number


def _check_listener(profile: Mapping[str, Any]) -> None:
    path, metadata = profile.get("listenerPath"), profile.get("listenerMetadata")
    if not isinstance(path, str | None) or (path and not path.startswith("/")) or "\0" in (path or ""):
        raise wrong(f"{ROOT}.listenerPath", path, "must be the absolute path of a socket")
    if not isinstance(metadata, str | None):
        raise wrong(f"{ROOT}.listenerMetadata", metadata, "must be a string")
    if metadata and not path:
        raise wrong(f"{ROOT}.listenerMetadata", metadata, "needs a listenerPath to be sent to")


def _words(profile: Mapping[str, Any], key: str, known: frozenset[str], reason: str) -> frozenset[str]:
    words = list_in(profile, key, ROOT)
    for word in words:
        if not isinstance(word, str) or word not in known:
            raise wrong(f"{ROOT}.{key}", word, reason)
    return frozenset(words)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise wrong(where, value, "must be an object")
    return value


def list_in(value: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """Return the list under a key, empty when there is none."""
    found = value.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise wrong(f"{where}.{key}", found, "must be a list")
    return found


def wrong(field: str, value: object, reason: str) -> ManifestError:
    """Return the error for a field of a profile."""
    return ManifestError(f"{field} is {value!r}: {reason}", field=field, value=value)
