# SPDX-License-Identifier: Apache-2.0
"""Starting and reaching a pod's supervisor, ``podinit supervise``."""

import contextlib
import fcntl
import json
import os
import select
import time
from collections.abc import Callable, Iterator
from typing import Any

from podwright.agent.client import request
from podwright.errors import AgentError, HostError
from podwright.files import is_locked, read_json

START_TIMEOUT = 60.0  # seconds until a supervisor that says nothing is given up
STATUS_TIMEOUT = 5.0  # seconds until a supervisor that is asked how it is has answered
EXIT_TIMEOUT = 10.0  # seconds between the answer to "stop" and the end of the process

FORM = 2
"""Of all that podwright and a supervisor tell each other (``podinit/state.c`` has it too, and says when it goes up)."""

_MOUNTED = b'{"status":"mounted"'
_ABOVE = 10  # no descriptor that the supervisor is given has such a number


class Supervisor:
    """The supervisor of one pod: ``pod_dir`` holds its plans, ``run_dir`` its socket, lock and state."""

    def __init__(self, podinit: str, pod_dir: str, run_dir: str) -> None:
        self._podinit = podinit
        self._pod_dir = pod_dir
        self._run_dir = run_dir

    def alive(self) -> bool:
        """Tell whether the process lives: it holds the lock exactly as long."""
        return is_locked(f"{self._run_dir}/lock")

    def state(self) -> dict[str, Any] | None:
        """Return the supervisor's state.json, or what it answers when that file is lost; None when none lives."""
        if not self.alive():
            return None
        try:
            state = read_json(f"{self._run_dir}/state.json")
        except ValueError:
            state = None  # damaged
        if not isinstance(state, dict) or "containers" not in state:
            try:
                state = request(self._run_dir, "status", timeout=STATUS_TIMEOUT)["pod"]
            except AgentError:  # it is only starting, or ending
                return None
        return state if isinstance(state, dict) else None

    def is_foreign(self) -> bool:
        """Tell whether another release started it, so that this one can read its state and end it, and no more."""
        state = self.state()
        return state is not None and state.get("version") != FORM

    def reachable(self) -> bool:
        """Tell whether a supervisor that lives can be spoken to, which it cannot without its socket."""
        return os.path.exists(f"{self._run_dir}/agent.sock")

    @contextlib.contextmanager
    def folder(self, pid: int | None = None) -> Iterator[str]:
        """Enter the pod's folder as the supervisor sees it, with the volumes that are in its memory; yields a path.

        ``pid`` is the supervisor's, when it cannot be asked yet.
        """
        if pid is None:
            state = self.state()
            if state is None:
                raise AgentError("the pod's supervisor does not run")
            pid = int(state["supervisorPid"])
        fd = os.open(f"/proc/{pid}/cwd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if not os.path.samestat(os.fstat(fd), os.stat(self._pod_dir)):
                raise AgentError(f"process {pid} is not the pod's supervisor any more")
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)

    def start(self, fill: Callable[[str], None] | None = None) -> None:
        """Start it and wait until the sandbox stands and every container was started, or raise HostError.

        ``fill``, for a plan that has volumes with a content, is called before a container starts, with what ``folder``
        yields. The process is spawned, never forked: the caller may have threads. It leaves this process' session and
        shares none of its descriptors.
        """
        ready, theirs = os.pipe2(os.O_CLOEXEC)
        word = _Word() if fill else None
        try:
            log = f"{self._pod_dir}/supervisor.log"
            pid = os.posix_spawn(
                self._podinit,
                [self._podinit, "supervise", self._pod_dir, self._run_dir],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs, 3),
                    word.action if word else (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                ],
                setsigmask=(),
                setsigdef=(2, 13, 15),
            )
            os.close(theirs)
            theirs = -1
            answer = _read_line(ready, START_TIMEOUT)
            if fill and word and answer.startswith(_MOUNTED):
                with self.folder(json.loads(answer)["pid"]) as seen:
                    fill(seen)
                word.give()
                answer = _read_line(ready, START_TIMEOUT)
            with contextlib.suppress(ChildProcessError):  # the caller may ignore SIGCHLD, or reap all by himself
                os.waitpid(pid, 0)  # podinit goes into the background: this is its first process, which ends at once
        finally:
            os.close(ready)
            if word:
                word.close()
            if theirs >= 0:
                os.close(theirs)
        self._check(answer)

    def _check(self, answer: bytes) -> None:
        try:
            message = json.loads(answer)
        except ValueError:
            with open(f"{self._pod_dir}/supervisor.log", encoding="utf-8", errors="replace") as file:
                reason = file.read()[-500:].strip()
            raise HostError(
                f"the pod's supervisor ended before the pod was up: {reason or 'it gave no reason'}"
            ) from None
        if message.get("status") != "ok":
            raise HostError(f"the pod's sandbox cannot be made: {message.get('message')}")

    def hold(self, containers: list[str], grace: int) -> None:
        """Stop these containers; ``update`` starts them again."""
        request(self._run_dir, "hold", timeout=grace + START_TIMEOUT, containers=containers, grace=grace)

    def update(self, containers: list[str], grace: int) -> None:
        """Stop these containers and start them again from their new plans."""
        request(self._run_dir, "update", timeout=grace + START_TIMEOUT, containers=containers, grace=grace)

    def stop(self, grace: int) -> None:
        """Stop all containers within ``grace`` seconds, then the supervisor itself. No supervisor is no error."""
        if not self.alive():
            return
        request(self._run_dir, "stop", timeout=grace + START_TIMEOUT, grace=grace)
        deadline = time.monotonic() + EXIT_TIMEOUT
        while self.alive():
            if time.monotonic() > deadline:
                raise AgentError(f"the pod's supervisor has stopped its containers but does not end ({self._run_dir})")
            time.sleep(0.001)


class _Word:
    """A pipe for a supervisor's standard input: the word that its volumes are filled, or its end when nobody does."""

    def __init__(self) -> None:
        theirs, self._ours = os.pipe2(os.O_CLOEXEC)
        self._theirs = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
        os.close(theirs)
        self.action = (os.POSIX_SPAWN_DUP2, self._theirs, 0)

    def give(self) -> None:
        """Say that they are filled."""
        os.write(self._ours, b"\n")

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self._ours)
        os.close(self._theirs)


def _read_line(fd: int, timeout: float) -> bytes:
    """Read until the end of a line, or until the other side closes."""
    received = b""
    poll = select.poll()  # not select(), which takes no descriptor above 1023
    poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise HostError(f"the pod's supervisor did not come up in {timeout:.0f} s")
        chunk = os.read(fd, 65536)
        received += chunk
        if not chunk or received.endswith(b"\n"):
            return received
