# SPDX-License-Identifier: Apache-2.0
"""Several tasks at once, of which the first that fails stops the others."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

PATIENCE = 0.02  # seconds between two looks at what another process holds
GRACE = 1.0  # seconds for tasks to end that were told to


class Stopped(BaseException):
    """A task was told to stop; no error of its own."""


class Team:
    """Threads that share a fate. Their tasks call ``check()`` often, and ``pause()`` while they wait for others."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()

    def check(self) -> None:
        """Raise Stopped when another task has failed."""
        if self._stop.is_set():
            raise Stopped

    def pause(self) -> None:
        """Wait for a moment; raise Stopped when another task has failed."""
        if self._stop.wait(PATIENCE):
            raise Stopped

    def run(self, tasks: Sequence[Callable[[], None]], width: int) -> None:
        """Run the tasks, ``width`` at a time, and raise what goes wrong first; a KeyboardInterrupt stops them too.

        A task that is stopped ends at its next check. One that hangs in a registry's silence is not waited for: it is
        a daemon, and all that it will do is to let go of what it holds.
        """
        waiting = iter(tasks)
        threads = [threading.Thread(target=self._work, args=(waiting,), daemon=True) for _ in tasks[:width]]
        try:
            for thread in threads:
                thread.start()
            for _ in threads:
                if error := self._outcomes.get():
                    raise error
        finally:
            self._stop.set()
            deadline = time.monotonic() + GRACE
            for thread in threads:
                if thread.ident:
                    thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, waiting: Iterator[Callable[[], None]]) -> None:
        try:
            for task in waiting:  # whoever is free takes the next one
                self.check()
                task()
        except BaseException as error:
            self._outcomes.put(error)  # before the others hear of it, so that it is the first
            self._stop.set()
        else:
            self._outcomes.put(None)
