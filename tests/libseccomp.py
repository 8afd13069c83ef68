# SPDX-License-Identifier: Apache-2.0
"""libseccomp, called as runc calls it: the oracle for the filters of our own compiler."""

import ctypes
import tempfile
from typing import Any

import pytest

ARCHES = {"SCMP_ARCH_X86_64": 0xC000003E, "SCMP_ARCH_X86": 0x40000003, "SCMP_ARCH_X32": 0x4000003E,
          "SCMP_ARCH_AARCH64": 0xC00000B7, "SCMP_ARCH_ARM": 0x40000028}  # fmt: skip
NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
RESULTS = {"KILL": 0, "KILL_THREAD": 0, "KILL_PROCESS": 0x80000000, "TRAP": 0x30000, "ERRNO": 0x50000,
           "TRACE": 0x7FF00000, "LOG": 0x7FFC0000, "ALLOW": 0x7FFF0000, "NOTIFY": 0x7FC00000}  # fmt: skip
COMPARISONS = ["", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]  # enum scmp_compare
EEXIST = 17
NO_SUCH_CALL = -1
BAD_ARCH, KILL_PROCESS = 2, 0x80000000  # SCMP_FLTATR_ACT_BADARCH


class Argument(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def library() -> ctypes.CDLL:
    """Return the library; a test that has none is skipped."""
    try:
        found = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp.so.2 is not installed")
    pointer, word, number = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int
    found.seccomp_init.restype = pointer
    found.seccomp_rule_add_array.argtypes = (pointer, word, number, ctypes.c_uint, ctypes.POINTER(Argument))
    found.seccomp_attr_set.argtypes = (pointer, number, word)
    found.seccomp_export_bpf.argtypes = (pointer, number)
    found.seccomp_arch_add.argtypes = found.seccomp_arch_remove.argtypes = (pointer, word)
    found.seccomp_release.argtypes = (pointer,)
    found.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    return found


def compile_filter(library: ctypes.CDLL, profile: dict[str, Any], arch: str) -> tuple[bytes, set[str]]:
    """Compile an OCI profile: the program, and the names that this libseccomp does not know."""
    default = _result(profile, "defaultAction", "defaultErrnoRet")
    context = library.seccomp_init(default)
    wanted = {NATIVE[arch], *(profile.get("architectures") or ())} & ARCHES.keys()
    for name in wanted:
        assert library.seccomp_arch_add(context, ARCHES[name]) in (0, -EEXIST)
    for name in set(NATIVE.values()) - wanted:
        library.seccomp_arch_remove(context, ARCHES[name])
    assert library.seccomp_attr_set(context, BAD_ARCH, KILL_PROCESS) == 0
    unknown = set()
    for entry in profile.get("syscalls") or ():
        for name in entry["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number == NO_SUCH_CALL:
                unknown.add(name)
            elif _result(entry, "action", "errnoRet") != default:
                _add(library, context, entry, number)
    with tempfile.TemporaryFile() as output:
        assert library.seccomp_export_bpf(context, output.fileno()) == 0
        library.seccomp_release(context)
        output.seek(0)
        return output.read(), unknown


def _add(library: ctypes.CDLL, context: int, entry: dict[str, Any], number: int) -> None:
    arguments = [
        Argument(arg["index"], COMPARISONS.index(arg["op"].removeprefix("SCMP_CMP_")), arg["value"],
                 arg.get("valueTwo", 0))
        for arg in entry.get("args") or ()
    ]  # fmt: skip
    together = len({argument.arg for argument in arguments}) == len(arguments)
    for group in [arguments] if together else [[argument] for argument in arguments]:
        array = (Argument * len(group))(*group)
        result = library.seccomp_rule_add_array(
            context, _result(entry, "action", "errnoRet"), number, len(group), array
        )
        assert result in (0, -EEXIST), result  # EEXIST: the same rule with another action; the first one counts


def _result(entry: dict[str, Any], action: str, errno: str) -> int:
    kind = entry[action].removeprefix("SCMP_ACT_")
    return RESULTS[kind] | ((1 if entry.get(errno) is None else entry[errno]) if kind in ("ERRNO", "TRACE") else 0)
