# SPDX-License-Identifier: Apache-2.0
"""The same verdicts as libseccomp's, called as runc calls it."""

import ctypes
import json
import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import libseccomp
from bpf_machine import NUMBERS, run
from podwright.security import capabilities, seccomp_cache
from podwright.security.seccomp import compile_filter
from podwright.security.seccomp_docker import to_oci

CONTAINERS = "/usr/share/containers/seccomp.json"
INTERESTING = [0, 1, 2, 8, 16, 17, 37, 38, 39, 40, 41, 45, 46, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF, 0x10000000,
               0x7E020000, 0x3D0F00, 1 << 32, 1 << 32 | 40, 1 << 63, 2**64 - 1]  # fmt: skip
X86 = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
ABIS = {"x86_64": ("x86_64", "i386", "x32"), "aarch64": ("aarch64", "arm")}
ROOM = {"x86_64": (0, 600), "i386": (0, 600), "x32": (0x40000000, 0x40000258), "aarch64": (0, 600), "arm": (0, 600)}


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return libseccomp.library()


def same(mine: bytes, theirs: bytes, abi: str, unknown: set[str], seed: int, times: int) -> None:
    """Compare two filters; the calls that the library cannot name are left out."""
    generator = random.Random(seed)
    by_number = {number: name for name, number in NUMBERS[abi].items()}
    for number in range(*ROOM[abi]):
        if by_number.get(number) in unknown:
            continue
        for _ in range(times):
            # x32 and the 32-bit architectures: libseccomp looks at half of an argument
            values = [value & 0xFFFFFFFF if abi not in ABIS else value for value in INTERESTING]
            args = tuple(generator.choice(values) for _ in range(6))
            assert run(mine, number, args, abi) == run(theirs, number, args, abi), (by_number.get(number), args)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("caps", [capabilities.DEFAULT, (), capabilities.NAMES], ids=["default", "none", "all"])
def test_the_default_profile(library, caps, arch):
    with open(seccomp_cache.DEFAULT_PROFILE) as file:
        profile = to_oci(json.load(file), arch, caps)
    mine, (theirs, unknown) = compile_filter(profile, arch), libseccomp.compile_filter(library, profile, arch)
    for abi in ABIS[arch]:
        same(mine, theirs, abi, unknown, seed=1, times=10 if abi == arch else 1)
    assert len(mine) < len(theirs)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("more", [[], [*X86, "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]], ids=["native", "every"])
def test_the_profile_of_podman(library, arch, more):
    if not os.path.exists(CONTAINERS):
        pytest.skip("the profile of podman is not installed")
    with open(CONTAINERS) as file:
        profile = to_oci(json.load(file), arch, capabilities.DEFAULT)
    profile = {key: value for key, value in profile.items() if key != "architectures"} | {"architectures": more}
    mine, (theirs, unknown) = compile_filter(profile, arch), libseccomp.compile_filter(library, profile, arch)
    for abi in ABIS[arch]:
        same(mine, theirs, abi, unknown, seed=2, times=4)
    assert len(mine) < len(theirs)


numbers = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.sampled_from([2**32 - 1, 2**32, 2**32 + 1, 2**63])
operators = st.sampled_from([f"SCMP_CMP_{name}" for name in libseccomp.COMPARISONS[1:]])
conditions = st.fixed_dictionaries(
    {"index": st.integers(0, 5), "value": numbers, "valueTwo": numbers, "op": operators}
).filter(
    # of a mask of nothing libseccomp makes a rule without conditions, which counts for more than one with
    lambda one: one["value"] != 0 or one["op"] != "SCMP_CMP_MASKED_EQ"
)
# calls that exist everywhere; those of one name each, as libseccomp does not try the rules of one call in their order
NAMES = ("read", "write", "clone", "prctl", "futex", "ioctl", "personality", "execve", "openat", "kill")
ACTIONS = [f"SCMP_ACT_{name}" for name in ("ALLOW", "LOG", "TRAP", "KILL", "KILL_PROCESS", "ERRNO", "TRACE")]


@st.composite
def profiles(draw: st.DrawFn) -> dict[str, Any]:
    syscalls = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6)):
        rule = {"names": [name], "action": draw(st.sampled_from(ACTIONS))}
        args = draw(st.lists(conditions, max_size=4, unique_by=lambda condition: condition["index"]))
        if rule["action"] in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
            rule["errnoRet"] = draw(st.none() | st.integers(0, 4095))
        syscalls.append(rule | ({"args": args} if args else {}))
        if draw(st.booleans()):  # a rule for all of the call beside one for some of its arguments
            syscalls.append({"names": [name], "action": draw(st.sampled_from(ACTIONS))})
    default = draw(st.sampled_from([name for name in ACTIONS if name != "SCMP_ACT_ERRNO"]))
    return {"defaultAction": default, "architectures": draw(st.sets(st.sampled_from(X86)).map(sorted)),
            "syscalls": syscalls}  # fmt: skip


@settings(max_examples=150)
@given(profile=profiles(), data=st.data())
def test_any_profile(library, profile, data):
    theirs, _ = libseccomp.compile_filter(library, profile, "x86_64")
    mine = compile_filter(profile, "x86_64")
    values = [condition[key] for rule in profile["syscalls"] for condition in rule.get("args", ())
              for key in ("value", "valueTwo")] or [0]  # fmt: skip
    near = st.builds(lambda value, step: (value + step) % 2**64, st.sampled_from(values), st.integers(-1, 1))
    for name in NAMES:
        args = data.draw(st.tuples(*[near | numbers] * 6))
        for abi in ABIS["x86_64"]:
            if abi == "x32" and max(values) >> 32:  # libseccomp compares the lower half, the kernel takes all of it
                continue
            narrow = args if abi == "x86_64" else tuple(value & 0xFFFFFFFF for value in args)
            assert run(mine, NUMBERS[abi][name], narrow, abi) == run(theirs, NUMBERS[abi][name], narrow, abi)
