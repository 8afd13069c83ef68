# SPDX-License-Identifier: Apache-2.0
"""The device controller of cgroup v2: a BPF program of type CGROUP_DEVICE (bpf(2), linux/bpf.h), made and attached.

The kernel runs it at every open and mknod of a device by the group's processes; 0 means EPERM. It goes when the group
goes, so nothing has to be kept or detached.
"""

from __future__ import annotations

import os
import sys

from podwright.cgroups.devices import decisive
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from podwright.cgroups.devices import DeviceRule

_SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "armv7l": 386, "armv8l": 386,
            "i686": 357, "ppc64le": 361, "s390x": 351}  # fmt: skip
_PROG_LOAD, _PROG_ATTACH, _PROG_FD_BY_ID, _PROG_QUERY = 5, 8, 13, 16
_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_ALLOW_MULTI = 2  # a group further down may add a program; all of them must agree
_REPLACE = 4  # Linux 5.6
_MOST_PROGRAMS = 64  # the kernel's own limit for one group (BPF_CGROUP_MAX_PROGS)
_KINDS = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

# Instructions used: opcode bytes of linux/bpf.h, spelt out.
_LOAD32, _MOV, _MOV_REG, _AND, _SHIFT_RIGHT = 0x61, 0xB7, 0xBF, 0x57, 0x77
_JUMP_EQ, _JUMP_NE, _EXIT = 0x15, 0x55, 0x95
_R0, _R1, _R2, _R3, _R4, _R5, _R6 = range(7)


def device_program(rules: Sequence[DeviceRule]) -> bytes:
    """Return the program that asks the rules from the last to the first, until each access asked for was allowed."""
    program = [
        _instruction(_LOAD32, _R2, source=_R1),  # bpf_cgroup_dev_ctx.access_type: access in the upper half, kind below
        _instruction(_MOV_REG, _R3, source=_R2),
        _instruction(_AND, _R2, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, _R3, value=16),  # from here on: the access that no rule has allowed yet
        _instruction(_LOAD32, _R4, source=_R1, offset=4),  # major
        _instruction(_LOAD32, _R5, source=_R1, offset=8),  # minor
    ]
    rest = decisive(rules)
    for rule in reversed(rest):
        program += _rule(rule)
    if not rest or not rest[0].everything:  # the verifier refuses instructions that cannot be reached
        program += _end(allow=False)
    return b"".join(program)


def _rule(rule: DeviceRule) -> list[bytes]:
    mask = sum(_ACCESS[letter] for letter in set(rule.access))
    code = _end(allow=rule.allow)
    if mask != 7 and rule.allow:
        left = _instruction(_AND, _R3, value=7 & ~mask)
        code = [left, _instruction(_JUMP_NE, _R3, value=0, offset=len(code)), *code]
    elif mask != 7:
        asked = [_instruction(_MOV_REG, _R6, source=_R3), _instruction(_AND, _R6, value=mask)]
        code = [*asked, _instruction(_JUMP_EQ, _R6, value=0, offset=len(code)), *code]
    for register, value in ((_R5, rule.minor), (_R4, rule.major), (_R2, _KINDS.get(rule.kind))):
        if value is not None:
            code = [_instruction(_JUMP_NE, register, value=value, offset=len(code)), *code]
    return code


def _end(*, allow: bool) -> list[bytes]:
    return [_instruction(_MOV, _R0, value=int(allow)), _instruction(_EXIT)]


def _instruction(opcode: int, target: int = 0, *, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    registers = target | source << 4 if sys.byteorder == "little" else target << 4 | source
    return bytes((opcode, registers)) + _number(offset, 2) + _number(value, 4)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, sys.byteorder)


def _words(*values: int) -> bytes:
    return b"".join(_number(value, 4) for value in values)


def attach(directory: str, program: bytes) -> None:
    """Load a program and put it on a group, in the place of one that is there. Raises HostError on a refusal."""
    kernel = _Kernel()
    fds: list[int] = []
    try:
        fds.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        fds.append(kernel.load(program))
        attributes = _words(fds[0], fds[1], _CGROUP_DEVICE, _ALLOW_MULTI)
        old = kernel.programs(fds[0])
        if old:
            fds.append(kernel.bpf(_PROG_FD_BY_ID, kernel.buffer(_words(old[0], 0, 0))))
            attributes = _words(fds[0], fds[1], _CGROUP_DEVICE, _ALLOW_MULTI | _REPLACE, fds[2])
        kernel.bpf(_PROG_ATTACH, kernel.buffer(attributes))
    except OSError as error:
        raise HostError(f"cannot confine {directory} to its devices by BPF: {error.strerror}") from error
    finally:
        for fd in fds:
            os.close(fd)


def attached(directory: str) -> bool:
    """Tell whether the group itself has a device program."""
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return bool(_Kernel().programs(group))
    except OSError as error:
        raise HostError(f"cannot ask for the device program of {directory}: {error.strerror}") from error
    finally:
        os.close(group)


class _Kernel:
    """bpf(2), which Python has no function for.

    Built on the C half of ctypes: the other half costs a command 3 ms, more than all the rest of a container's groups.
    """

    def __init__(self) -> None:
        import _ctypes

        self._ctypes: Any = _ctypes  # typeshed knows only what ctypes itself uses of it

        number = _SYS_BPF.get(os.uname().machine)
        if number is None:
            raise HostError(f"the number of bpf(2) on {os.uname().machine} is not known")
        self._number = number
        self._long = type("Long", (_ctypes._SimpleCData,), {"_type_": "l"})
        self._char = type("Char", (_ctypes._SimpleCData,), {"_type_": "c"})
        flags = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        function: Any = type("Syscall", (_ctypes.CFuncPtr,), {"_flags_": flags, "_restype_": self._long})
        self._syscall = function(_ctypes.dlsym(self._ctypes.dlopen(None, os.RTLD_NOW), "syscall"))  # of our own libc

    def buffer(self, content: bytes) -> Any:
        """Return memory with this content, which the kernel may write to; ``raw`` is what it holds then."""
        made: Any = type("Buffer", (self._ctypes.Array,), {"_type_": self._char, "_length_": len(content)})()
        made.raw = content
        return made

    def load(self, program: bytes) -> int:
        """BPF_PROG_LOAD; kernels before 5.11 may refuse for RLIMIT_MEMLOCK, which is the operator's to raise."""
        code, licence = self.buffer(program), self.buffer(b"Apache-2.0\0")
        attributes = _words(_PROG_TYPE_CGROUP_DEVICE, len(program) // 8) + self._address(code) + self._address(licence)
        return self.bpf(_PROG_LOAD, self.buffer(attributes + bytes(16)))  # the fd is O_CLOEXEC

    def programs(self, group: int) -> list[int]:
        """BPF_PROG_QUERY: the numbers of the group's own programs."""
        numbers = self.buffer(bytes(4 * _MOST_PROGRAMS))
        query = self.buffer(_words(group, _CGROUP_DEVICE, 0, 0) + self._address(numbers) + _words(_MOST_PROGRAMS, 0))
        self.bpf(_PROG_QUERY, query)
        count = int.from_bytes(query.raw[24:28], sys.byteorder)
        return [int.from_bytes(numbers.raw[at : at + 4], sys.byteorder) for at in range(0, 4 * count, 4)]

    def bpf(self, command: int, attributes: Any) -> int:
        """Call it; the result may be a descriptor. Raises OSError."""
        size = len(attributes)
        result: int = self._syscall(self._long(self._number), self._long(command), attributes, self._long(size))
        if result < 0:
            error = self._ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result

    def _address(self, buffer: Any) -> bytes:
        return _number(self._ctypes.addressof(buffer), 8)
