# SPDX-License-Identifier: Apache-2.0
"""When to try again, how long to wait before it, and when to call a connection too slow."""

import random
import time
from collections.abc import Iterator
from typing import Protocol

from podwright.errors import ImageError
from podwright.images.distribution.http import TransientError

ATTEMPTS = 5
FIRST_WAIT = 0.5  # seconds; doubles each time
LONGEST_WAIT = 15.0  # seconds
LONGEST_RETRY_AFTER = 60.0  # seconds; a registry that wants more gets its wait from a person
SLOWEST = 1024  # bytes a second, over a window; less is as good as a connection that stands still
WINDOW = 30.0  # seconds


class Clock(Protocol):
    """The time, and the dice."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""

    def now(self) -> float:
        """Return seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def jitter(self) -> float:
        """Return a factor from 0.5 to 1, by chance, so that many clients do not come back at once."""


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def now(self) -> float:
        """See Clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """See Clock."""
        return random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret depends on it


class FakeClock:
    """A clock for tests, which stands still unless somebody sleeps or turns it; ``waits`` has the sleeps."""

    def __init__(self, now: float = 1e9) -> None:
        self.time = now
        self.waits: list[float] = []

    def monotonic(self) -> float:
        """See Clock."""
        return self.time

    def now(self) -> float:
        """See Clock."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        self.waits.append(seconds)
        self.time += seconds

    def jitter(self) -> float:
        """See Clock."""
        return 1.0


class Retry:
    """The attempts at one thing."""

    def __init__(self, clock: Clock, attempts: int = ATTEMPTS) -> None:
        self._clock = clock
        self._attempts = attempts
        self._failed = 0

    def reset(self) -> None:
        """Start to count anew: there was progress."""
        self._failed = 0

    def wait(self, failure: TransientError) -> None:
        """Wait before the next attempt; raises the failure when there is none left."""
        self._failed += 1
        if self._failed >= self._attempts:
            raise failure
        pause = min(FIRST_WAIT * 2 ** (self._failed - 1), LONGEST_WAIT) * self._clock.jitter()
        self._clock.sleep(max(pause, failure.wait))


def retry_after(value: str, now: float) -> float:
    """Return the seconds that a Retry-After asks for, in seconds or as a date (RFC 9110, 10.2.3); 0 for nonsense.

    Raises ImageError when they are too many to wait for.
    """
    seconds = float(value) if value.isascii() and value.isdecimal() else _until(value, now)
    if seconds > LONGEST_RETRY_AFTER:
        raise ImageError(f"the registry is busy and wants to be left alone for {min(seconds, 1e9):.0f} seconds")
    return max(0.0, seconds)


def _until(date: str, now: float) -> float:
    import datetime as dt
    import email.utils

    try:
        moment = email.utils.parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return 0.0
    if moment.tzinfo is None:  # the obsolete "-0000"
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.timestamp() - now


def paced(chunks: Iterator[bytes], clock: Clock, what: str) -> Iterator[bytes]:
    """Hand the chunks on; raises TransientError when fewer than SLOWEST bytes a second come over a WINDOW.

    What the reader does between two chunks does not count: only the sender is measured.
    """
    waited, received = 0.0, 0
    while True:
        start = clock.monotonic()
        chunk = next(chunks, None)
        if chunk is None:
            return
        waited += clock.monotonic() - start
        received += len(chunk)
        if waited >= WINDOW:
            if received < SLOWEST * WINDOW:
                raise TransientError(f"{what} comes at less than {SLOWEST} bytes a second")
            waited, received = 0.0, 0
        yield chunk
