# SPDX-License-Identifier: Apache-2.0
"""Several tasks at once, of which the first that fails stops the others."""

import threading
from collections.abc import Callable, Iterator, Sequence

PATIENCE = 0.02  # seconds between two looks at what another process holds


class Stopped(BaseException):
    """A task was told to stop; no error of its own."""


class Team:
    """Threads that share a fate. Their tasks call ``check()`` often, and ``pause()`` while they wait for others."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._errors: list[BaseException] = []

    def check(self) -> None:
        """Raise Stopped when another task has failed."""
        if self._stop.is_set():
            raise Stopped

    def pause(self) -> None:
        """Wait for a moment; raise Stopped when another task has failed."""
        if self._stop.wait(PATIENCE):
            raise Stopped

    def run(self, tasks: Sequence[Callable[[], None]], width: int) -> None:
        """Run the tasks, ``width`` at a time, and raise what went wrong first, when all have ended.

        An interrupt from the keyboard stops them too. Daemons: a second one need not wait for a registry that stalls.
        """
        waiting = iter(tasks)
        threads = [threading.Thread(target=self._work, args=(waiting,), daemon=True) for _ in tasks[:width]]
        try:
            for thread in threads:
                thread.start()
            _join(threads)
        except BaseException:
            self._stop.set()
            _join(threads)
            raise
        if self._errors:
            raise self._errors[0]

    def _work(self, waiting: Iterator[Callable[[], None]]) -> None:
        try:
            for task in waiting:  # each thread takes the next one
                self.check()
                task()
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        if thread.ident:
            thread.join()
