# SPDX-License-Identifier: Apache-2.0
"""The default filter in the kernel: what it refuses, what it hides, and that ordinary programs do not notice it."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from podwright.security import seccomp_cache
from podwright.security.syscall_table import load

# A process loads the filter, then asks or becomes another program. It is fresh: a filter cannot be taken off again.
LOADER = textwrap.dedent("""
    import ctypes, os, sys
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    program = open(sys.argv[1], "rb").read()

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    filter = Filter(len(program) // 8, program)
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0) == 0

    def call(*args):
        ctypes.set_errno(0)
        result = libc.syscall(*(ctypes.c_ulong(argument) for argument in args))
        return ctypes.get_errno() if result == -1 else 0
""")
NUMBERS = load(os.uname().machine)[os.uname().machine]


@pytest.fixture(scope="module")
def bpf(tmp_path_factory) -> str:
    return seccomp_cache.filter_file(str(tmp_path_factory.mktemp("root")))


def under_filter(bpf: str, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", LOADER + script, bpf, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def answer(bpf: str, *args: int) -> int:
    """Return the errno of a raw system call made under the filter, 0 for success."""
    done = under_filter(bpf, f"print(call{args!r})")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


NEWUSER = 0x10000000


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("mount", (0, 0, 0, 0, 0)),
        ("reboot", (0, 0, 0, 0)),  # not the magic numbers, should the filter fail
        ("init_module", (0, 0, 0)),
        ("finit_module", (2**32 - 1, 0, 0)),
        ("unshare", (NEWUSER,)),
        ("clone", (NEWUSER | 17, 0, 0, 0, 0)),
        ("setns", (2**32 - 1, 0)),
        ("keyctl", (0, 0, 0, 0, 0)),
        ("add_key", (0, 0, 0, 0, 0)),
        ("bpf", (0, 0, 0)),
        ("perf_event_open", (0, 0, 0, 0, 0)),
        ("userfaultfd", (0,)),
        ("open_by_handle_at", (2**32 - 1, 0, 0)),
        ("kexec_load", (0, 0, 0, 0)),
        ("swapoff", (0,)),
    ],
)
def test_refused(bpf, name, args):
    assert answer(bpf, NUMBERS[name], *args) == errno.EPERM


def test_hidden(bpf):
    hidden = [NUMBERS["clone3"], NUMBERS["io_uring_setup"], 999, 5000]
    script = f"print([call(number, 0, 0, 0, 0, 0) for number in {hidden}])"
    assert under_filter(bpf, script).stdout.strip() == str([errno.ENOSYS] * 4)


def test_socket_families_that_leave_the_pod_do_not_exist(bpf):
    script = f"print([call({NUMBERS['socket']}, family, 1, 0) for family in (38, 40, 1 << 32 | 40, 1)])"
    assert under_filter(bpf, script).stdout.strip() == str([errno.EAFNOSUPPORT] * 3 + [0])


def test_the_kernel_says_that_a_filter_is_loaded(bpf):
    done = under_filter(bpf, "print(open('/proc/self/status').read())")
    assert "Seccomp:\t2\n" in done.stdout
    assert "NoNewPrivs:\t1\n" in done.stdout


def test_x32_calls_kill(bpf):
    if os.uname().machine != "x86_64":
        pytest.skip("x32 exists on x86_64 only")
    assert under_filter(bpf, "call(0x40000000 | 39)").returncode == -31  # SIGSYS


def test_32_bit_calls_kill(bpf, tmp_path):
    """Through int 0x80 any 64-bit process can make them, with numbers that mean something else."""
    if os.uname().machine != "x86_64" or not shutil.which("gcc"):
        pytest.skip("needs x86_64 and gcc")
    source = tmp_path / "int80.c"
    source.write_text('int main(void) { int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20)); return r <= 0; }')
    subprocess.run(["gcc", "-O0", "-o", tmp_path / "int80", source], check=True)
    assert under_filter(bpf, "os.execv(sys.argv[2], sys.argv[2:])", str(tmp_path / "int80")).returncode == -31


THREADS = """
import multiprocessing, threading, subprocess, tempfile, socket, os, time
seen = []
threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert sorted(seen) == list(range(8))
assert subprocess.run(["true"]).returncode == 0
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
with tempfile.TemporaryDirectory() as d:
    open(d + "/f", "w").write("x"); os.chown(d + "/f", 1, 1); os.rename(d + "/f", d + "/g"); os.truncate(d + "/g", 0)
multiprocessing.get_context("spawn").Lock()
time.sleep(0.001)
print("fine")
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["/bin/busybox", "sh", "-c", "echo a | cat; (sleep 0; echo b) & wait; test -d /proc && echo c"], "a\nb\nc\n"),
        (["/bin/ls", "/proc/self/task"], None),
        (["/bin/sh", "-c", "find /etc -maxdepth 1 | sort | tail -n1 >/dev/null && date >/dev/null && echo ok"], "ok\n"),
        ([sys.executable, "-c", THREADS], "fine\n"),
    ],
    ids=["busybox", "ls", "shell", "python"],
)
def test_ordinary_programs_work(bpf, command, expected):
    if not Path(command[0]).exists():
        pytest.skip(f"{command[0]} is not installed")
    done = under_filter(bpf, "os.execv(sys.argv[2], sys.argv[2:])", *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected if expected else done.stdout.strip()
