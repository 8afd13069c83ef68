# SPDX-License-Identifier: Apache-2.0
"""A root directory that is the root of a mount namespace, for the checks.

In a chroot the two differ, and there the kernel makes no user namespace (user_namespaces(7), EPERM), which a good part
of the tests is about. So a chroot becomes the root of a mount namespace of its own first, as on a real machine.
"""

import ctypes
import os
from collections.abc import Callable

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 1 << 18, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}  # glibc has no function for it
_libc = ctypes.CDLL(None, use_errno=True)


def leave_chroot() -> None:
    """Make "/" the root of a mount namespace of this process' own, if it is a chroot; for root alone."""
    if os.geteuid() != 0 or _in_child(_enter_namespace_root) == "/":
        return
    working_directory = os.getcwd()
    root = _enter_namespace_root()
    _call("mount", root.encode(), root.encode(), None, MS_BIND | MS_REC, None)
    os.chdir(root)
    _call("syscall", PIVOT_ROOT[os.uname().machine], b".", b".")
    _call("umount2", b".", MNT_DETACH)
    os.chdir(working_directory)


def _enter_namespace_root() -> str:
    """Go to the root of a new mount namespace, and return where the root of before lies in it."""
    chroot = os.open("/", os.O_PATH | os.O_DIRECTORY)
    _call("unshare", CLONE_NEWNS)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    _call("setns", namespace, CLONE_NEWNS)
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    path = os.readlink(f"/proc/self/fd/{chroot}")
    os.close(namespace)
    os.close(chroot)
    return path


def _in_child(function: Callable[[], str]) -> str:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, function().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
