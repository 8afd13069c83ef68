# SPDX-License-Identifier: Apache-2.0
"""A bar for each blob that a pull or a push moves, on standard error, when a person watches it."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as Display
    from rich.progress import TaskID

    from podwright.images.progress import Progress


@contextlib.contextmanager
def shown() -> Iterator[Progress]:
    """Yield what is told of the progress, and shows it until the end; into a file or a pipe nothing is written."""
    if not sys.stderr.isatty():
        from podwright.images.progress import Silent

        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Display(*columns, console=Console(stderr=True)) as display:
        yield Bars(display)


class Bars:
    """``podwright.images.progress.Progress`` on a terminal; rich's display may be told from several threads."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._tasks: dict[str, tuple[TaskID, int]] = {}

    def begin(self, digest: str, size: int) -> None:
        """Show a new bar."""
        self._tasks[digest] = self._display.add_task(digest.removeprefix("sha256:")[:12], total=size), size

    def advance(self, digest: str, size: int) -> None:
        """Let it grow."""
        if digest in self._tasks:
            self._display.advance(self._tasks[digest][0], size)

    def done(self, digest: str) -> None:
        """Fill it: of what was there already nobody may have told."""
        if digest in self._tasks:
            task, size = self._tasks[digest]
            self._display.update(task, completed=size)
