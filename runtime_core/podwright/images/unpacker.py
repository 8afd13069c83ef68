# SPDX-License-Identifier: Apache-2.0
"""The processes that work on layers.

``podinit unpack`` makes a folder of a layer's tar, confined to that folder; ``podinit settle`` brings it to the disk.
"""

import os
import signal
import socket
from collections.abc import Iterator, Sequence

from podwright.images.space import Full

_NO_SPACE = ("No space left on device", "Quota exceeded")  # as musl has them, with which podinit is built


def unpack(podinit: str, folder: str, pieces: Iterator[bytes]) -> str:
    """Have ``podinit`` fill ``folder`` with the content of a tar.

    Returns "" or the line in which it says why it gave up; it may not have asked for all pieces then. Raises OSError
    when the disk is full.
    """
    # A socket and not a pipe: MSG_NOSIGNAL spares a caller who has SIGPIPE at its default.
    ours, its = socket.socketpair()
    reading, writing = os.pipe()
    try:
        with its:
            pid = _spawn(podinit, folder, its.fileno(), writing)
    except BaseException:
        ours.close()
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        with ours:
            for piece in pieces:
                ours.sendall(piece, socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it gave up: its reason follows
    finally:
        with open(reading, "rb") as file:
            line = file.read(4096).decode(errors="backslashreplace").strip()
        status = _exit_status(pid)
    if status == 0:
        return ""
    if status is None:
        return "how its unpacking ended is unknown: the process that uses podwright must not ignore SIGCHLD"
    if line.endswith(_NO_SPACE):
        raise Full(line, folder)
    return line or f"podinit ended with status {status}"


def settle(podinit: str, folders: Sequence[str]) -> None:
    """Start what brings layers to the disk, and takes their mark away then; it goes on when this has returned."""
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    argv = ["podinit", "settle", *folders]
    _exit_status(os.posix_spawn(podinit, argv, {}, file_actions=nowhere, setsigmask=[]))


def _exit_status(pid: int) -> int | None:
    """Wait for a child; None when the caller has the kernel reap its children (waitpid(2), ECHILD)."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None


def _spawn(podinit: str, folder: str, stdin: int, stderr: int) -> int:
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    argv = ["podinit", "unpack", folder]
    return os.posix_spawn(podinit, argv, {}, file_actions=actions, setsigdef=[signal.SIGPIPE], setsigmask=[])
