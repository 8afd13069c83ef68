# SPDX-License-Identifier: Apache-2.0
"""The seccomp compiler, run on a small BPF machine and compared with what a profile means and with libseccomp."""

import ctypes
import json
import random
import struct
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwright.errors import HostError, ManifestError
from podwright.security import capabilities, seccomp_cache
from podwright.security.seccomp import compile_filter
from podwright.security.seccomp_profile import resolve
from podwright.security.syscall_table import load

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
KILL_PROCESS, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
with open(seccomp_cache.DEFAULT_PROFILE) as file:
    DEFAULT = json.load(file)


def run(program: bytes, number: int, args: tuple[int, ...] = (), arch: int = ARCHES["x86_64"]) -> tuple[int, int]:
    """Run a filter as the kernel does: (verdict, instructions executed)."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *(*args, 0, 0, 0, 0, 0, 0)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = at = steps = 0
    while True:
        operation, jt, jf, k = code[at]
        at, steps = at + 1, steps + 1
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
            case 0x06:
                return k, steps
            case _:
                raise AssertionError(f"the kernel has no instruction {operation:#x} for us")


def verdict(program: bytes, name: str, *args: int, arch: str = "x86_64") -> int:
    return run(program, load(arch).numbers[name], args, ARCHES[arch])[0]


@pytest.fixture(scope="module", params=ARCHES)
def arch(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def default(arch) -> bytes:
    return compile_filter(DEFAULT, arch, capabilities.DEFAULT)


# The default profile


def test_the_default_profile_places_every_known_call(arch):
    named = {name for rule in DEFAULT["syscalls"] for name in rule["names"]}
    assert load(arch).numbers.keys() - named == set()


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
    assert verdict(default, name, arch=arch) == ERRNO | EPERM


@pytest.mark.parametrize("name", ["clone3", "io_uring_setup", "statmount"])
def test_the_default_filter_hides(default, arch, name):
    assert verdict(default, name, arch=arch) == ERRNO | ENOSYS


def test_the_default_filter_hides_calls_that_are_not_invented_yet(default, arch):
    newest = max(load(arch).numbers.values())
    for number in (newest + 1, 1000, 100_000):
        assert run(default, number, (), ARCHES[arch])[0] == ERRNO | ENOSYS


@pytest.mark.parametrize("name", ["read", "openat", "execve", "futex", "ptrace", "chroot", "mknodat", "seccomp"])
def test_the_default_filter_allows(default, arch, name):
    assert verdict(default, name, arch=arch) == ALLOW


def test_clone_makes_threads_but_no_namespaces(default, arch):
    thread = 0x3D0F00  # CLONE_VM and what pthread_create adds
    assert verdict(default, "clone", thread, arch=arch) == ALLOW
    assert verdict(default, "clone", 17, arch=arch) == ALLOW  # SIGCHLD: fork
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(default, "clone", thread | bit, arch=arch) == ERRNO | EPERM
        assert verdict(default, "clone", bit | 1 << 63, arch=arch) == ERRNO | EPERM


def test_sockets_by_family(default, arch):
    allowed = {family for family in range(100) if verdict(default, "socket", family, arch=arch) == ALLOW}
    assert allowed == set(range(46)) - {38, 39, 40}
    # The kernel takes the low half only: a high half must not smuggle AF_VSOCK through.
    for family in (38, 40, 1 << 32 | 40, 1 << 63 | 38, 46, 2**64 - 1):
        assert verdict(default, "socket", family, arch=arch) == ERRNO | EAFNOSUPPORT


def test_personality_is_an_allow_list(default, arch):
    for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert verdict(default, "personality", value, arch=arch) == ALLOW
    assert verdict(default, "personality", 0x40000, arch=arch) == ERRNO | EPERM
    assert verdict(default, "personality", 0x100000, arch=arch) != ALLOW


def test_capabilities_open_what_they_stand_for(arch):
    admin = compile_filter(DEFAULT, arch, [*capabilities.DEFAULT, "CAP_SYS_ADMIN"])
    for name in ("mount", "unshare", "clone3", "bpf", "perf_event_open"):
        assert verdict(admin, name, arch=arch) == ALLOW
    assert verdict(admin, "clone", 0x10000000, arch=arch) == ALLOW
    assert verdict(admin, "kexec_load", arch=arch) == ERRNO | EPERM
    observer = compile_filter(DEFAULT, arch, ["CAP_PERFMON"])
    assert verdict(observer, "perf_event_open", arch=arch) == ALLOW
    assert verdict(observer, "bpf", arch=arch) == ERRNO | EPERM
    assert verdict(observer, "chroot", arch=arch) == ERRNO | EPERM


def test_foreign_architectures_die(default, arch):
    for foreign in (0x40000003, 0xC0000015, 0, *(value for name, value in ARCHES.items() if name != arch)):
        assert run(default, 0, (), foreign)[0] == KILL_PROCESS


def test_x32_calls_die_but_a_cancelled_call_does_not():
    program = compile_filter(DEFAULT, "x86_64", capabilities.DEFAULT)
    assert run(program, 0x40000000)[0] == run(program, 0x40000001)[0] == run(program, 0x7FFFFFFF)[0] == KILL_PROCESS
    assert run(program, 0xFFFFFFFF)[0] == ERRNO | ENOSYS


def test_the_way_through_the_default_filter_is_short(default, arch):
    table = load(arch).numbers
    ways = [run(default, number, (), ARCHES[arch])[1] for number in table.values()]
    assert sum(ways) / len(ways) < 16
    assert len(default) // 8 < 400


# Meaning, against a straightforward reading of the rules

numbers = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.sampled_from([2**32 - 1, 2**32, 2**32 + 1, 2**63])
operators = st.sampled_from(["SCMP_CMP_" + name for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")])
conditions = st.fixed_dictionaries({"index": st.integers(0, 5), "value": numbers, "valueTwo": numbers, "op": operators})
actions = st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS"])
names = st.sampled_from(["read", "write", "open", "clone", "socket", "prctl", "mseal", "futex", "chown32"])
rules = st.fixed_dictionaries(
    {"names": st.lists(names, min_size=1, max_size=3), "action": actions},
    optional={"args": st.lists(conditions, max_size=4)},
)
profiles = st.fixed_dictionaries({"defaultAction": actions, "syscalls": st.lists(rules, max_size=8)})


def holds(condition: dict[str, Any], args: tuple[int, ...]) -> bool:
    actual, value = args[condition["index"]], condition["value"]
    match condition["op"].removeprefix("SCMP_CMP_"):
        case "EQ":
            return actual == value
        case "NE":
            return actual != value
        case "LT":
            return actual < value
        case "LE":
            return actual <= value
        case "GE":
            return actual >= value
        case "GT":
            return actual > value
        case _:
            return actual & value == condition["valueTwo"] & value


def meaning(profile: dict[str, Any], name: str, args: tuple[int, ...]) -> str:
    """Return the action of a profile, read as seccomp_profile's docstring says."""
    matching = [rule for rule in profile["syscalls"] if name in rule["names"]]
    for rule in matching:
        if not rule.get("args") and rule["action"] != profile["defaultAction"]:
            return rule["action"]
    for rule in (rule for rule in matching if rule.get("args")):
        found = [holds(condition, args) for condition in rule["args"]]
        indices = [condition["index"] for condition in rule["args"]]
        if any(found) if len(set(indices)) < len(indices) else all(found):
            return rule["action"]
    return profile["defaultAction"]


@settings(max_examples=400, deadline=None)
@given(profile=profiles, name=names, data=st.data())
def test_a_filter_means_what_its_profile_says(profile, name, data):
    if name == "chown32":  # only elsewhere
        name = "read"
    values = [condition[key] for rule in profile["syscalls"] for condition in rule.get("args", ())
              for key in ("value", "valueTwo")] or [0]  # fmt: skip
    near = st.builds(lambda value, step: (value + step) % 2**64, st.sampled_from(values), st.integers(-1, 1))
    args = data.draw(st.tuples(*[near | numbers] * 6))
    results = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_TRAP": 0x30000,
               "SCMP_ACT_KILL_PROCESS": KILL_PROCESS}  # fmt: skip
    program = compile_filter(profile, "x86_64", ())
    assert verdict(program, name, *args) == results[meaning(profile, name, args)]


# The same verdicts as libseccomp


class Argument(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


COMPARISONS = ["", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]  # enum scmp_compare


@pytest.fixture(scope="module")
def libseccomp() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp.so.2 is not installed")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Argument))  # fmt: skip
    for name in ("seccomp_export_bpf", "seccomp_arch_add", "seccomp_arch_remove", "seccomp_release"):
        getattr(library, name).argtypes = (ctypes.c_void_p, ctypes.c_uint32)[: 1 if name.endswith("release") else 2]
    return library


def oracle(library: ctypes.CDLL, profile: dict[str, Any], arch: str) -> tuple[bytes, set[int]]:
    """Compile with libseccomp what ``resolve`` understood; return the program and the numbers that it knows."""
    rules = resolve(profile, load(arch), capabilities.DEFAULT)
    context = library.seccomp_init(rules.default)
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[arch]
    assert library.seccomp_arch_add(context, ARCHES[arch]) in (0, -17)  # EEXIST
    assert library.seccomp_arch_remove(context, ARCHES[other]) in (0, -17)
    known = set()
    by_number = {number: name for name, number in load(arch).numbers.items()}
    for number, entries in rules.syscalls.items():
        native = library.seccomp_syscall_resolve_name(by_number[number].encode())
        if native < 0:
            continue
        known.add(number)
        for conditions, result in entries:
            if result == rules.default:
                continue
            array = (Argument * len(conditions))(
                *(
                    Argument(c.argument, COMPARISONS.index(c.operator.removeprefix("SCMP_CMP_")), c.value, c.other)
                    for c in conditions
                )
            )
            assert library.seccomp_rule_add_array(context, result, native, len(array), array) == 0
    with tempfile.TemporaryFile() as output:
        assert library.seccomp_export_bpf(context, output.fileno()) == 0
        library.seccomp_release(context)
        output.seek(0)
        return output.read(), known


def test_the_default_filter_answers_as_libseccomp_would(libseccomp, arch, default):
    """libseccomp does not know the newest calls by name; those are left out, and so must not be compared."""
    program, known = oracle(libseccomp, DEFAULT, arch)
    generator = random.Random(1)
    interesting = [0, 1, 8, 17, 37, 38, 39, 40, 41, 45, 46, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF, 0x10000000,
                   0x7E020000, 0x3D0F00, 1 << 32, 1 << 32 | 40, 1 << 63, 2**64 - 1]  # fmt: skip
    unknown = set(load(arch).numbers.values()) - known
    candidates = [*sorted(set(range(600)) - unknown), 0xFFFFFFFF]
    for number in candidates:
        for _ in range(len(interesting) * 2):
            args = tuple(generator.choice(interesting) for _ in range(6))
            assert run(default, number, args, ARCHES[arch])[0] == run(program, number, args, ARCHES[arch])[0]
    assert len(known) > 200


@settings(max_examples=100, deadline=None)
@given(rule=st.lists(conditions, min_size=1, max_size=3, unique_by=lambda c: c["index"]), data=st.data())
def test_one_rule_answers_as_libseccomp_would(libseccomp, rule, data):
    profile = {"defaultAction": "SCMP_ACT_KILL_PROCESS",
               "syscalls": [{"names": ["prctl"], "action": "SCMP_ACT_ALLOW", "args": rule}]}  # fmt: skip
    theirs, _ = oracle(libseccomp, profile, "x86_64")
    near = st.builds(lambda c, step: (c["value"] + step) % 2**64, st.sampled_from(rule), st.integers(-1, 1))
    args = data.draw(st.tuples(*[near | numbers] * 6))
    number = load("x86_64").numbers["prctl"]
    assert run(compile_filter(profile, "x86_64", ()), number, args)[0] == run(theirs, number, args)[0]


# What is refused


def profile_with(**rule) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", **rule}]}


def argument(**change) -> dict[str, Any]:
    return profile_with(args=[{"index": 0, "value": 0, "op": "SCMP_CMP_EQ", **change}])


@pytest.mark.parametrize(
    ("profile", "field"),
    [
        ({"defaultAction": "SCMP_ACT_MAYBE"}, "linux.seccomp.defaultAction"),
        ({}, "linux.seccomp.defaultAction"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "linux.seccomp.defaultAction"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}, "linux.seccomp.defaultErrnoRet"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}, "linux.seccomp.defaultErrnoRet"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}, "linux.seccomp.flags"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}, "linux.seccomp.listenerPath"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}, "linux.seccomp.architectures"),
        (profile_with(names=["reed"]), "linux.seccomp.syscalls[0].names"),
        (profile_with(names=[]), "linux.seccomp.syscalls[0].names"),
        (profile_with(action="SCMP_ACT_ERNO"), "linux.seccomp.syscalls[0].action"),
        (profile_with(errnoRet=-1), "linux.seccomp.syscalls[0].errnoRet"),
        (profile_with(errnoRet=True), "linux.seccomp.syscalls[0].errnoRet"),
        (profile_with(includes={"arches": ["amd64"]}), "linux.seccomp.syscalls[0].includes.arches"),
        (profile_with(priority=1), "linux.seccomp.syscalls[0].priority"),
        (argument(index=6), "linux.seccomp.syscalls[0].args[0].index"),
        (argument(value=1 << 64), "linux.seccomp.syscalls[0].args[0].value"),
        (argument(value="0"), "linux.seccomp.syscalls[0].args[0].value"),
        (argument(valueTwo=-1), "linux.seccomp.syscalls[0].args[0].valueTwo"),
        (argument(op="SCMP_CMP_LIKE"), "linux.seccomp.syscalls[0].args[0].op"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(profile, field):
    with pytest.raises(ManifestError) as caught:
        compile_filter(profile, "x86_64", ())
    assert caught.value.field == field
    assert field in caught.value.message


def test_a_name_of_another_architecture_is_skipped():
    program = compile_filter(profile_with(names=["chown32", "socketcall", "write"]), "x86_64", ())
    assert verdict(program, "write") == ERRNO | EPERM
    assert verdict(program, "read") == ALLOW


def test_a_filter_that_the_kernel_would_not_take_is_refused():
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in range(2000)]
    with pytest.raises(ManifestError, match="the kernel takes 4096"):
        compile_filter(profile_with(args=args), "x86_64", ())


def test_a_wide_tree_reaches_beyond_a_conditional_jump():
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in range(100)]
    program = compile_filter(profile_with(args=args, names=["read", "write", "close"]), "x86_64", ())
    assert verdict(program, "close", 99) == ERRNO | EPERM
    assert verdict(program, "mmap", 99) == verdict(program, "close", 100) == ALLOW


def test_an_architecture_without_a_table_is_refused():
    with pytest.raises(HostError, match="riscv64"):
        compile_filter(DEFAULT, "riscv64", ())


def test_names_that_profiles_in_use_have_are_known():
    """Such a profile names the calls of every architecture; none of them may be taken for a typing error."""
    names = ["_llseek", "arm_fadvise64_64", "breakpoint", "cacheflush", "pciconfig_read", "s390_runtime_instr",
             "set_tls", "socketcall", "swapcontext", "sync_file_range2", "vm86old", "waitpid"]  # fmt: skip
    assert set(names) <= load("x86_64").elsewhere
