# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles compiled to classic BPF (seccomp(2), Linux' Documentation/networking/filter.rst).

A filter is a program of 8-byte instructions that the kernel runs at each system call. Ours looks at the architecture
first (one that the profile does not name kills the process), then finds the interval of system call numbers that the
number lies in by binary search; at the end of the way stands either a verdict or the comparisons of some arguments.

Podman's default profile, 438 names, compared with what libseccomp 2.5 makes of it as runc calls it (the verdicts are
the same, tests/core/test_seccomp_oracle.py):

========================  =============  ===========  ======================
architectures             instructions   compilation  mean steps of a call
========================  =============  ===========  ======================
x86_64                    87, not 364    1.0, 3.5 ms  10, not 196
x86_64, i386 and x32      310, not 1125  2.2, 15 ms   11, not 231
========================  =============  ===========  ======================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwright.errors import ManifestError
from podwright.security.bpf import (
    AND,
    JEQ,
    JGE,
    JGT,
    LOAD,
    MAX_INSTRUCTIONS,
    OFFSET_ARCH,
    OFFSET_ARGS,
    OFFSET_NR,
    Program,
)
from podwright.security.seccomp_profile import Condition, Rule, read
from podwright.security.seccomp_rules import Rules, resolve
from podwright.security.syscall_table import ABIS, load

if TYPE_CHECKING:
    from collections.abc import Mapping

# linux/audit.h: AUDIT_ARCH_*, and the runtime-spec's name. x32 is x86_64 with a bit in the number.
_AUDIT_ARCH = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
_SPEC_ARCH = {"i386": "SCMP_ARCH_X86", "x32": "SCMP_ARCH_X32", "arm": "SCMP_ARCH_ARM"}
_X32_BIT = 0x40000000
_NO_SYSCALL = 0xFFFFFFFF  # -1: a tracer cancelled the call; the kernel still asks the filter
_ALL = 1 << 32
_NARROW = {"i386", "arm"}
_KILL_PROCESS = Rule((), 0x80000000)
_ENOSYS = Rule((), 0x00050000 | 38)
_LOW = 0xFFFFFFFF

_Leaf = tuple[Rule, ...]
_Points = dict[int, _Leaf]


def compile_filter(profile: Mapping[str, Any], arch: str) -> bytes:
    """Compile a profile in the OCI runtime-spec's form for the kernel of an architecture (``x86_64``, ``aarch64``).

    The native system calls are covered always, those of i386, x32 and 32-bit ARM when the profile lists them; other
    architectures of the list are skipped, no process of this kernel can have them. Returns an array of struct
    sock_filter. Raises ManifestError for a profile that is wrong or needs more instructions than the kernel takes;
    HostError for an architecture without a table.
    """
    tables, wanted = load(arch), read(profile)
    rules = {
        abi: resolve(wanted, abi, tables[abi])
        for abi in ABIS[arch]
        if abi == arch or _SPEC_ARCH[abi] in wanted.architectures
    }
    program = _program(rules)
    if len(program) > MAX_INSTRUCTIONS:
        raise ManifestError(
            f"linux.seccomp needs a filter of {len(program)} instructions, but the kernel takes {MAX_INSTRUCTIONS}: "
            "use fewer conditions on arguments",
            field="linux.seccomp",
        )
    return program.encode()


def _program(rules: dict[str, Rules]) -> Program:
    """Write the whole filter: the native architecture's part last, so that it is the nearest."""
    program = Program()
    kill = program.result(_KILL_PROCESS.result)
    places = {}
    for abi in reversed(rules):
        if abi in _AUDIT_ARCH:
            points = _points(rules[abi], 0, _ALL)
            if abi == "x86_64":
                points = _with_x32(points, rules[abi], rules.get("x32"))
            search = _Calls(program, rules[abi].default, wide=abi not in _NARROW).search(_merge(points))
            places[abi] = program.step(LOAD, OFFSET_NR, search)
    start = kill
    for abi, place in places.items():
        start = program.branch(JEQ, _AUDIT_ARCH[abi], place, start)
    program.step(LOAD, OFFSET_ARCH, start)
    return program


def _points(rules: Rules, first: int, end: int) -> _Points:
    """Cut the numbers from ``first`` to ``end`` where the answer may change."""
    default = (Rule((), rules.default),)
    points: _Points = {first: default}
    if rules.unknown:
        points |= {rules.unknown.start: (_ENOSYS,), rules.unknown.stop: default}
    for number in sorted(rules.syscalls):
        points[number] = rules.syscalls[number]
        points.setdefault(number + 1, default)
    return {number: leaf for number, leaf in points.items() if number < end}


def _with_x32(points: _Points, native: Rules, x32: Rules | None) -> _Points:
    """Put the x32 calls, which begin in the middle of the numbers, into the points of x86_64."""
    beyond = _points(x32, _X32_BIT, _NO_SYSCALL) if x32 else {_X32_BIT: (_KILL_PROCESS,)}
    cancelled = _ENOSYS if native.unknown else Rule((), native.default)
    return {number: leaf for number, leaf in points.items() if number < _X32_BIT} | beyond | {_NO_SYSCALL: (cancelled,)}


def _merge(points: _Points) -> list[tuple[int, _Leaf]]:
    """Return the intervals of one answer: (first number, rules), in order."""
    merged: list[tuple[int, _Leaf]] = []
    for number in sorted(points):
        if not merged or merged[-1][1] != points[number]:
            merged.append((number, points[number]))
    return merged


class _Calls:
    """Writes what happens to the calls of one architecture, whose arguments are ``wide`` (64 bits) or not."""

    def __init__(self, program: Program, default: int, *, wide: bool) -> None:
        self._program = program
        self._default = default
        self._wide = wide
        self._leaves: dict[_Leaf, int] = {}

    def search(self, intervals: list[tuple[int, _Leaf]]) -> int:
        """Write the binary search for the number, which is in the accumulator."""
        if len(intervals) == 1:
            return self._leaf(intervals[0][1])
        middle = len(intervals) // 2
        high, low = self.search(intervals[middle:]), self.search(intervals[:middle])
        return self._program.branch(JGE, intervals[middle][0], high, low)

    def _leaf(self, rules: _Leaf) -> int:
        """Write the rules of one interval: the first that holds decides."""
        if not rules[0].conditions:
            return self._program.result(rules[0].result)
        if rules not in self._leaves:
            place = self._program.result(self._default)
            for rule in reversed(rules):
                other, place = place, self._program.result(rule.result)
                for condition in reversed(rule.conditions):
                    place = self._compare(condition, place, other)
            self._leaves[rules] = place
        return self._leaves[rules]

    def _compare(self, condition: Condition, yes: int, no: int) -> int:
        """Write one comparison of an argument."""
        value, operator = condition.value, condition.operator
        if operator in ("SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE"):  # the opposites of EQ, GE, GT
            yes, no = no, yes
        low_at = OFFSET_ARGS + 8 * condition.argument
        if operator == "SCMP_CMP_MASKED_EQ":
            return self._compare_masked(low_at, value, value & condition.other, yes, no)
        code = {"SCMP_CMP_EQ": JEQ, "SCMP_CMP_NE": JEQ, "SCMP_CMP_GE": JGE, "SCMP_CMP_LT": JGE}.get(operator, JGT)
        program, high = self._program, value >> 32
        low = program.step(LOAD, low_at, program.branch(code, value & _LOW, yes, no))
        if not self._wide:
            return low
        # The accumulator has 32 bits: the high word is looked at first, the low one only where the high one is equal.
        # Both architectures are little-endian, so the high word is the second.
        place = program.branch(JEQ, high, low, no)
        if code != JEQ:
            place = program.branch(JGT, high, yes, place)
        return program.step(LOAD, low_at + 4, place)

    def _compare_masked(self, low_at: int, mask: int, wanted: int, yes: int, no: int) -> int:
        """Write ``argument & mask == wanted``."""
        program = self._program
        low = self._masked(low_at, mask & _LOW, program.branch(JEQ, wanted & _LOW, yes, no))
        if not self._wide or not mask >> 32:
            return low
        return self._masked(low_at + 4, mask >> 32, program.branch(JEQ, wanted >> 32, low, no))

    def _masked(self, offset: int, mask: int, then: int) -> int:
        return self._program.step(LOAD, offset, self._program.step(AND, mask, then))
