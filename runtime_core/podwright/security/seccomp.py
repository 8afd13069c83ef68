# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles compiled to classic BPF (seccomp(2), Linux' Documentation/networking/filter.rst).

A filter is a program of 8-byte instructions that the kernel runs at each system call. Ours looks at the architecture
first (foreign ones die), then for x32 calls (they die too), then finds the interval of system call numbers that the
number lies in by binary search; at the end of the way stands either a verdict or the comparisons of some arguments.
Compared with the linear list that libseccomp makes by default, the way is about 10 instructions instead of hundreds,
and no library is loaded.
"""

import struct
from collections.abc import Collection
from typing import Any

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
from podwright.security.seccomp_profile import Condition, Rule, Rules, resolve
from podwright.security.syscall_table import load

# linux/audit.h: AUDIT_ARCH_*
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NO_SYSCALL = 0xFFFFFFFF  # -1: a tracer cancelled the call; the kernel still asks the filter
_KILL_PROCESS = 0x80000000

_Leaf = tuple[Rule, ...]


def compile_filter(profile: dict[str, Any], arch: str, caps: Collection[str]) -> bytes:
    """Compile a profile for an architecture (``x86_64``, ``aarch64``) and a container's capabilities.

    Returns an array of struct sock_filter. Raises ManifestError for a profile that is wrong, asks for what is not
    supported, or needs more instructions than the kernel takes; HostError for an architecture without a table.
    """
    rules = resolve(profile, load(arch), caps)
    program = _prologue(arch) + _search(_intervals(rules), rules.default)
    if len(program) > MAX_INSTRUCTIONS:
        raise ManifestError(
            f"linux.seccomp needs a filter of {len(program)} instructions, but the kernel takes {MAX_INSTRUCTIONS}: "
            "use fewer conditions on arguments",
            field="linux.seccomp",
        )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _prologue(arch: str) -> Program:
    program = [
        Instruction(LOAD, 0, 0, OFFSET_ARCH),
        Instruction(JEQ, 1, 0, _AUDIT_ARCH[arch]),
        Instruction(RETURN, 0, 0, _KILL_PROCESS),
        Instruction(LOAD, 0, 0, OFFSET_NR),
    ]
    if arch == "x86_64":
        program += [
            Instruction(JGE, 0, 2, _X32_BIT),
            Instruction(JEQ, 1, 0, _NO_SYSCALL),
            Instruction(RETURN, 0, 0, _KILL_PROCESS),
        ]
    return program


def _intervals(rules: Rules) -> list[tuple[int, _Leaf]]:
    """Cut the system call numbers into intervals of one answer: (first number, rules), the first from 0."""
    default: _Leaf = (Rule((), rules.default),)
    points = {0: default}
    for number in sorted(rules.syscalls):
        points[number] = tuple(rules.syscalls[number])
        points.setdefault(number + 1, default)
    merged: list[tuple[int, _Leaf]] = []
    for number in sorted(points):
        if not merged or merged[-1][1] != points[number]:
            merged.append((number, points[number]))
    return merged


def _search(intervals: list[tuple[int, _Leaf]], default: int) -> Program:
    """Emit the binary search; the accumulator holds the number."""
    if len(intervals) == 1:
        return _leaf(intervals[0][1], default)
    middle = len(intervals) // 2
    low, high = _search(intervals[:middle], default), _search(intervals[middle:], default)
    pivot = intervals[middle][0]
    if len(low) <= FAR:
        return [Instruction(JGE, len(low), 0, pivot), *low, *high]
    return [Instruction(JGE, 0, 1, pivot), Instruction(JUMP, 0, 0, len(low)), *low, *high]


def _leaf(rules: _Leaf, default: int) -> Program:
    """Emit the rules of one interval: the first that holds returns."""
    program: Program = []
    for rule in rules:
        verdict = Instruction(RETURN, 0, 0, rule.result)
        body: Program = [verdict]
        for condition in reversed(rule.conditions):
            body = _compare(condition, len(body)) + body
        program += body
    if rules[-1].conditions:
        program.append(Instruction(RETURN, 0, 0, default))
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
