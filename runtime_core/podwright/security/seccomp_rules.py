# SPDX-License-Identifier: Apache-2.0
"""A profile's rules for one table of system call numbers: what is asked for each number, and above the last.

Two things a profile does not say and that runc and libseccomp do all the same:

- A number above the newest call that the profile names gets ENOSYS where the default action is another error: the C
  library then falls back to an older call, while it takes EPERM for the answer. Whoever wrote the profile cannot have
  meant a call that was not invented then.
- i386 has two more ways to a socket or to System V IPC, ``socketcall`` and ``ipc``: a rule for ``bind`` holds for both.
  There the arguments lie in memory, where a filter cannot look. So of a rule with ``args`` the stricter one of its
  action and the default action is taken, so that no way around it is left. (libseccomp takes the action in any case.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from podwright.security.seccomp_profile import Condition, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwright.security.seccomp_profile import Profile

_ERRNO = 0x00050000
_ACTION = 0xFFFF0000  # SECCOMP_RET_ACTION_FULL
_ARM_PRIVATE = 0x0F0000  # where ARM's own calls begin (set_tls), far above the common ones
# linux/net.h: SYS_*, and linux/ipc.h
_SOCKETCALL = ("socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send",
               "recv", "sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4",
               "recvmmsg", "sendmmsg")  # fmt: skip
_IPC = {"semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12, "msgget": 13, "msgctl": 14,
        "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24}  # fmt: skip
_MULTIPLEXED = {name: ("socketcall", Condition(0, "SCMP_CMP_EQ", n, 0)) for n, name in enumerate(_SOCKETCALL, start=1)}
# The upper half of ipc's first argument is a version, which most calls do not look at.
_MULTIPLEXED |= {name: ("ipc", Condition(0, "SCMP_CMP_MASKED_EQ", 0xFFFF, n)) for name, n in _IPC.items()}


class Rules(NamedTuple):
    """What holds for one table of numbers."""

    default: int
    syscalls: dict[int, tuple[Rule, ...]]
    """By system call number. A rule without conditions is alone."""
    unknown: range
    """The numbers that get ENOSYS, if any."""


def resolve(profile: Profile, abi: str, numbers: Mapping[str, int]) -> Rules:
    """Return the rules of a profile for a table of ``syscall_table``."""
    by_name = _by_name(profile)
    if abi == "i386":
        _multiplex(by_name, profile.default)
    syscalls = {numbers[name]: tuple(rules) for name, rules in by_name.items() if name in numbers}
    return Rules(profile.default, syscalls, _unknown(profile, abi, numbers))


def _by_name(profile: Profile) -> dict[str, list[Rule]]:
    always: dict[str, list[Rule]] = {}
    conditional: dict[str, list[Rule]] = {}
    for names, rules in profile.entries:
        if rules[0].result == profile.default:
            continue
        for name in names:
            if rules[0].conditions:
                conditional.setdefault(name, []).extend(rules)
            else:
                always.setdefault(name, [rules[0]])
    return conditional | always


def _multiplex(by_name: dict[str, list[Rule]], default: int) -> None:
    for name, (gate, condition) in _MULTIPLEXED.items():
        rules = by_name.get(name, [])
        results = [rule.result for rule in rules if not rule.conditions or _leniency(rule.result) < _leniency(default)]
        through = by_name.setdefault(gate, []) if results else []
        if not through or through[0].conditions:  # a rule for the whole gate decides for good
            through += [Rule((condition,), result) for result in sorted(results, key=_leniency)[:1]]


def _leniency(result: int) -> int:
    """Order results as the kernel does among several filters: as signed numbers, the least is the strictest."""
    action = result & _ACTION
    return action - (1 << 32) if action >> 31 else action


def _unknown(profile: Profile, abi: str, numbers: Mapping[str, int]) -> range:
    end = _ARM_PRIVATE if abi == "arm" else 1 << 32
    named = {numbers[name] for entry in profile.entries for name in entry.names if name in numbers}
    newest = max((number for number in named if number < end), default=None)
    if newest is None or profile.default & _ACTION != _ERRNO:
        return range(0)
    return range(newest + 1, end)
