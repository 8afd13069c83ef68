# SPDX-License-Identifier: Apache-2.0
"""Spawning podinit, which makes a container's process, and reading what it reports.

The caller is a library in somebody's process: nothing forks (threads may hold locks), no signal and no limit of the
caller is touched, and the child gets exactly the descriptors that are named here.
"""

from __future__ import annotations

import fcntl
import os

from podwright.containers import process
from podwright.errors import HostError
from podwright.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PODINIT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_bin", "podinit")
MAX_REPORT = 65536  # podinit ran the container's hooks: it is not trusted with our memory
REPORT, CONSOLE, PRESERVED = 3, 4, 5
_SIGNALS = tuple(number for number in range(1, 32) if number not in (9, 19))


class Launched:
    """A process that podinit has made: our child, by its number and start time."""

    __slots__ = ("pid", "start")

    def __init__(self, pid: int, start: int) -> None:
        self.pid = pid
        self.start = start


def launch(
    command: str,
    target: str,
    steps: Sequence[Sequence[Any]] = (),
    *,
    stdio: Sequence[int] = (0, 1, 2),
    console: int | None = None,
    preserve_fds: int = 0,
    podinit: str = PODINIT,
) -> Launched:
    """Run ``podinit create`` or ``exec`` and return the process that it reports. HostError is what podinit says.

    ``target`` is the container's directory, or the file of an exec plan, and ``steps`` are the plan's. ``console`` is a
    connected socket that gets the terminal; the caller's descriptors 3 to 2 + ``preserve_fds`` go to the container.
    """
    report, theirs = os.pipe2(os.O_CLOEXEC)
    spares = [report, theirs]
    try:
        actions = _actions(stdio, theirs, console, preserve_fds, spares)
        arguments = [podinit, command, target, str(preserve_fds)]
        try:
            pid = os.posix_spawn(podinit, arguments, {}, file_actions=actions, setsigmask=(), setsigdef=_SIGNALS)
        except OSError as error:
            raise HostError(f"cannot run {podinit}: {error.strerror}") from error
        while len(spares) > 1:
            os.close(spares.pop())
        try:
            answer = _read(report)
        except BaseException:
            _kill(pid)
            raise
    finally:
        for fd in spares:
            os.close(fd)
    return _parse(answer, _reap(pid), steps)


def _actions(
    stdio: Sequence[int], report: int, console: int | None, preserve_fds: int, spares: list[int]
) -> list[tuple[int, int, int]]:
    """Return the dup2(2) calls that give the child its descriptors.

    A source may have the number that another one shall get, so all are copied out of the way first.
    """
    if preserve_fds < 0:
        raise HostError(f"preserve-fds is {preserve_fds}, but must be 0 or more", field="preserve-fds")
    sources = [*stdio, report, console, *range(3, 3 + preserve_fds)]
    above = len(sources)
    actions = []
    for target, source in enumerate(sources):
        spares.append(_copy(source, above, preserved=target >= PRESERVED))
        actions.append((os.POSIX_SPAWN_DUP2, spares[-1], target))
    return actions


def _copy(source: int | None, above: int, *, preserved: bool) -> int:
    if source is not None:
        try:
            return fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, above)
        except OSError as error:
            if preserved:
                raise HostError(
                    f"descriptor {source} shall be preserved, but is not open", field="preserve-fds", value=source
                ) from error
    # no console, or a caller who has closed his standard streams
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, above)
    finally:
        os.close(null)


def _read(fd: int) -> bytes:
    """Read until the other side closes, but no more than a report may have."""
    received = b""
    while chunk := os.read(fd, MAX_REPORT + 1 - len(received)):
        received += chunk
        if len(received) > MAX_REPORT:
            raise HostError(f"podinit's report has more than {MAX_REPORT} bytes")
    return received


def _kill(pid: int) -> None:
    """End podinit itself; what it has made so far ends with it."""
    try:
        with process.Handle(os.pidfd_open(pid)) as handle:
            handle.signal(process.SIGKILL)
            handle.exit_code()
    except ProcessLookupError:
        pass  # it has ended, and the caller ignores SIGCHLD


def _reap(pid: int) -> str:
    """Wait for podinit's first process and say how it ended, for a report that is missing."""
    try:
        status = os.waitpid(pid, 0)[1]
    except ChildProcessError:  # the caller ignores SIGCHLD, or reaps all children by himself
        return "it ended"
    return f"signal {os.WTERMSIG(status)} ended it" if os.WIFSIGNALED(status) else f"it ended with {status >> 8}"


def _parse(answer: bytes, end: str, steps: Sequence[Sequence[Any]]) -> Launched:
    try:
        message = loads(answer)
        if message["status"] == "error":
            from podwright.oci.faults import explained

            raise HostError(explained(str(message["message"]), steps))
        pid, start = message["pid"], message["startTime"]
        if message["status"] == "ok" and type(pid) is int and type(start) is int and pid > 0:
            _check_child(pid, start)
            return Launched(pid, start)
    except (ValueError, KeyError, TypeError):
        pass
    if answer:
        raise HostError(f"podinit's report cannot be understood: {answer[:200]!r}")
    raise HostError(f"podinit gave no report: {end}")


def _check_child(pid: int, start: int) -> None:
    """Raise a HostError when a process is not our child: hooks have run beside podinit, and signals will go to it."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        # one that has ended already may be reaped by a caller who ignores SIGCHLD
        if process.start_time(pid) is not None:
            raise HostError(f"podinit reports process {pid}, which is none that it has made") from None
    else:
        if process.start_time(pid, zombies=True) != start:
            raise HostError(f"podinit reports a wrong start time of process {pid}")
