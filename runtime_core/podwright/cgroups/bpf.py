# SPDX-License-Identifier: Apache-2.0
"""The device controller of cgroup v2: a BPF program of type CGROUP_DEVICE (bpf(2), linux/bpf.h), made and attached.

The kernel runs it at every open and mknod of a device by the group's processes; 0 means EPERM. It goes when the group
goes, so nothing has to be kept or detached.
"""

import os
import struct
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from podwright.cgroups.devices import DeviceRule
from podwright.errors import HostError

if TYPE_CHECKING:
    import ctypes

_SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "armv7l": 386, "armv8l": 386,
            "i686": 357, "ppc64le": 361, "s390x": 351}  # fmt: skip
_PROG_LOAD, _PROG_ATTACH, _PROG_QUERY = 5, 8, 16
_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_ALLOW_MULTI = 2  # a group further down may add a program; all of them must agree
_KINDS = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

# Instructions used: opcode bytes of linux/bpf.h, spelt out.
_LOAD32, _MOV, _MOV_REG, _AND, _SHIFT_RIGHT, _JUMP_NE, _EXIT = 0x61, 0xB7, 0xBF, 0x57, 0x77, 0x55, 0x95
_R0, _R1, _R2, _R3, _R4, _R5, _R6 = range(7)


def device_program(rules: Iterable[DeviceRule]) -> bytes:
    """Return the program that allows what some rule allows, and nothing else."""
    program = [
        _instruction(_LOAD32, _R2, source=_R1),  # bpf_cgroup_dev_ctx.access_type: access in the upper half, kind below
        _instruction(_MOV_REG, _R3, source=_R2),
        _instruction(_AND, _R2, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, _R3, value=16),
        _instruction(_LOAD32, _R4, source=_R1, offset=4),  # major
        _instruction(_LOAD32, _R5, source=_R1, offset=8),  # minor
    ]
    for rule in rules:
        program += _rule(rule)
    program += [_instruction(_MOV, _R0, value=0), _instruction(_EXIT)]
    return b"".join(program)


def _rule(rule: DeviceRule) -> list[bytes]:
    refused = 7 & ~sum(_ACCESS[letter] for letter in rule.access)
    # Each test is (preparation, register, value): on inequality the rest of the rule is jumped over.
    tests: list[tuple[list[bytes], int, int]] = [([], _R2, _KINDS[rule.kind])]
    if refused:
        mask = [_instruction(_MOV_REG, _R6, source=_R3), _instruction(_AND, _R6, value=refused)]
        tests.append((mask, _R6, 0))
    if rule.major is not None:
        tests.append(([], _R4, rule.major))
    if rule.minor is not None:
        tests.append(([], _R5, rule.minor))
    code = [_instruction(_MOV, _R0, value=1), _instruction(_EXIT)]
    for preparation, register, value in reversed(tests):
        code = [*preparation, _instruction(_JUMP_NE, register, value=value, offset=len(code)), *code]
    return code


def _instruction(opcode: int, target: int = 0, *, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    registers = target | source << 4 if sys.byteorder == "little" else target << 4 | source
    return struct.pack("=BBhi", opcode, registers, offset, value)


def attach(directory: str, program: bytes) -> None:
    """Load a program and put it on a group. Raises HostError when the kernel refuses."""
    try:
        loaded = _load(program)
        try:
            group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _bpf(_PROG_ATTACH, struct.pack("=IIII", group, loaded, _CGROUP_DEVICE, _ALLOW_MULTI))
            finally:
                os.close(group)
        finally:
            os.close(loaded)
    except OSError as error:
        raise HostError(f"cannot confine {directory} to its devices by BPF: {error.strerror}") from error


def attached(directory: str) -> bool:
    """Tell whether the group itself has a device program."""
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        answer = _bpf(_PROG_QUERY, struct.pack("=IIIIQI4x", group, _CGROUP_DEVICE, 0, 0, 0, 0))
    except OSError as error:
        raise HostError(f"cannot ask for the device program of {directory}: {error.strerror}") from error
    finally:
        os.close(group)
    return bool(struct.unpack("=IIIIQI4x", answer)[5])


def _load(program: bytes) -> int:
    """BPF_PROG_LOAD; kernels before 5.11 may refuse for RLIMIT_MEMLOCK, which is the operator's to raise."""
    import ctypes

    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    attributes = struct.pack(
        "=IIQQIIQ", _PROG_TYPE_CGROUP_DEVICE, len(program) // 8, ctypes.addressof(code), ctypes.addressof(licence),
        0, 0, 0,
    )  # fmt: skip
    return _syscall(_PROG_LOAD, ctypes.create_string_buffer(attributes, len(attributes)))  # the fd is O_CLOEXEC


def _bpf(command: int, attributes: bytes) -> bytes:
    import ctypes

    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    _syscall(command, buffer)
    return buffer.raw


def _syscall(command: int, buffer: "ctypes.Array[ctypes.c_char]") -> int:
    import ctypes

    number = _SYS_BPF.get(os.uname().machine)
    if number is None:
        raise HostError(f"the number of bpf(2) on {os.uname().machine} is not known")
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), ctypes.c_long(command), buffer, ctypes.c_long(len(buffer)))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
