# SPDX-License-Identifier: Apache-2.0
"""The system call numbers."""

import os
import re

import pytest

from podwright.errors import HostError
from podwright.security import syscall_table


def test_numbers_that_everyone_knows():
    assert [syscall_table.load("x86_64").numbers[name] for name in ("read", "clone3", "mseal")] == [0, 435, 462]
    assert [syscall_table.load("aarch64").numbers[name] for name in ("read", "clone3", "mseal")] == [63, 435, 462]


def test_only_real_calls_are_in_it():
    for arch in ("x86_64", "aarch64"):
        table = syscall_table.load(arch)
        assert not {"syscalls", "arch_specific_syscall", "SYSCALL_MASK"} & (table.numbers.keys() | table.elsewhere)
        assert not table.numbers.keys() & table.elsewhere
    assert "open" in syscall_table.load("aarch64").elsewhere
    assert "chown32" in syscall_table.load("x86_64").elsewhere


def test_they_agree_with_the_headers_of_this_machine():
    path = f"/usr/include/{os.uname().machine}-linux-gnu/asm/unistd_64.h"
    if not os.path.exists(path):
        pytest.skip("linux-libc-dev is not installed, or keeps this architecture's numbers elsewhere")
    with open(path) as file:
        found = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", file.read())}
    assert found.items() <= syscall_table.load(os.uname().machine).numbers.items()


def test_another_architecture_is_an_error():
    with pytest.raises(HostError, match="aarch64 and x86_64, not for this host's architecture m68k"):
        syscall_table.load("m68k")


def test_the_generator_reads_unpacked_headers(tmp_path):
    headers = tmp_path / "usr/lib/linux/uapi"
    files = {
        "x86/asm/unistd_64.h": "#define __NR_read 0\n#define __NR_open 2\n",
        "x86/asm/unistd.h": "#define __X32_SYSCALL_BIT 0x40000000\n",
        "arm64/asm/unistd_64.h": "#define __NR_read 63\n#define __NR_syscalls 470\n",
        "arm/asm/unistd-eabi.h": "#define __NR_chown32 (__NR_SYSCALL_BASE + 212)\n",
        "arm/asm/unistd.h": "#define __NR_SYSCALL_BASE 0\n#define __ARM_NR_BASE 5\n#define __ARM_NR_set_tls (6)\n",
        "alpha/asm/unistd_32.h": "#define __NR_osf_wait4 7\n",
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
    assert data["numbers"] == {"x86_64": {"read": 0, "open": 2}, "aarch64": {"read": 63}}
    assert data["elsewhere"] == ["chown32", "set_tls"]
