# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles compiled to classic BPF (seccomp(2), Linux' Documentation/networking/filter.rst).

A filter is a program of 8-byte instructions that the kernel runs at each system call. Ours looks at the architecture
first (one that the profile does not name kills the process), then finds the interval of system call numbers that the
number lies in by binary search; at the end of the way stands either a verdict or the comparisons of some arguments.

Compared with what libseccomp 2.5 makes of Docker's default profile: for x86_64 alone 113 instructions instead of 337,
for x86_64, i386 and x32 together about 400 instead of 1,001, and 11 steps for a call instead of hundreds.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from podwright.errors import ManifestError
from podwright.security.bpf import (
    AND,
    FAR,
    JEQ,
    JGE,
    JGT,
    JUMP,
    LOAD,
    MAX_INSTRUCTIONS,
    OFFSET_ARCH,
    OFFSET_ARGS,
    OFFSET_NR,
    RETURN,
    Instruction,
    Program,
)
from podwright.security.seccomp_profile import Condition, Rule, read
from podwright.security.seccomp_rules import Rules, resolve
from podwright.security.syscall_table import ABIS, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# linux/audit.h: AUDIT_ARCH_*, and the runtime-spec's name. x32 is x86_64 with a bit in the number.
_AUDIT_ARCH = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
_SPEC_ARCH = {"i386": "SCMP_ARCH_X86", "x32": "SCMP_ARCH_X32", "arm": "SCMP_ARCH_ARM"}
_X32_BIT = 0x40000000
_NO_SYSCALL = 0xFFFFFFFF  # -1: a tracer cancelled the call; the kernel still asks the filter
_ALL = 1 << 32
_NARROW = {"i386", "arm"}
_KILL_PROCESS = Rule((), 0x80000000)
_ENOSYS = Rule((), 0x00050000 | 38)

_Leaf = tuple[Rule, ...]
_Points = dict[int, _Leaf]


class _Way(NamedTuple):
    """What holds for all of an architecture's calls: the default result, and how to emit a comparison."""

    default: int
    compare: Callable[[Condition, int], Program]


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
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _program(rules: dict[str, Rules]) -> Program:
    """Emit the whole filter: the native architecture's part is the nearest."""
    program = [Instruction(LOAD, 0, 0, OFFSET_ARCH)]
    for abi, found in rules.items():
        if abi in _AUDIT_ARCH:
            way = _Way(found.default, _compare_narrow if abi in _NARROW else _compare)
            points = _points(found, 0, _ALL)
            if abi == "x86_64":
                points = _with_x32(points, found, rules.get("x32"))
            body = [Instruction(LOAD, 0, 0, OFFSET_NR), *_search(_merge(points), way)]
            if len(body) <= FAR:
                program += [Instruction(JEQ, 0, len(body), _AUDIT_ARCH[abi]), *body]
            else:
                program += [Instruction(JEQ, 1, 0, _AUDIT_ARCH[abi]), Instruction(JUMP, 0, 0, len(body)), *body]
    return [*program, Instruction(RETURN, 0, 0, _KILL_PROCESS.result)]


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


def _search(intervals: list[tuple[int, _Leaf]], way: _Way) -> Program:
    """Emit the binary search; the accumulator holds the number."""
    if len(intervals) == 1:
        return _leaf(intervals[0][1], way)
    middle = len(intervals) // 2
    low, high = _search(intervals[:middle], way), _search(intervals[middle:], way)
    pivot = intervals[middle][0]
    if len(low) <= FAR:
        return [Instruction(JGE, len(low), 0, pivot), *low, *high]
    return [Instruction(JGE, 0, 1, pivot), Instruction(JUMP, 0, 0, len(low)), *low, *high]


def _leaf(rules: _Leaf, way: _Way) -> Program:
    """Emit the rules of one interval: the first that holds returns."""
    program: Program = []
    for rule in rules:
        verdict = Instruction(RETURN, 0, 0, rule.result)
        body: Program = [verdict]
        for condition in reversed(rule.conditions):
            body = way.compare(condition, len(body)) + body
        program += body
    if rules[-1].conditions:
        program.append(Instruction(RETURN, 0, 0, way.default))
    return program


def _compare(condition: Condition, skip: int) -> Program:
    """Emit one comparison: go on to the next instruction if it holds, else jump over ``skip`` more.

    BPF's accumulator has 32 bits: the high word is compared first, the low one only where the high one is equal. Both
    architectures are little-endian, so the high word is the second.
    """
    low_at = OFFSET_ARGS + 8 * condition.argument
    high_load, low_load = Instruction(LOAD, 0, 0, low_at + 4), Instruction(LOAD, 0, 0, low_at)
    high, low = condition.value >> 32, condition.value & 0xFFFFFFFF
    match condition.operator:
        case "SCMP_CMP_EQ":
            return [
                high_load,
                Instruction(JEQ, 0, 2 + skip, high),
                low_load,
                Instruction(JEQ, 0, skip, low),
            ]
        case "SCMP_CMP_NE":
            return [
                high_load,
                Instruction(JEQ, 0, 2, high),
                low_load,
                Instruction(JEQ, skip, 0, low),
            ]
        case "SCMP_CMP_MASKED_EQ":
            return _compare_masked(condition, high_load, low_load, skip)
        case "SCMP_CMP_GE" | "SCMP_CMP_GT":
            return [
                high_load,
                Instruction(JGT, 3, 0, high),
                Instruction(JEQ, 0, 2 + skip, high),
                low_load,
                Instruction(JGE if condition.operator == "SCMP_CMP_GE" else JGT, 0, skip, low),
            ]
        case _:  # LT and LE are the opposites of GE and GT
            return [
                high_load,
                Instruction(JGT, 3 + skip, 0, high),
                Instruction(JEQ, 0, 2, high),
                low_load,
                Instruction(JGE if condition.operator == "SCMP_CMP_LT" else JGT, skip, 0, low),
            ]


def _compare_masked(condition: Condition, high_load: Instruction, low_load: Instruction, skip: int) -> Program:
    """Emit ``argument & value == other``; datum bits outside the mask are ignored, as libseccomp does."""
    mask, datum = condition.value, condition.value & condition.other
    program = [
        low_load,
        Instruction(AND, 0, 0, mask & 0xFFFFFFFF),
        Instruction(JEQ, 0, skip, datum & 0xFFFFFFFF),
    ]
    if mask >> 32:
        program = [
            high_load,
            Instruction(AND, 0, 0, mask >> 32),
            Instruction(JEQ, 0, len(program) + skip, datum >> 32),
            *program,
        ]
    return program


def _compare_narrow(condition: Condition, skip: int) -> Program:
    """Emit the comparison of an argument of 32 bits.

    As with libseccomp, the upper half of a profile's value does not count: -1 in 64 bits is the -1 of such a program.
    """
    load_argument = Instruction(LOAD, 0, 0, OFFSET_ARGS + 8 * condition.argument)
    value, other = condition.value & 0xFFFFFFFF, condition.other & 0xFFFFFFFF
    match condition.operator:
        case "SCMP_CMP_EQ":
            return [load_argument, Instruction(JEQ, 0, skip, value)]
        case "SCMP_CMP_NE":
            return [load_argument, Instruction(JEQ, skip, 0, value)]
        case "SCMP_CMP_MASKED_EQ":
            return [load_argument, Instruction(AND, 0, 0, value), Instruction(JEQ, 0, skip, value & other)]
        case "SCMP_CMP_GE" | "SCMP_CMP_GT":
            return [load_argument, Instruction(JGE if condition.operator == "SCMP_CMP_GE" else JGT, 0, skip, value)]
        case _:
            return [load_argument, Instruction(JGE if condition.operator == "SCMP_CMP_LT" else JGT, skip, 0, value)]
