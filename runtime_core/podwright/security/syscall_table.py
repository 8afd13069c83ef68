# SPDX-License-Identifier: Apache-2.0
"""The kernel's system call numbers as data: ``syscalls.json``, and the script that makes it.

A profile names system calls, a filter compares numbers. The numbers of the two architectures that Podwright runs on are
taken from the kernel's own user-space headers; from all other architectures only the names are kept, so that a profile
written for many of them (``socketcall``, ``chown32``) is understood while a misspelt name is still an error.

To renew the data: ``apt-get download linux-libc-dev`` from the newest Debian suite, ``dpkg -x`` it to DIR, and run
``python -m podwright.security.syscall_table DIR > syscalls.json`` (numbers never change, new ones are added).
"""

import json
import os
import re
from typing import NamedTuple

from podwright.errors import HostError

_DATA = os.path.join(os.path.dirname(__file__), "syscalls.json")
_NATIVE_HEADERS = {"x86_64": "x86/asm/unistd_64.h", "aarch64": "arm64/asm/unistd_64.h"}
_DEFINE = re.compile(r"^#\s*define\s+__(?:ARM_)?NR_(\w+)\s+(.+)$", re.MULTILINE)
# Macros of the headers that look like a system call but are a base, a limit or a retired spelling.
_NOT_SYSCALLS = re.compile(r"(OABI_)?(SYSCALL_)?(BASE|MASK)|syscalls|Linux|arch_specific_syscall|(reserved|unused)\d+")
# Alpha carries the calls of OSF/1, which no profile names.
_SKIPPED_HEADERS = {"alpha"}


class SyscallTable(NamedTuple):
    """One architecture's system calls."""

    arch: str
    """As uname(2) says it: ``x86_64`` or ``aarch64``."""
    numbers: dict[str, int]
    elsewhere: frozenset[str]
    """Names that only other architectures have: a rule for one of them has nothing to match here."""


def load(arch: str) -> SyscallTable:
    """Return the table of an architecture; HostError when Podwright has none."""
    with open(_DATA, "rb") as file:
        data = json.loads(file.read())
    tables = data["numbers"]
    if arch not in tables:
        raise HostError(
            f"seccomp filters can be made for {' and '.join(sorted(tables))}, not for this host's architecture {arch}",
            value=arch,
        )
    everywhere = set(data["elsewhere"]).union(*tables.values())
    return SyscallTable(arch, tables[arch], frozenset(everywhere - tables[arch].keys()))


def generate(root: str) -> dict[str, object]:
    """Read the headers of an unpacked linux-libc-dev under ``root`` and return what ``syscalls.json`` holds."""
    headers = os.path.join(root, "usr/lib/linux/uapi")
    numbers = {arch: _numbers(os.path.join(headers, path)) for arch, path in _NATIVE_HEADERS.items()}
    names: set[str] = set()
    for arch in sorted(set(os.listdir(headers)) - _SKIPPED_HEADERS):
        for name in os.listdir(os.path.join(headers, arch, "asm")):
            if re.fullmatch(r"unistd[\w-]*\.h", name):
                names.update(_definitions(os.path.join(headers, arch, "asm", name)))
    elsewhere = names.difference(*numbers.values())
    return {
        "source": f"linux-libc-dev, Linux {_kernel_version(root)}, read by podwright/security/syscall_table.py",
        "numbers": {arch: dict(sorted(table.items(), key=lambda item: item[1])) for arch, table in numbers.items()},
        "elsewhere": sorted(elsewhere),
    }


def _definitions(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:
        found = _DEFINE.findall(file.read())
    return {name: value.strip() for name, value in found if not _NOT_SYSCALLS.fullmatch(name)}


def _numbers(path: str) -> dict[str, int]:
    return {name: int(value) for name, value in _definitions(path).items() if value.isdecimal()}


def _kernel_version(root: str) -> str:
    with open(os.path.join(root, "usr/include/linux/version.h"), encoding="utf-8") as file:
        found = dict(re.findall(r"#define LINUX_VERSION_(MAJOR|PATCHLEVEL) (\d+)", file.read()))
    return f"{found['MAJOR']}.{found['PATCHLEVEL']}"


if __name__ == "__main__":
    import sys

    json.dump(generate(sys.argv[1]), sys.stdout, indent=1)
    sys.stdout.write("\n")
