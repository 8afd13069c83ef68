# SPDX-License-Identifier: Apache-2.0
"""The default profile, compiled and run on a small BPF machine."""

import json

import pytest

from bpf_machine import ALLOW, AUDIT, ENOSYS, EPERM, ERRNO, KILL_PROCESS, NUMBERS, run, steps, verdict
from podwright.security import capabilities, seccomp_cache
from podwright.security.seccomp import compile_filter
from podwright.security.seccomp_docker import to_oci

EAFNOSUPPORT = 97
with open(seccomp_cache.DEFAULT_PROFILE) as file:
    DEFAULT = json.load(file)


def compiled(arch: str, caps=capabilities.DEFAULT) -> bytes:
    return compile_filter(to_oci(DEFAULT, arch, caps), arch)


@pytest.fixture(scope="module", params=["x86_64", "aarch64"])
def arch(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def default(arch) -> bytes:
    return compiled(arch)


def test_the_default_profile_places_every_known_call(arch):
    named = {name for rule in DEFAULT["syscalls"] for name in rule["names"]}
    assert NUMBERS[arch].keys() - named == set()


def test_every_name_in_the_default_profile_is_a_system_call():
    named = {name for rule in DEFAULT["syscalls"] for name in rule["names"]}
    assert named - NUMBERS["x86_64"].keys() - NUMBERS["aarch64"].keys() == set()


def test_every_rule_of_the_default_profile_says_why():
    assert all(rule["comment"].endswith(".") or ":" in rule["comment"] for rule in DEFAULT["syscalls"])


# fmt: off
REFUSED = [
    "mount", "umount2", "pivot_root", "move_mount", "fsopen", "open_tree", "reboot", "init_module",
    "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf", "perf_event_open", "keyctl",
    "add_key", "request_key", "userfaultfd", "open_by_handle_at", "unshare", "setns", "swapon", "acct",
    "settimeofday", "clock_settime", "sethostname", "syslog",
]
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_the_default_filter_refuses(default, arch, name):
    assert verdict(default, name, abi=arch) == ERRNO | EPERM


@pytest.mark.parametrize("name", ["clone3", "io_uring_setup", "statmount"])
def test_the_default_filter_hides(default, arch, name):
    assert verdict(default, name, abi=arch) == ERRNO | ENOSYS


def test_the_default_filter_hides_calls_that_are_not_invented_yet(default, arch):
    newest = max(NUMBERS[arch].values())
    for number in (newest + 1, 1000, 100_000):
        assert run(default, number, (), arch) == ERRNO | ENOSYS


@pytest.mark.parametrize("name", ["read", "openat", "execve", "futex", "ptrace", "chroot", "mknodat", "seccomp"])
def test_the_default_filter_allows(default, arch, name):
    assert verdict(default, name, abi=arch) == ALLOW


def test_clone_makes_threads_but_no_namespaces(default, arch):
    thread = 0x3D0F00  # CLONE_VM and what pthread_create adds
    assert verdict(default, "clone", thread, abi=arch) == ALLOW
    assert verdict(default, "clone", 17, abi=arch) == ALLOW  # SIGCHLD: fork
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(default, "clone", thread | bit, abi=arch) == ERRNO | EPERM
        assert verdict(default, "clone", bit | 1 << 63, abi=arch) == ERRNO | EPERM


def test_sockets_by_family(default, arch):
    allowed = {family for family in range(100) if verdict(default, "socket", family, abi=arch) == ALLOW}
    assert allowed == set(range(46)) - {38, 39, 40}
    # The kernel takes the low half only: a high half must not smuggle AF_VSOCK through.
    for family in (38, 40, 1 << 32 | 40, 1 << 63 | 38, 46, 2**64 - 1):
        assert verdict(default, "socket", family, abi=arch) == ERRNO | EAFNOSUPPORT


def test_personality_is_an_allow_list(default, arch):
    for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert verdict(default, "personality", value, abi=arch) == ALLOW
    assert verdict(default, "personality", 0x40000, abi=arch) == ERRNO | EPERM
    assert verdict(default, "personality", 0x100000, abi=arch) != ALLOW


def test_capabilities_open_what_they_stand_for(arch):
    admin = compiled(arch, [*capabilities.DEFAULT, "CAP_SYS_ADMIN"])
    for name in ("mount", "unshare", "clone3", "bpf", "perf_event_open"):
        assert verdict(admin, name, abi=arch) == ALLOW
    assert verdict(admin, "clone", 0x10000000, abi=arch) == ALLOW
    assert verdict(admin, "kexec_load", abi=arch) == ERRNO | EPERM
    observer = compiled(arch, ["CAP_PERFMON"])
    assert verdict(observer, "perf_event_open", abi=arch) == ALLOW
    assert verdict(observer, "bpf", abi=arch) == ERRNO | EPERM
    assert verdict(observer, "chroot", abi=arch) == ERRNO | EPERM


def test_foreign_architectures_die(default, arch):
    for foreign in {0x40000003, 0xC0000015, 1, *AUDIT.values()} - {AUDIT[arch]}:
        assert run(default, 0, audit=foreign) == KILL_PROCESS


def test_x32_calls_die_but_a_cancelled_call_does_not():
    program = compiled("x86_64")
    assert run(program, 0x40000000) == run(program, 0x40000001) == run(program, 0x7FFFFFFF) == KILL_PROCESS
    assert run(program, 0xFFFFFFFF) == ERRNO | ENOSYS


def test_the_way_through_the_default_filter_is_short(default, arch):
    table = NUMBERS[arch]
    ways = [steps(default, number, (), AUDIT[arch])[1] for number in table.values()]
    assert sum(ways) / len(ways) < 16
    assert len(default) // 8 < 250
