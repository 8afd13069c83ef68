# SPDX-License-Identifier: Apache-2.0
"""The sockets around a container: the one that starts it, and the callers' for its terminal or its pidfd.

_socket and not socket: the module around it costs a command 5 ms.
"""

from __future__ import annotations

import _socket
import os
import sys

from podwright.errors import ContainerError, HostError

MAX_MESSAGE = 65536
_WORD = 4  # bytes of a descriptor in a message


def connect(path: str, option: str) -> _socket.socket:
    """Return a connection to a caller's socket; HostError names the command's option."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        connection.connect(path)
    except (OSError, ValueError) as error:
        connection.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise HostError(f"{option} is {path!r}, which cannot be connected to: {reason}", field=option) from error
    return connection


def send_descriptor(connection: _socket.socket, fd: int, text: bytes) -> None:
    """Send a copy of a descriptor."""
    data = fd.to_bytes(_WORD, sys.byteorder)
    connection.sendmsg([text], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data)])


def receive_descriptor(connection: _socket.socket) -> int | None:
    """Receive one descriptor, None when the other side has closed. What comes besides is closed."""
    _, ancillary, _, _ = connection.recvmsg(4096, _socket.CMSG_SPACE(_WORD), _socket.MSG_CMSG_CLOEXEC)
    found = [
        int.from_bytes(data[at : at + _WORD], sys.byteorder)
        for level, kind, data in ancillary
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS
        for at in range(0, len(data) - len(data) % _WORD, _WORD)
    ]
    for fd in found[1:]:
        os.close(fd)
    return found[0] if found else None


def _gate(directory: int) -> _socket.socket | None:
    """Connect to the process that waits to be started, by the container's open directory; None when none waits."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    try:
        # an address has 108 bytes, a root directory may be longer
        connection.connect(f"/proc/self/fd/{directory}/start.sock")
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def start(directory: int, container_id: str) -> None:
    """Let the container's process go on to its program, and return when execve(2) has succeeded.

    ContainerError when none waits for it, HostError with what the process says when it fails.
    """
    connection = _gate(directory)
    if connection is None:
        raise ContainerError(f"container {container_id} was started already")
    try:
        connection.send(b"\0")
        answer = connection.recv(MAX_MESSAGE)
    except (BrokenPipeError, ConnectionResetError):
        answer = b"its process ended before it could be started"
    finally:
        connection.close()
    if answer:
        raise HostError(f"container {container_id} cannot be started: {answer.decode(errors='replace')}")


def waiting_pid(directory: int) -> int:
    """Return the process that waits to be started, as the kernel knows it; 0 when none waits."""
    connection = _gate(directory)
    if connection is None:
        return 0
    try:
        # struct ucred: pid, uid, gid. A connection that says nothing starts nothing.
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 3 * _WORD)
    finally:
        connection.close()
    return int.from_bytes(credentials[:_WORD], sys.byteorder)


class Console:
    """Where a new process' terminal goes: a caller's socket by path, one that is connected already, or nowhere.

    Entering yields the connected descriptor or None. ``wanted`` is ``process.terminal``: without it, ``fd`` is not
    used, and a path is an error as is no socket with it.
    """

    __slots__ = ("_connection", "_fd", "_path")

    def __init__(self, path: str | None, fd: int | None, *, wanted: bool) -> None:
        if wanted and path is None and fd is None:
            raise HostError(
                "process.terminal is true, but nobody takes the terminal: give --console-socket, or run it in the "
                "foreground",
                field="process.terminal",
            )
        if path is not None and not wanted:
            raise HostError("--console-socket is given, but process.terminal is false", field="process.terminal")
        self._path = path
        self._fd = fd if wanted else None
        self._connection: _socket.socket | None = None

    def __enter__(self) -> int | None:
        if self._path is None:
            return self._fd
        self._connection = connect(self._path, "--console-socket")
        return self._connection.fileno()

    def __exit__(self, *_error: object) -> None:
        if self._connection is not None:
            self._connection.close()


def send_pidfd(path: str, pid: int) -> None:
    """Send a pidfd of a new process to a caller's socket (``--pidfd-socket``)."""
    connection = connect(path, "--pidfd-socket")
    fd = os.pidfd_open(pid)
    try:
        send_descriptor(connection, fd, b"pidfd")
    finally:
        os.close(fd)
        connection.close()
