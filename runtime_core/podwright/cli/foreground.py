# SPDX-License-Identifier: Apache-2.0
"""A container's process in the foreground: this process' signals go to it, and its terminal to this one's.

Only a command may use this: signal handlers and terminal settings belong to the whole process.
"""

from __future__ import annotations

import _socket
import os

from podwright.containers import process
from podwright.containers.sockets import receive_descriptor
from podwright.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any
else:
    import _signal

# All that somebody sends on purpose. Not CHLD and URG, which the kernel and libraries send, not the stops of job
# control, which are for this process, and not faults of this process' own.
_FORWARDED = (1, 2, 3, 10, 12, 14, 15, 18, 28, 29, 30)  # HUP INT QUIT USR1 USR2 ALRM TERM CONT WINCH IO PWR
_CHLD = 17
_WINCH = 28
_BLOCK, _UNBLOCK, _SETMASK = 0, 1, 2
_END_OF_INPUT = b"\x04"
_CHUNK = 65536


class Foreground:
    """Enter it before the process is made: from then on no signal is lost. ``relay``: take its terminal, if any.

    Signals are blocked and fetched one by one. A terminal has to be waited for too, so with one they become bytes in a
    pipe. When this is left they have no effect: the command is not stopped on its way to the end.
    """

    def __init__(self, *, relay: bool) -> None:
        self._relay = relay
        self._fds: list[int] = []
        self._wake = -1
        self._mask: set[_signal.Signals] | set[int] = set()
        self._ours: _socket.socket | None = None
        self._theirs: _socket.socket | None = None
        self._handle: process.Handle | None = None
        self._master = -1
        self._input_open = True
        self._pending = b""
        self._saved: list[Any] | None = None

    @property
    def console(self) -> int | None:
        """The socket that shall get the terminal."""
        return None if self._theirs is None else self._theirs.fileno()

    def __enter__(self) -> Foreground:
        self._mask = _signal.pthread_sigmask(_BLOCK, (*_FORWARDED, _CHLD))
        for number in _FORWARDED:
            _signal.signal(number, _noted)
        _signal.signal(_CHLD, _signal.SIG_DFL)  # where it is ignored, nothing tells of a child's end
        if self._relay:
            self._ours, self._theirs = _pair()
        return self

    def __exit__(self, *_error: object) -> None:
        _signal.set_wakeup_fd(-1)
        _signal.pthread_sigmask(_SETMASK, self._mask)
        if self._saved is not None:
            import termios

            termios.tcsetattr(0, termios.TCSANOW, self._saved)
        for connection in (self._ours, self._theirs):
            if connection is not None:
                connection.close()
        if self._handle is not None:
            os.close(self._handle.fd)
        for fd in self._fds:
            os.close(fd)

    def attach(self, pid: int) -> None:
        """Take the process that was made, our child, and its terminal."""
        self._handle = process.Handle(os.pidfd_open(pid))  # a child that is not reaped keeps its number
        if self._ours is None or self._theirs is None:
            return
        self._theirs.close()  # so that the other side's end is seen
        self._theirs = None
        received = receive_descriptor(self._ours)
        if received is None:
            return
        self._master = received
        self._fds.append(received)
        os.set_blocking(received, False)
        self._listen()
        self._resize()
        if os.isatty(0):
            import termios
            import tty

            self._saved = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)  # what was typed ahead is kept

    def _listen(self) -> None:
        """Have each signal's number written to a pipe."""
        self._wake, wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._fds += [self._wake, wakeup]
        _signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        _signal.pthread_sigmask(_UNBLOCK, _FORWARDED)

    def wait(self) -> int:
        """Relay until the process ends; return its exit code, 128 + n for signal n."""
        handle = self._handle
        assert handle is not None  # noqa: S101 - attach() comes first
        if self._master >= 0:
            self._relay_all(handle)
        else:
            self._relay_signals(handle)
        code = handle.exit_code()
        if code is None:
            raise HostError("how the process ended cannot be known: somebody else has reaped it")
        return code

    def _relay_signals(self, handle: process.Handle) -> None:
        while not handle.has_ended():
            number = _signal.sigwait((*_FORWARDED, _CHLD))
            if number != _CHLD:
                handle.signal(number)

    def _relay_all(self, handle: process.Handle) -> None:
        import select  # 0.2 ms that only a terminal costs

        while True:
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            poll.register(handle.fd, select.POLLIN)
            if self._master >= 0:
                poll.register(self._master, select.POLLIN | (select.POLLOUT if self._pending else 0))
                if self._input_open and not self._pending:
                    poll.register(0, select.POLLIN)
            ready = dict(poll.poll())
            if self._wake in ready:
                self._forward(handle)
            if self._master in ready:
                self._exchange(ready[self._master])
            if 0 in ready:
                self._read_input()
            if handle.fd in ready:
                break
        while self._master >= 0 and self._show():
            pass  # what it wrote last

    def _forward(self, handle: process.Handle) -> None:
        for number in os.read(self._wake, _CHUNK):
            if number == _WINCH and self._master >= 0:
                self._resize()
            else:
                handle.signal(number)

    def _exchange(self, events: int) -> None:
        import select

        if events & select.POLLOUT and self._pending:
            self._pending = self._pending[os.write(self._master, self._pending) :]
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not self._show():
            # the last process that had the terminal open has closed it
            self._fds.remove(self._master)
            os.close(self._master)
            self._master = -1

    def _show(self) -> bool:
        """Print what stands in the terminal; false when there is nothing (any more)."""
        try:
            data = os.read(self._master, _CHUNK)
        except OSError:  # EIO: all have closed it; EAGAIN: nothing now
            return False
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
        return bool(data)

    def _read_input(self) -> None:
        data = os.read(0, 4096)
        if not data:
            self._input_open = False
            data = _END_OF_INPUT
        self._pending = data

    def _resize(self) -> None:
        import termios

        if self._saved is not None or os.isatty(0):
            termios.tcsetwinsize(self._master, termios.tcgetwinsize(0))


def _noted(_number: int, _frame: object) -> None:
    """Do nothing: the signal is fetched, or its number goes to the pipe."""


def _pair() -> tuple[_socket.socket, _socket.socket]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    return ours, theirs
