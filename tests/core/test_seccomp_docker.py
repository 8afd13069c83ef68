# SPDX-License-Identifier: Apache-2.0
"""Docker's form of a profile, resolved for one container on one kernel."""

from typing import Any

import pytest

from podwright.errors import ManifestError
from podwright.security.seccomp_docker import to_oci


def allow(*names: str, **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **more}


def resolved(*rules: dict[str, Any], caps=(), arch="x86_64", kernel="6.1.0-13-amd64", **more) -> list[str]:
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules), **more}
    return [name for rule in to_oci(profile, arch, caps, kernel)["syscalls"] for name in rule["names"]]


def test_a_profile_of_the_specification_passes_unchanged():
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "listenerPath": "/run/agent",
        "listenerMetadata": "x",
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 3,
             "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}
        ],
    }  # fmt: skip
    assert to_oci(profile, "x86_64", ()) == profile


def test_capabilities():
    both = allow("both", includes={"caps": ["CAP_A", "CAP_B"]})
    neither = allow("neither", excludes={"caps": ["CAP_A", "CAP_B"]})
    assert resolved(both, neither) == ["neither"]
    assert resolved(both, neither, caps=["CAP_A"]) == []
    assert resolved(both, neither, caps=["CAP_A", "CAP_B"]) == ["both"]


def test_architectures():
    rules = (allow("wide", includes={"arches": ["amd64", "x32"]}), allow("arm", excludes={"arches": ["amd64"]}))
    assert resolved(*rules) == ["wide"]
    assert resolved(*rules, arch="aarch64") == ["arm"]
    assert resolved(allow("all", includes={"arches": []}, excludes={})) == ["all"]


def test_kernels():
    rules = (allow("new", includes={"minKernel": "4.8"}), allow("old", excludes={"minKernel": "4.8"}))
    assert resolved(*rules, kernel="4.8.0") == resolved(*rules, kernel="5.0") == ["new"]
    assert resolved(*rules, kernel="4.7.9-rc1") == resolved(*rules, kernel="3.10") == ["old"]


def test_the_map_of_architectures():
    entries = [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": None},
    ]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "archMap": entries}
    assert to_oci(profile, "x86_64", ())["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert to_oci(profile, "aarch64", ())["architectures"] == ["SCMP_ARCH_AARCH64"]
    assert to_oci(profile, "riscv64", ())["architectures"] == []


def test_names_of_errors_and_a_single_name():
    rule = {"name": "read", "names": [], "action": "SCMP_ACT_ERRNO", "errno": "EACCES", "comment": ""}
    profile = to_oci(
        {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "defaultErrnoRet": None, "syscalls": [rule]},
        "x86_64",
        (),
    )
    assert profile["defaultErrnoRet"] == 38
    assert profile["syscalls"] == [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]
    known = to_oci({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "defaultErrno": "EPERM"}, "x86_64", ())
    assert known["defaultErrnoRet"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"priority": 1}, "priority"),
        ({"archMap": [{}], "architectures": ["SCMP_ARCH_X86"]}, "archMap"),
        ({"archMap": [{"arch": "x"}]}, "archMap[0].arch"),
        ({"archMap": ["x"]}, "archMap[0]"),
        ({"archMap": {"architecture": "x"}}, "archMap"),
        ({"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": "x"}]}, "archMap[0].subArchitectures"),
        ({"defaultErrno": "ENONSENSE"}, "defaultErrno"),
        ({"syscalls": ["x"]}, "syscalls[0]"),
        ({"syscalls": "x"}, "syscalls"),
        ({"syscalls": [allow("a", arg=[])]}, "syscalls[0].arg"),
        ({"syscalls": [allow("a", args={})]}, "syscalls[0].args"),
        ({"syscalls": [allow("a", args=[{"indexx": 1}])]}, "syscalls[0].args[0].indexx"),
        ({"syscalls": [allow("a", name="b")]}, "syscalls[0].name"),
        ({"syscalls": [allow("a", errno="1")]}, "syscalls[0].errno"),
        ({"syscalls": [allow("a", includes={"cap": []})]}, "syscalls[0].includes.cap"),
        ({"syscalls": [allow("a", includes={"caps": "CAP_A"})]}, "syscalls[0].includes.caps"),
        ({"syscalls": [allow("a", excludes={"minKernel": "new"})]}, "syscalls[0].excludes.minKernel"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(change, field):
    with pytest.raises(ManifestError) as caught:
        to_oci({"defaultAction": "SCMP_ACT_ERRNO", **change}, "x86_64", ())
    assert caught.value.field == f"linux.seccomp.{field}"


def test_a_profile_that_is_no_object_is_refused():
    with pytest.raises(ManifestError, match="must be an object"):
        to_oci([], "x86_64", ())  # type: ignore[arg-type]
