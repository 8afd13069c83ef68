# SPDX-License-Identifier: Apache-2.0
"""What ``linux.seccomp`` means: every action and operator, and what is refused by name."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpf_machine import (
    ALLOW,
    ENOSYS,
    EPERM,
    ERRNO,
    KILL_PROCESS,
    KILL_THREAD,
    LOG,
    NOTIFY,
    NUMBERS,
    TRACE,
    TRAP,
    run,
    verdict,
)
from podwright.errors import HostError, ManifestError
from podwright.security.seccomp import compile_filter

numbers = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.sampled_from([2**32 - 1, 2**32, 2**32 + 1, 2**63])
operators = st.sampled_from(["SCMP_CMP_" + name for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")])
conditions = st.fixed_dictionaries({"index": st.integers(0, 5), "value": numbers, "valueTwo": numbers, "op": operators})
RESULTS = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_LOG": LOG, "SCMP_ACT_TRAP": TRAP, "SCMP_ACT_TRACE": TRACE | EPERM,
           "SCMP_ACT_KILL": KILL_THREAD, "SCMP_ACT_KILL_THREAD": KILL_THREAD, "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
           "SCMP_ACT_ERRNO": ERRNO | EPERM}  # fmt: skip
actions = st.sampled_from(list(RESULTS))
names = st.sampled_from(["read", "write", "open", "clone", "socket", "prctl", "mseal", "futex", "chown32", "reed"])
rules = st.fixed_dictionaries(
    {"names": st.lists(names, min_size=1, max_size=3), "action": actions},
    optional={"args": st.lists(conditions, max_size=4)},
)
# ERRNO as the default action has a rule of its own, for numbers that are too new
defaults = actions.filter(lambda action: action != "SCMP_ACT_ERRNO")
profiles = st.fixed_dictionaries({"defaultAction": defaults, "syscalls": st.lists(rules, max_size=8)})
NATIVE_OF = {"x86_64": "x86_64", "i386": "x86_64", "x32": "x86_64", "aarch64": "aarch64", "arm": "aarch64"}
SPEC_ARCH = {"x86_64": "X86_64", "i386": "X86", "x32": "X32", "aarch64": "AARCH64", "arm": "ARM"}
EVERY = [f"SCMP_ARCH_{name}" for name in SPEC_ARCH.values()]


def holds(condition: dict[str, Any], args: tuple[int, ...], bits: int) -> bool:
    mask = (1 << bits) - 1
    actual, value = args[condition["index"]], condition["value"] & mask
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


def meaning(profile: dict[str, Any], name: str, args: tuple[int, ...], bits: int = 64) -> str:
    """Return the action of a profile, read as seccomp_profile's docstring says."""
    default = profile["defaultAction"]
    matching = [rule for rule in profile["syscalls"] if name in rule["names"]]
    matching = [rule for rule in matching if RESULTS[rule["action"]] != RESULTS[default]]
    for rule in matching:
        if not rule.get("args"):
            return rule["action"]
    for rule in matching:
        found = [holds(condition, args, bits) for condition in rule["args"]]
        indices = [condition["index"] for condition in rule["args"]]
        if any(found) if len(set(indices)) < len(indices) else all(found):
            return rule["action"]
    return default


@settings(max_examples=300)
@given(profile=profiles, name=names, abi=st.sampled_from(list(NATIVE_OF)), data=st.data())
def test_a_filter_means_what_its_profile_says(profile, name, abi, data):
    if name not in NUMBERS[abi]:
        name = "read"
    values = [condition[key] for rule in profile["syscalls"] for condition in rule.get("args", ())
              for key in ("value", "valueTwo")] or [0]  # fmt: skip
    near = st.builds(lambda value, step: (value + step) % 2**64, st.sampled_from(values), st.integers(-1, 1))
    bits = 32 if abi in ("i386", "arm") else 64
    args = tuple(value % 2**bits for value in data.draw(st.tuples(*[near | numbers] * 6)))
    program = compile_filter(profile | {"architectures": EVERY}, NATIVE_OF[abi])
    assert verdict(program, name, *args, abi=abi) == RESULTS[meaning(profile, name, args, bits)]


def profile_with(**rule) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", **rule}]}


def argument(**change) -> dict[str, Any]:
    return profile_with(args=[{"index": 0, "value": 0, "op": "SCMP_CMP_EQ", **change}])


def compiled(profile: dict[str, Any], arch: str = "x86_64") -> bytes:
    return compile_filter(profile, arch)


# Actions


@pytest.mark.parametrize(
    ("action", "number", "result"),
    [
        *((action, None, result) for action, result in RESULTS.items() if action != "SCMP_ACT_ALLOW"),
        ("SCMP_ACT_ERRNO", 0, ERRNO),
        ("SCMP_ACT_ERRNO", 100, ERRNO | 100),
        ("SCMP_ACT_ERRNO", 4095, ERRNO | 4095),
        ("SCMP_ACT_TRACE", 65535, TRACE | 65535),
    ],
)
def test_actions(action, number, result):
    rule = {"action": action} | ({} if number is None else {"errnoRet": number})
    assert verdict(compiled(profile_with(**rule)), "read") == result
    default = {"defaultAction": action} | ({} if number is None else {"defaultErrnoRet": number})
    assert verdict(compiled(default), "read") == result


def test_notify_needs_its_agent():
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent", "syscalls": [rule]}
    assert verdict(compiled(profile), "mkdir") == NOTIFY
    with pytest.raises(ManifestError, match="listenerPath is None: SCMP_ACT_NOTIFY needs"):
        compiled({**profile, "listenerPath": None})
    for name in ("sendmsg", "write", "close", "setresuid", "execve", "exit_group"):
        with pytest.raises(ManifestError, match=f"'{name}': starting the container needs this call"):
            compiled({**profile, "syscalls": [{**rule, "names": ["mkdir", name]}]})


def test_a_rule_that_repeats_the_default_action_does_not_silence_others():
    allow = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
    program = compiled({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [allow, {**allow, "action": "SCMP_ACT_LOG"}]})
    assert verdict(program, "read") == LOG


def test_what_the_specification_does_not_know_is_ignored():
    program = compiled(profile_with(comment="x", includes={"caps": ["CAP_BPF"]}) | {"org.example": 1, "flags": None})
    assert verdict(program, "read") == ERRNO | EPERM


# Architectures


def test_only_the_native_architecture_is_covered_unless_more_are_listed():
    program = compiled(profile_with())
    assert verdict(program, "read", abi="i386") == verdict(program, "read", abi="x32") == KILL_PROCESS
    for listed in (["SCMP_ARCH_X86"], ["SCMP_ARCH_X86", "SCMP_ARCH_MIPS", "SCMP_ARCH_AARCH64"]):
        program = compiled(profile_with() | {"architectures": listed})
        assert verdict(program, "read") == verdict(program, "read", abi="i386") == ERRNO | EPERM
        assert verdict(program, "read", abi="x32") == verdict(program, "read", abi="aarch64") == KILL_PROCESS


def test_every_way_into_a_kernel_has_numbers_of_its_own():
    profile = profile_with(names=["execve", "chown32"]) | {"architectures": EVERY}
    program = compiled(profile)
    assert [run(program, number, abi="i386") for number in (11, 59, 212)] == [ERRNO | EPERM, ALLOW, ERRNO | EPERM]
    assert [run(program, 0x40000000 | number) for number in (59, 520)] == [ALLOW, ERRNO | EPERM]
    assert run(program, 59) == ERRNO | EPERM
    program = compiled(profile, "aarch64")
    assert [run(program, number, abi="arm") for number in (11, 221, 212)] == [ERRNO | EPERM, ALLOW, ERRNO | EPERM]
    assert run(program, 221, abi="aarch64") == ERRNO | EPERM


def test_numbers_without_a_call_between_the_ways():
    program = compiled(profile_with() | {"architectures": EVERY})
    assert run(program, 0x3FFFFFFF) == run(program, 0xFFFFFFFF) == run(program, 0xFFFFFFFE) == ALLOW
    assert run(program, 0, abi="i386", audit=0x40000028) == KILL_PROCESS


def test_a_native_architecture_without_rules_does_not_run_into_the_next_one():
    rule = {"names": ["socketcall"], "action": "SCMP_ACT_ALLOW"}
    profile = {"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ["SCMP_ARCH_X86"], "syscalls": [rule]}
    program = compiled(profile)
    assert run(program, 102, abi="i386") == ALLOW
    assert run(program, 102) == KILL_PROCESS


def test_a_call_of_arm_alone():
    program = compiled(profile_with(names=["set_tls"]) | {"architectures": EVERY}, "aarch64")
    assert [run(program, 0xF0000 + n, abi="arm") for n in (4, 5, 6)] == [ALLOW, ERRNO | EPERM, ALLOW]


# Numbers that the profile cannot know


@pytest.mark.parametrize(("action", "errno"), [("SCMP_ACT_ERRNO", None), ("SCMP_ACT_ERRNO", 6)])
def test_calls_newer_than_the_profile_do_not_exist(action, errno):
    rule = {"names": ["read", "openat2", "set_tls"], "action": "SCMP_ACT_ALLOW"}
    profile = {"defaultAction": action, "defaultErrnoRet": errno, "architectures": EVERY, "syscalls": [rule]}
    default = ERRNO | (errno or EPERM)
    for abi, base in (("x86_64", 0), ("i386", 0), ("aarch64", 0), ("arm", 0), ("x32", 0x40000000)):
        program = compiled(profile, NATIVE_OF[abi])
        newest = base + 437  # openat2
        assert run(program, newest, abi=abi) == ALLOW
        assert run(program, newest - 1, abi=abi) == default
        assert run(program, newest + 1, abi=abi) == run(program, base + 9999, abi=abi) == ERRNO | ENOSYS
    assert run(compiled(profile), 0xFFFFFFFF) == ERRNO | ENOSYS  # -1: as the kernel itself answers
    arm = compiled(profile, "aarch64")
    assert [run(arm, 0xF0000 + n, abi="arm") for n in (4, 5, 6)] == [default, ALLOW, default]


@pytest.mark.parametrize("action", ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_LOG"])
def test_other_default_actions_hold_for_all_numbers(action):
    program = compiled({"defaultAction": action, "syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRACE"}]})
    assert run(program, 9999) == run(program, 0xFFFFFFFF) == RESULTS[action]


def test_a_profile_that_names_no_call_is_for_all_of_them():
    assert run(compiled({"defaultAction": "SCMP_ACT_ERRNO"}), 9999) == ERRNO | EPERM


# socketcall and ipc, the other way to a socket on i386


def i386(default: str, *syscalls: dict[str, Any]) -> bytes:
    return compiled({"defaultAction": default, "architectures": ["SCMP_ARCH_X86"], "syscalls": list(syscalls)})


EQUAL_1 = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]


def test_a_denied_call_is_denied_through_its_gate():
    program = i386("SCMP_ACT_ALLOW", {"names": ["bind", "shmget"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13})
    assert [verdict(program, "socketcall", n, abi="i386") for n in (1, 2, 3)] == [ALLOW, ERRNO | 13, ALLOW]
    assert verdict(program, "bind", abi="i386") == ERRNO | 13
    for version in (0, 1 << 16):
        assert [verdict(program, "ipc", version | n, abi="i386") for n in (22, 23, 24)] == [ALLOW, ERRNO | 13, ALLOW]


def test_an_allowed_call_is_allowed_through_its_gate():
    program = i386("SCMP_ACT_ERRNO", {"names": ["accept"], "action": "SCMP_ACT_ALLOW"})
    assert [verdict(program, "socketcall", n, abi="i386") for n in (4, 5)] == [ERRNO | EPERM, ALLOW]


def test_arguments_that_lie_in_memory_are_taken_for_the_worst():
    program = i386("SCMP_ACT_ERRNO", {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": EQUAL_1})
    assert verdict(program, "socket", 1, abi="i386") == ALLOW
    assert verdict(program, "socketcall", 1, abi="i386") == ERRNO | EPERM
    program = i386("SCMP_ACT_ALLOW", {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": EQUAL_1})
    assert verdict(program, "socket", 2, abi="i386") == ALLOW
    assert verdict(program, "socketcall", 1, abi="i386") == ERRNO | EPERM
    assert verdict(program, "socketcall", 2, abi="i386") == ALLOW


def test_a_rule_for_the_gate_itself_decides():
    gate = {"names": ["socketcall"], "action": "SCMP_ACT_ALLOW"}
    program = i386("SCMP_ACT_KILL_PROCESS", {"names": ["bind"], "action": "SCMP_ACT_ERRNO"}, gate)
    assert verdict(program, "socketcall", 2, abi="i386") == ALLOW


# What is refused


@pytest.mark.parametrize(
    ("profile", "field"),
    [
        ({"defaultAction": "SCMP_ACT_MAYBE"}, "defaultAction"),
        ({"defaultAction": ["SCMP_ACT_ALLOW"]}, "defaultAction"),
        ({}, "defaultAction"),
        ({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x"}, "defaultAction"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}, "defaultErrnoRet"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}, "defaultErrnoRet"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOGS"]}, "flags"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": "SECCOMP_FILTER_FLAG_LOG"}, "flags"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "agent.sock"}, "listenerPath"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": 1}, "listenerPath"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}, "listenerMetadata"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x", "listenerMetadata": []}, "listenerMetadata"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}, "architectures"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [["SCMP_ARCH_X86"]]}, "architectures"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}, "syscalls"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ["read"]}, "syscalls[0]"),
        (profile_with(names=[]), "syscalls[0].names"),
        (profile_with(names=None), "syscalls[0].names"),
        (profile_with(names=[""]), "syscalls[0].names"),
        (profile_with(names=[3]), "syscalls[0].names"),
        (profile_with(action="SCMP_ACT_ERNO"), "syscalls[0].action"),
        (profile_with(action="SCMP_ACT_KILL", errnoRet=1), "syscalls[0].errnoRet"),
        (profile_with(errnoRet=-1), "syscalls[0].errnoRet"),
        (profile_with(errnoRet=True), "syscalls[0].errnoRet"),
        (profile_with(args=["x"]), "syscalls[0].args[0]"),
        (argument(index=6), "syscalls[0].args[0].index"),
        (argument(value=1 << 64), "syscalls[0].args[0].value"),
        (argument(value="0"), "syscalls[0].args[0].value"),
        (argument(valueTwo=-1), "syscalls[0].args[0].valueTwo"),
        (argument(op="SCMP_CMP_LIKE"), "syscalls[0].args[0].op"),
        (argument(op={}), "syscalls[0].args[0].op"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(profile, field):
    with pytest.raises(ManifestError) as caught:
        compiled(profile)
    assert caught.value.field == f"linux.seccomp.{field}"
    assert caught.value.field in caught.value.message


def test_a_profile_that_is_no_object_is_refused():
    with pytest.raises(ManifestError, match=r"linux\.seccomp is \[\]: must be an object"):
        compile_filter([], "x86_64")  # type: ignore[arg-type]


def test_a_name_that_this_architecture_does_not_have_is_skipped():
    program = compiled(profile_with(names=["chown32", "socketcall", "reed", "write"]))
    assert verdict(program, "write") == ERRNO | EPERM
    assert verdict(program, "read") == ALLOW


def test_a_filter_that_the_kernel_would_not_take_is_refused():
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in range(2000)]
    with pytest.raises(ManifestError, match="the kernel takes 4096"):
        compiled(profile_with(args=args))


def test_a_wide_tree_reaches_beyond_a_conditional_jump():
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in range(100)]
    profile = profile_with(args=args, names=["read", "write", "close"]) | {"architectures": EVERY}
    program = compiled(profile)
    for abi in ("x86_64", "i386", "x32"):
        assert verdict(program, "close", 99, abi=abi) == ERRNO | EPERM
        assert verdict(program, "mmap", 99, abi=abi) == verdict(program, "close", 100, abi=abi) == ALLOW


def test_an_architecture_without_a_table_is_refused():
    with pytest.raises(HostError, match="riscv64"):
        compiled(profile_with(), "riscv64")
