# SPDX-License-Identifier: Apache-2.0
"""A machine that runs seccomp's BPF programs as the kernel does, for the tests of the compiler."""

import struct

from podwright.security.syscall_table import ABIS, load

AUDIT = {"x86_64": 0xC000003E, "x32": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
KILL_PROCESS, KILL_THREAD, TRAP, ERRNO = 0x80000000, 0, 0x30000, 0x50000
NOTIFY, TRACE, LOG, ALLOW = 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000
EPERM, ENOSYS = 1, 38
NUMBERS = {abi: table for arch in ABIS for abi, table in load(arch).items()}


def run(program: bytes, number: int, args: tuple[int, ...] = (), abi: str = "x86_64", audit: int = 0) -> int:
    """Return the verdict of a filter."""
    return steps(program, number, args, audit or AUDIT[abi])[0]


def steps(program: bytes, number: int, args: tuple[int, ...], audit: int) -> tuple[int, int]:
    """Run a filter: (verdict, instructions executed)."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *(*args, 0, 0, 0, 0, 0, 0)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = at = count = 0
    while True:
        operation, jt, jf, k = code[at]
        at, count = at + 1, count + 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x54:
                accumulator &= k
            case 0x05:
                at += k
            case 0x15:
                at += jt if accumulator == k else jf
            case 0x25:
                at += jt if accumulator > k else jf
            case 0x35:
                at += jt if accumulator >= k else jf
            case 0x45:
                at += jt if accumulator & k else jf
            case 0x06:
                return k, count
            case _:
                raise AssertionError(f"the kernel has no instruction {operation:#x} for us")


def verdict(program: bytes, name: str, *args: int, abi: str = "x86_64") -> int:
    """Return the verdict on a system call by name."""
    return run(program, NUMBERS[abi][name], args, abi)
