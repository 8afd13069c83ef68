# SPDX-License-Identifier: Apache-2.0
"""The device program of cgroup v2, run by an interpreter of the few instructions that it uses."""

import struct
import sys

from hypothesis import given
from hypothesis import strategies as st

from podwright.cgroups.bpf import device_program
from podwright.cgroups.devices import DEFAULT_RULES, DeviceRule

ACCESS = {"m": 1, "r": 2, "w": 4}
numbers = st.integers(0, 6)
rules = st.builds(
    DeviceRule,
    st.sampled_from("abc"),
    st.none() | numbers,
    st.none() | numbers,
    st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"]),
    allow=st.booleans(),
)


def run(program, kind, major, minor, access):
    context = [access << 16 | kind, major, minor]
    registers, at = [0] * 11, 0
    while True:
        opcode, packed, offset, value = struct.unpack_from("=BBhi", program, at * 8)
        low, high = packed & 15, packed >> 4
        target, source = (low, high) if sys.byteorder == "little" else (high, low)
        at += 1
        if opcode == 0x61:
            registers[target] = context[offset // 4]
        elif opcode == 0xB7:
            registers[target] = value
        elif opcode == 0xBF:
            registers[target] = registers[source]
        elif opcode == 0x57:
            registers[target] &= value
        elif opcode == 0x77:
            registers[target] >>= value
        elif opcode == 0x15:
            at += offset if registers[target] == value else 0
        elif opcode == 0x55:
            at += offset if registers[target] != value else 0
        elif opcode == 0x95:
            return registers[0]
        else:
            raise AssertionError(f"opcode {opcode:#x}")


def allowed(listed, kind, major, minor, letter):
    verdict = False
    for rule in listed:
        if rule.kind in ("a", kind) and rule.major in (None, major) and rule.minor in (None, minor):
            verdict = rule.allow if letter in rule.access else verdict
    return verdict


def reachable(program):
    """Follow every branch, as the verifier does, which refuses a program with an instruction that none reaches."""
    pending, seen = [0], set()
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        opcode, _, offset, _ = struct.unpack_from("=BBhi", program, at * 8)
        pending += [] if opcode == 0x95 else [at + 1, at + 1 + offset] if opcode in (0x15, 0x55) else [at + 1]
    return len(seen) == len(program) // 8


@given(st.lists(rules, max_size=8), st.sampled_from("bc"), numbers, numbers, st.integers(1, 7))
def test_the_program_decides_as_the_rules_say(listed, kind, major, minor, access):
    program = device_program(listed)
    verdict = run(program, {"b": 1, "c": 2}[kind], major, minor, access)
    wanted = [letter for letter, bit in ACCESS.items() if access & bit]
    assert verdict == all(allowed(listed, kind, major, minor, letter) for letter in wanted)
    assert reachable(program)


def test_the_defaults():
    program = device_program(DEFAULT_RULES)
    assert run(program, 2, 1, 3, 6) == 1  # read and write null
    assert run(program, 2, 136, 77, 6) == 1  # a pseudoterminal
    assert run(program, 1, 8, 0, 1) == 1  # make a node of a disk
    assert run(program, 1, 8, 0, 2) == 0  # read it
    assert run(program, 2, 1, 1, 2) == 0  # read memory
    assert run(program, 2, 5, 1, 4) == 0  # write to the host's console


def test_v1_text():
    assert [str(rule) for rule in DEFAULT_RULES][:3] == ["c *:* m", "b *:* m", "c 1:3 rwm"]
