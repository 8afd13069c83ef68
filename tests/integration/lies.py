# SPDX-License-Identifier: Apache-2.0
"""What a bad registry does: each lie makes, of what was asked and what is there, the answer that goes out.

registry.lie(digest, cut(1000), times=1)   # the first answer about that blob ends after its byte 1000
registry.lie("blobs/", drip(4096, 0.01))   # and all blobs come slowly
"""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

PIECE = 64 * 1024  # bytes


@dataclass
class Exchange:
    """One request, as the registry's log keeps it, and what of its answer went out."""

    method: str
    path: str
    headers: dict[str, str]
    """Keys in lower case."""
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    start: int = 0
    """Where in the content the answer's body begins."""
    sent: int = 0
    """Bytes of the body."""

    def __str__(self) -> str:
        wanted = f" {self.headers['range']}" if "range" in self.headers else ""
        return f"{self.method} {self.path}{wanted}: {self.status}, {self.sent} bytes from {self.start} on"


class Content(NamedTuple):
    """What is truly there under a path."""

    status: int
    media_type: str
    data: bytes


class Answer(NamedTuple):
    """What goes out. Without a ``length`` the body is chunked, with no promise of its size."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes] = ()
    length: int | None = 0
    start: int = 0
    end: str = ""
    """What happens after the body: "" keeps the connection, "close" ends it, "reset" breaks it."""


Lie = Callable[[Exchange, Content], Answer]


def honest(exchange: Exchange, content: Content) -> Answer:
    """Say what is true, also to a question about a range (RFC 9110, 14)."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", exchange.headers.get("range", ""))
    if not asked or content.status != 200:
        return whole(exchange, content)
    start, last = int(asked[1]), int(asked[2] or len(content.data) - 1)
    size = len(content.data)
    if start >= size:
        return Answer(416, {"Content-Range": f"bytes */{size}"})
    data = memoryview(content.data)[start : last + 1]
    headers = {"Content-Type": content.media_type, "Content-Range": f"bytes {start}-{start + len(data) - 1}/{size}"}
    return Answer(206, headers, pieces(data), len(data), start)


def whole(_exchange: Exchange, content: Content) -> Answer:
    """Send all of it, whatever range was asked for."""
    headers = {"Content-Type": content.media_type, "Accept-Ranges": "bytes"}
    return Answer(content.status, headers, pieces(memoryview(content.data)), len(content.data))


def status(code: int, **headers: str) -> Lie:
    """Answer with a status and nothing else; ``retry_after`` is the header Retry-After."""
    return lambda _exchange, _content: Answer(code, {name.replace("_", "-"): value for name, value in headers.items()})


def document(data: bytes, media_type: str = "application/json") -> Lie:
    """Answer with other content."""
    return lambda exchange, _content: honest(exchange, Content(200, media_type, data))


def redirect(to: str, code: int = 307) -> Lie:
    """Send to another place: ``to`` and the same path."""
    return lambda exchange, _content: Answer(code, {"Location": to + exchange.path})


def challenge(value: str, wanted: str) -> Lie:
    """Answer with 401 and this WWW-Authenticate, unless the request has the Authorization that is ``wanted``."""

    def lie(exchange: Exchange, content: Content) -> Answer:
        if exchange.headers.get("authorization") == wanted:
            return honest(exchange, content)
        return Answer(401, {"WWW-Authenticate": value})

    return lie


def cut(at: int, end: str = "close") -> Lie:
    """End the connection after byte ``at`` of the content, though more was promised; ``end`` may be "reset"."""

    def lie(exchange: Exchange, content: Content) -> Answer:
        answer = honest(exchange, content)
        left = max(0, at - answer.start)
        return answer._replace(body=_first(answer.body, left), end=end)

    return lie


def endless(exchange: Exchange, content: Content) -> Answer:
    """Send the content, and then zeros for ever."""
    answer = honest(exchange, content)
    return answer._replace(body=itertools.chain(answer.body, itertools.repeat(bytes(PIECE))), length=None)


def drip(size: int, pause: float) -> Lie:
    """Send ``size`` bytes, wait ``pause`` seconds, and so on."""

    def lie(exchange: Exchange, content: Content) -> Answer:
        answer = honest(exchange, content)
        return answer._replace(body=_slowly(answer.body, size, pause))

    return lie


class Gate:
    """A lie that sends the content up to byte ``at`` and goes on when somebody opens it.

    ``reached`` is set once somebody waits there.
    """

    def __init__(self, at: int) -> None:
        self.reached = threading.Event()
        self._at = at
        self._open = threading.Event()

    def open(self) -> None:
        """Let all pass who wait, and all who come."""
        self._open.set()

    def __call__(self, exchange: Exchange, content: Content) -> Answer:
        answer = honest(exchange, content)
        return answer._replace(body=self._held(answer.body, self._at - answer.start))

    def _held(self, body: Iterable[bytes], before: int) -> Iterator[bytes]:
        for piece in body:
            if 0 <= before < len(piece) and not self._open.is_set():
                yield piece[:before]
                self.reached.set()
                self._open.wait()
                piece = piece[before:]  # noqa: PLW2901 -- the other half
                before = -1
            before -= len(piece)
            yield piece


def pieces(data: bytes | memoryview, size: int = PIECE) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[start : start + size] for start in range(0, len(view), size))


def _first(body: Iterable[bytes], left: int) -> Iterator[bytes]:
    for piece in body:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


def _slowly(body: Iterable[bytes], size: int, pause: float) -> Iterator[bytes]:
    for piece in itertools.chain.from_iterable(pieces(piece, size) for piece in body):
        yield piece
        time.sleep(pause)
