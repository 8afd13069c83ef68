# SPDX-License-Identifier: Apache-2.0
"""Filters for bundles in the kernel: every action, operator, flag and way into the kernel, as a program meets them."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from podwright.security import capabilities
from podwright.security.seccomp_cache import SeccompFilter, oci_filter
from podwright.security.seccomp_docker import to_oci
from podwright.security.syscall_table import load

# As podinit loads it: seccomp(2) with the filter's flags. Only the calling thread is confined.
LOADER = textwrap.dedent("""
    import ctypes, os, signal, sys, threading
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    NEW_LISTENER, SECCOMP = 8, int(sys.argv[3])

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    def confine(more=0):
        program = open(sys.argv[1], "rb").read()
        assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
        filter = Filter(len(program) // 8, program)
        result = libc.syscall(SECCOMP, 1, int(sys.argv[2]) | more, ctypes.byref(filter))
        assert result >= 0, ctypes.get_errno()
        return result

    def call(*args):
        ctypes.set_errno(0)
        result = libc.syscall(*(ctypes.c_ulong(argument) for argument in args))
        return ctypes.get_errno() if result == -1 else 0
""")
ARCH = os.uname().machine
NUMBERS = load(ARCH)[ARCH]
GETPPID = NUMBERS["getppid"]


@pytest.fixture
def root(tmp_path) -> str:
    return str(tmp_path / "root")


def profile(*syscalls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(syscalls), **more}


def rule(name: str, action: str, *args: tuple[int, str, int, int], **more: Any) -> dict[str, Any]:
    keys = ("index", "op", "value", "valueTwo")
    conditions = [dict(zip(keys, arg, strict=True)) for arg in args]
    return {"names": [name], "action": f"SCMP_ACT_{action}", "args": conditions, **more}


def run(found: SeccompFilter, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    numbers = [str(found.flags), str(NUMBERS["seccomp"])]
    command = [sys.executable, "-I", "-c", LOADER + script, found.path, *numbers, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def output(found: SeccompFilter, script: str, *args: str) -> str:
    done = run(found, script, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("action", "more", "expected"),
    [
        ("ALLOW", {}, 0),
        ("LOG", {}, 0),
        ("ERRNO", {}, errno.EPERM),
        ("ERRNO", {"errnoRet": errno.ENETDOWN}, errno.ENETDOWN),
        ("ERRNO", {"errnoRet": 4095}, 4095),
        ("TRACE", {}, errno.ENOSYS),  # nobody traces
    ],
)
def test_actions_that_return(root, action, more, expected):
    found = oci_filter(root, profile(rule("getppid", action, **more)))
    assert output(found, f"confine(); print(call({GETPPID}))") == str(expected)


def test_the_default_action_s_errno(root):
    allowed = {"names": [name for name in NUMBERS if name != "getppid"], "action": "SCMP_ACT_ALLOW"}
    found = oci_filter(root, {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 6, "syscalls": [allowed]})
    newest = max(NUMBERS.values())
    script = f"confine(); print([call(number) for number in ({GETPPID}, {newest + 1}, 9999)])"
    assert output(found, script) == str([errno.ENXIO, errno.ENOSYS, errno.ENOSYS])


@pytest.mark.parametrize("action", ["KILL_PROCESS", "TRAP", "KILL"])
def test_actions_that_kill(root, action):
    found = oci_filter(root, profile(rule("getppid", action)))
    assert run(found, f"confine(); call({GETPPID})").returncode == -signal.SIGSYS


@pytest.mark.parametrize(("action", "survives"), [("KILL", True), ("KILL_THREAD", True), ("KILL_PROCESS", False)])
def test_a_thread_or_the_process(root, action, survives):
    found = oci_filter(root, profile(rule("getppid", action)))
    script = f"""
def confined():
    confine()
    call({GETPPID})
threading.Thread(target=confined, daemon=True).start()
deadline = 1000
while len(os.listdir("/proc/self/task")) > 1 and deadline:
    deadline -= 1
    libc.usleep(5000)
os.write(1, b"alive")
os._exit(0)
"""
    done = run(found, script)
    assert (done.returncode, done.stdout) == ((0, "alive") if survives else (-signal.SIGSYS, ""))


def test_a_trap_is_a_signal_that_a_program_may_catch(root):
    found = oci_filter(root, profile(rule("getppid", "TRAP")))
    script = f"""
caught = []
signal.signal(signal.SIGSYS, lambda number, frame: caught.append(number))
confine()
call({GETPPID})
print(caught)
"""
    assert output(found, script) == f"[{signal.SIGSYS.value}]"


BIG = 1 << 40 | 5


@pytest.mark.parametrize(
    ("operator", "value", "other", "denied"),
    [
        ("EQ", BIG, 0, [BIG]),
        ("NE", BIG, 0, [0, BIG - 1, BIG + 1, 2**64 - 1]),
        ("LT", BIG, 0, [0, BIG - 1]),
        ("LE", BIG, 0, [0, BIG - 1, BIG]),
        ("GE", BIG, 0, [BIG, BIG + 1, 2**64 - 1]),
        ("GT", BIG, 0, [BIG + 1, 2**64 - 1]),
        ("MASKED_EQ", BIG | 2, 1 << 40 | 4, [BIG - 1]),
    ],
)
def test_operators(root, operator, value, other, denied):
    found = oci_filter(root, profile(rule("getppid", "ERRNO", (3, f"SCMP_CMP_{operator}", value, other))))
    values = [0, BIG - 1, BIG, BIG + 1, 2**64 - 1]
    script = f"confine(); print([v for v in {values} if call({GETPPID}, 0, 0, 0, v)])"
    assert output(found, script) == str(denied)


def test_conditions_hold_together_or_each_alone(root):
    one, two = (0, "SCMP_CMP_EQ", 1, 0), (1, "SCMP_CMP_EQ", 2, 0)
    script = f"confine(); print([a for a in ((1, 2), (1, 0), (0, 2)) if call({GETPPID}, *a)])"
    assert output(oci_filter(root, profile(rule("getppid", "ERRNO", one, two))), script) == "[(1, 2)]"
    alone = profile(rule("getppid", "ERRNO", one, (0, "SCMP_CMP_EQ", 0, 0)))
    assert output(oci_filter(root, alone), script) == "[(1, 2), (1, 0), (0, 2)]"


# Flags and the listener


@pytest.mark.parametrize("flags", [[], ["TSYNC"], ["LOG"], ["SPEC_ALLOW"], ["TSYNC", "LOG", "SPEC_ALLOW"],
                                   ["WAIT_KILLABLE_RECV"]])  # fmt: skip
def test_the_kernel_takes_every_flag(root, flags):
    wanted = profile(rule("getppid", "ERRNO"), flags=[f"SECCOMP_FILTER_FLAG_{name}" for name in flags])
    assert output(oci_filter(root, wanted), f"confine(); print(call({GETPPID}))") == "1"


@pytest.mark.parametrize("flags", [[], ["TSYNC", "LOG", "WAIT_KILLABLE_RECV"]])
def test_an_agent_answers_for_calls(root, flags):
    wanted = profile(
        rule("getppid", "NOTIFY", (0, "SCMP_CMP_EQ", 7, 0)),
        flags=[f"SECCOMP_FILTER_FLAG_{name}" for name in flags],
        listenerPath="/run/agent",
        listenerMetadata="for the agent",
    )
    found = oci_filter(root, wanted)
    assert (found.listener_path, found.listener_metadata) == ("/run/agent", "for the agent")
    script = f"""
import fcntl, queue, struct
listener, answers = queue.Queue(), queue.Queue()
def confined():
    listener.put(confine(NEW_LISTENER))
    answers.put([call({GETPPID}, 0), call({GETPPID}, 7)])
threading.Thread(target=confined, daemon=True).start()
fd, notification = listener.get(), bytearray(80)  # struct seccomp_notif
fcntl.ioctl(fd, 0xC0502100, notification)  # SECCOMP_IOCTL_NOTIF_RECV
number, args = struct.unpack_from("=i", notification, 16)[0], struct.unpack_from("=Q", notification, 32)
fcntl.ioctl(fd, 0xC0182101, notification[:8] + struct.pack("=qiI", 0, -33, 0))  # SECCOMP_IOCTL_NOTIF_SEND
print(number, *args, answers.get())
"""
    assert output(found, script) == f"{GETPPID} 7 [0, {errno.EDOM}]"


# The other ways into the kernel

INT80 = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (int n = 1; n + 1 < argc; n += 2) {
        long result = atol(argv[n]), first = atol(argv[n + 1]);
        __asm__ volatile("int $0x80" : "+a"(result) : "b"(first), "c"(0), "d"(0) : "memory");
        printf("%d ", (int)result);
        fflush(stdout);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def int80(tmp_path_factory) -> str:
    if ARCH != "x86_64" or not shutil.which("gcc"):
        pytest.skip("needs x86_64 and gcc")
    folder = tmp_path_factory.mktemp("int80")
    (folder / "int80.c").write_text(INT80)
    subprocess.run(["gcc", "-O0", "-o", folder / "int80", folder / "int80.c"], check=True)
    if subprocess.run([folder / "int80", "20", "0"], capture_output=True).returncode != 0:
        pytest.skip("this kernel does not run 32-bit calls")
    return str(folder / "int80")


EXECUTE = "confine(); os.execv(sys.argv[4], sys.argv[4:])"


def test_i386_calls(root, int80):
    """The number 64 is getppid there, and is semget on x86_64; 102 is socketcall, whose first argument 2 is bind."""
    rules = (rule("getppid", "ERRNO", (0, "SCMP_CMP_EQ", 5, 0)), rule("bind", "ERRNO", errnoRet=3))
    found = oci_filter(root, profile(*rules, architectures=["SCMP_ARCH_X86"]))
    results = [int(word) for word in output(found, EXECUTE, int80, "64", "4", "64", "5", "102", "2").split()]
    assert results[0] > 0
    assert results[1:] == [-errno.EPERM, -3]


def test_i386_calls_kill_where_they_are_not_listed(root, int80):
    found = oci_filter(root, profile(rule("getppid", "ERRNO")))
    assert run(found, EXECUTE, int80, "20", "0").returncode == -signal.SIGSYS


@pytest.mark.skipif(ARCH != "x86_64", reason="x32 exists on x86_64 only")
def test_x32_calls(root):
    """The filter is asked before the kernel looks whether it has such calls at all."""
    x32 = load("x86_64")["x32"]["execve"]
    listed = oci_filter(root, profile(rule("execve", "ERRNO", errnoRet=100), architectures=["SCMP_ARCH_X32"]))
    assert output(listed, f"confine(); print(call({x32}))") == "100"
    unlisted = oci_filter(root, profile(rule("execve", "ERRNO")))
    assert run(unlisted, f"confine(); call({x32})").returncode == -signal.SIGSYS


@pytest.mark.skipif(not Path("/usr/share/containers/seccomp.json").exists(), reason="podman's profile is not installed")
def test_ordinary_programs_work_under_the_profile_of_podman(root):
    wanted = json.loads(Path("/usr/share/containers/seccomp.json").read_text())
    found = oci_filter(root, to_oci(wanted, ARCH, capabilities.DEFAULT))
    script = "ls /proc/self/task >/dev/null; find /etc -maxdepth 1 | sort >/dev/null; (sleep 0; echo b) & wait"
    done = run(found, EXECUTE, "/bin/sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "b\n", "")
