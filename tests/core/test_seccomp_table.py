# SPDX-License-Identifier: Apache-2.0
"""The system call numbers."""

import os
import re

import pytest

from podwright.errors import HostError
from podwright.security import syscall_table


def test_numbers_that_everyone_knows():
    tables = {**syscall_table.load("x86_64"), **syscall_table.load("aarch64")}
    found = {abi: [table[name] for name in ("read", "execve", "mseal")] for abi, table in tables.items()}
    assert found == {
        "x86_64": [0, 59, 462],
        "i386": [3, 11, 462],
        "x32": [0x40000000, 0x40000000 + 520, 0x40000000 + 462],
        "aarch64": [63, 221, 462],
        "arm": [3, 11, 462],
    }
    assert tables["arm"]["set_tls"] == 0xF0005


def test_only_real_calls_are_in_it():
    for arch in ("x86_64", "aarch64"):
        for table in syscall_table.load(arch).values():
            assert not {"syscalls", "arch_specific_syscall", "SYSCALL_MASK", "BASE"} & table.keys()
            assert len(set(table.values())) == len(table)


@pytest.mark.parametrize(("abi", "header"), [("x86_64", "unistd_64"), ("i386", "unistd_32"), ("x32", "unistd_x32")])
def test_they_agree_with_the_headers_of_this_machine(abi, header):
    path = f"/usr/include/x86_64-linux-gnu/asm/{header}.h"
    if not os.path.exists(path):
        pytest.skip("linux-libc-dev for x86_64 is not installed")
    with open(path) as file:
        found = re.findall(r"#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)", file.read())
    base = 0x40000000 if abi == "x32" else 0
    assert {name: base + int(number) for name, number in found}.items() <= syscall_table.load("x86_64")[abi].items()


def test_another_architecture_is_an_error():
    with pytest.raises(HostError, match="aarch64 and x86_64, not for this host's architecture m68k"):
        syscall_table.load("m68k")


def test_the_generator_reads_unpacked_headers(tmp_path):
    headers = tmp_path / "usr/lib/linux/uapi"
    files = {
        "x86/asm/unistd_64.h": "#define __NR_read 0\n#define __NR_open 2\n",
        "x86/asm/unistd_32.h": "#define __NR_read 3\n",
        "x86/asm/unistd_x32.h": "#define __NR_read (__X32_SYSCALL_BIT + 0)\n",
        "arm64/asm/unistd_64.h": "#define __NR_read 63\n#define __NR_syscalls 470\n",
        "arm/asm/unistd-eabi.h": "#define __NR_chown32 (__NR_SYSCALL_BASE + 212)\n",
        "arm/asm/unistd.h": "#define __NR_SYSCALL_BASE 0\n#define __ARM_NR_BASE (__NR_SYSCALL_BASE+0x0f0000)\n"
        "#define __ARM_NR_set_tls (__ARM_NR_BASE+5)\n#define __NR_sync_file_range2 __NR_arm_sync_file_range\n",
    }
    for name, text in files.items():
        path = headers / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    version = tmp_path / "usr/include/linux/version.h"
    version.parent.mkdir(parents=True)
    version.write_text("#define LINUX_VERSION_MAJOR 7\n#define LINUX_VERSION_PATCHLEVEL 2\n")
    data = syscall_table.generate(str(tmp_path))
    assert "Linux 7.2" in data["source"]
    assert data["numbers"] == {
        "x86_64": {"read": 0, "open": 2},
        "i386": {"read": 3},
        "x32": {"read": 0x40000000},
        "aarch64": {"read": 63},
        "arm": {"chown32": 212, "set_tls": 0xF0005},
    }
