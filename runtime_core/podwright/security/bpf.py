# SPDX-License-Identifier: Apache-2.0
"""Classic BPF as seccomp uses it, and an assembler that writes a program from its end.

linux/bpf_common.h, linux/filter.h, linux/seccomp.h; the meaning is in Linux' Documentation/networking/filter.rst. Jumps
go forward only, so what an instruction jumps to is written before it. Written backwards, every target has its place
when a jump needs it, and the same verdict or the same comparisons are written once for all that end there.
"""

from __future__ import annotations

import struct

MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS."""
_FAR = 255
"""The farthest that a conditional jump reaches."""

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JEQ = 0x15  # BPF_JMP | BPF_JEQ | BPF_K; JGT and JGE compare unsigned
JGT = 0x25
JGE = 0x35
_JUMP = 0x05  # BPF_JMP | BPF_JA
_RETURN = 0x06  # BPF_RET | BPF_K

# struct seccomp_data: the number, the architecture, the instruction pointer, six arguments of 64 bits
OFFSET_NR = 0
OFFSET_ARCH = 4
OFFSET_ARGS = 16


class Program:
    """A program that grows towards its beginning. A place is what its methods return: the instruction just written."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []  # struct sock_filter: code, jt, jf, k; the last one first
        self._returns: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._code)

    def encode(self) -> bytes:
        """Return the program as an array of struct sock_filter."""
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in reversed(self._code))

    def result(self, verdict: int) -> int:
        """Return the place of the nearest instruction that ends with this verdict, written now if there is none."""
        if verdict not in self._returns:
            self._returns[verdict] = self._put(_RETURN, verdict)
        return self._returns[verdict]

    def step(self, code: int, k: int, then: int) -> int:
        """Write an instruction that does not branch, and where to go on."""
        if then != len(self._code) - 1:
            self._jump(then)
        return self._put(code, k)

    def branch(self, code: int, k: int, yes: int, no: int) -> int:
        """Write a comparison of the accumulator with ``k``, and where to go on; nothing if it makes no difference."""
        if yes == no:
            return yes
        yes = self._near(yes, margin=1)
        no = self._near(no, margin=0)
        here = len(self._code)
        self._code.append((code, here - 1 - yes, here - 1 - no, k))
        return here

    def _near(self, place: int, margin: int) -> int:
        """Return a place that the next instruction reaches, with ``margin`` more in between."""
        away = len(self._code) - 1 - place
        if away + margin <= _FAR:
            return place
        code, _, _, k = self._code[place]
        if code == _RETURN:
            self._returns[k] = self._put(_RETURN, k)
            return self._returns[k]
        return self._jump(place)

    def _jump(self, place: int) -> int:
        return self._put(_JUMP, len(self._code) - 1 - place)

    def _put(self, code: int, k: int) -> int:
        self._code.append((code, 0, 0, k))
        return len(self._code) - 1
