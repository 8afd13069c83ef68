# SPDX-License-Identifier: Apache-2.0
"""Classic BPF as seccomp uses it: one instruction, its few codes, and the data that a program sees.

linux/bpf_common.h, linux/filter.h, linux/seccomp.h; the meaning is in Linux' Documentation/networking/filter.rst.
"""

from typing import NamedTuple

MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS."""
INSTRUCTION_SIZE = 8
"""sizeof(struct sock_filter)."""
FAR = 255
"""The farthest that a conditional jump reaches."""

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP = 0x05  # BPF_JMP | BPF_JA
JEQ = 0x15  # BPF_JMP | BPF_JEQ | BPF_K; JGT and JGE compare unsigned
JGT = 0x25
JGE = 0x35
RETURN = 0x06  # BPF_RET | BPF_K

# struct seccomp_data: the number, the architecture, the instruction pointer, six arguments of 64 bits
OFFSET_NR = 0
OFFSET_ARCH = 4
OFFSET_ARGS = 16


class Instruction(NamedTuple):
    """One struct sock_filter; ``jt`` and ``jf`` count the instructions to skip when the comparison holds, or not."""

    code: int
    jt: int
    jf: int
    k: int


Program = list[Instruction]
