# SPDX-License-Identifier: Apache-2.0
"""The kernel's system call numbers as data: ``syscalls.json``, and the script that makes it.

A profile names system calls, a filter compares numbers. The numbers of the two architectures that Podwright runs on,
and of the other ways into their kernels (i386 and x32, 32-bit ARM), are taken from the kernel's own user-space headers.

To renew the data: ``apt-get download linux-libc-dev`` from the newest Debian suite, ``dpkg -x`` it to DIR, and run
``python -m podwright.security.syscall_table DIR > syscalls.json`` (numbers never change, new ones are added).
"""

from __future__ import annotations

import os

from podwright.errors import HostError
from podwright.jsontext import loads

_DATA = os.path.join(os.path.dirname(__file__), "syscalls.json")
ABIS = {"x86_64": ("x86_64", "i386", "x32"), "aarch64": ("aarch64", "arm")}
"""By architecture, as uname(2) says it: the tables that its kernel can serve, the native one first."""
_HEADERS = {
    "x86_64": ("x86/asm/unistd_64.h",),
    "i386": ("x86/asm/unistd_32.h",),
    "x32": ("x86/asm/unistd_x32.h",),
    "aarch64": ("arm64/asm/unistd_64.h",),
    "arm": ("arm/asm/unistd-eabi.h", "arm/asm/unistd.h"),
}
_BASES = {"": 0, "__X32_SYSCALL_BIT": 0x40000000, "__NR_SYSCALL_BASE": 0, "__ARM_NR_BASE": 0x0F0000}
_DEFINE = r"^#\s*define\s+__(?:ARM_)?NR_([a-z_]\w*)\s+\(?(?:(\w+)\s*\+\s*)?(\d+)\)?\s*$"


def load(arch: str) -> dict[str, dict[str, int]]:
    """Return the tables of an architecture's kernel (see ``ABIS``); HostError when Podwright has none.

    A number is what the filter sees: an x32 call has bit 30, a private call of ARM starts at 0xf0000.
    """
    if arch not in ABIS:
        raise HostError(
            f"seccomp filters can be made for {' and '.join(sorted(ABIS))}, not for this host's architecture {arch}",
            value=arch,
        )
    with open(_DATA, "rb") as file:
        tables = loads(file.read())["numbers"]
    return {abi: tables[abi] for abi in ABIS[arch]}


def generate(root: str) -> dict[str, object]:
    """Read the headers of an unpacked linux-libc-dev under ``root`` and return what ``syscalls.json`` holds."""
    headers = os.path.join(root, "usr/lib/linux/uapi")
    tables = {}
    for abi, names in _HEADERS.items():
        numbers: dict[str, int] = {}
        for name in names:
            numbers |= _numbers(os.path.join(headers, name))
        tables[abi] = dict(sorted(numbers.items(), key=lambda item: item[1]))
    return {
        "source": f"linux-libc-dev, Linux {_kernel_version(root)}, read by podwright/security/syscall_table.py",
        "numbers": tables,
    }


def _numbers(path: str) -> dict[str, int]:
    import re

    with open(path, encoding="utf-8") as file:
        found = re.findall(_DEFINE, file.read(), re.MULTILINE)
    return {name: _BASES[base] + int(number) for name, base, number in found if name != "syscalls"}


def _kernel_version(root: str) -> str:
    import re

    with open(os.path.join(root, "usr/include/linux/version.h"), encoding="utf-8") as file:
        found = dict(re.findall(r"#define LINUX_VERSION_(MAJOR|PATCHLEVEL) (\d+)", file.read()))
    return f"{found['MAJOR']}.{found['PATCHLEVEL']}"


if __name__ == "__main__":
    import json
    import sys

    json.dump(generate(sys.argv[1]), sys.stdout, indent=1)
    sys.stdout.write("\n")
