# SPDX-License-Identifier: Apache-2.0
"""A process by its number and start time: numbers come back, so nothing here trusts a number alone.

The only way to a signal is a pidfd that was opened first and checked then. What the check has seen is what is hit.
"""

from __future__ import annotations

import errno
import os

from podwright.errors import HostError
from podwright.files import read_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal  # without the tables of names, which cost a command 5 ms

SIGKILL = 9
KILL_TIMEOUT = 10.0  # seconds until a process must have followed SIGKILL
_STATE, _START = 0, 19  # fields 3 and 22 of proc(5) "stat", counted behind the command's name


def start_time(pid: int, *, zombies: bool = False) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it is gone, or only waits to be reaped."""
    try:
        fields = read_small(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if len(fields) <= _START or (fields[_STATE] in (b"Z", b"X") and not zombies):
        return None
    return int(fields[_START])


class Handle:
    """A process that is certainly the right one, while this is open. Use as a context manager."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.fd)

    def signal(self, number: int) -> bool:
        """Send a signal; false when the process has ended."""
        try:
            _signal.pidfd_send_signal(self.fd, number)
        except ProcessLookupError:
            return False
        return True

    def ended(self, timeout: float | None) -> bool:
        """Wait so many seconds (None: for ever) for the end of the process, reaped or not; tell whether it came."""
        import select  # 0.2 ms that a command pays only when it has to wait

        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def has_ended(self) -> bool:
        """Tell whether the process has ended; when it is not our child, wait for that."""
        try:
            return os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return self.ended(None)

    def exit_code(self) -> int | None:
        """Wait for the process and return its exit code (128 + n for signal n); None when it is not our child."""
        try:
            result = os.waitid(os.P_PIDFD, self.fd, os.WEXITED)
        except ChildProcessError:  # somebody else's, or reaped by the caller, or SIGCHLD is ignored
            self.ended(None)
            return None
        return exit_code(result) if result else None


def exit_code(result: os.waitid_result) -> int:
    """Return what a shell would say of an ended child."""
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


def find(pid: int, start: int, *, zombies: bool = False) -> Handle | None:
    """Open the process that has this number and started then; None when there is none (any more)."""
    if pid <= 0:
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):  # gone; or the number is a thread's now
            return None
        raise
    if start_time(pid, zombies=zombies) != start:
        os.close(fd)
        return None
    return Handle(fd)


def end(pid: int, start: int) -> None:
    """Kill a process and wait for its end; reap it, if it is our child. None of that name is no error."""
    handle = find(pid, start, zombies=True)
    if handle is None:
        return
    with handle:
        handle.signal(SIGKILL)
        if not handle.ended(KILL_TIMEOUT):
            raise HostError(f"process {pid} did not end within {KILL_TIMEOUT:g} s of SIGKILL")
        handle.exit_code()
