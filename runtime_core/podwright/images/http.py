# SPDX-License-Identifier: Apache-2.0
"""The little of HTTP that a registry needs, behind an interface that tests can stand in for.

Redirects are not followed here and no status is an error: that is the registry client's business (registry.py).
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from podwright.errors import ImageError

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds between two packets
CHUNK = 256 * 1024  # bytes


class TransientError(ImageError):
    """The connection or the registry failed in a way that may pass: trying again may help."""


class Response(NamedTuple):
    """What came back; ``chunks`` may be read once, and only inside the ``with`` that gave it."""

    status: int
    headers: Mapping[str, str]
    """Keys in lower case."""
    chunks: Iterator[bytes]


class Transport(Protocol):
    """One HTTP request."""

    def request(self, method: str, url: str, headers: Mapping[str, str]) -> contextlib.AbstractContextManager[Response]:
        """Send a request without a body; raises TransientError when the connection fails, even later."""

    def close(self) -> None:
        """End what is open."""


class NetworkTransport:
    """The real one: urllib3, the system's certificate authorities, kept connections."""

    def __init__(self) -> None:
        import urllib3  # 77 ms that only a command that talks to a registry pays

        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)

    @contextlib.contextmanager
    def request(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """See Transport."""
        import urllib3

        try:
            answer = self._pool.request(method, url, headers=dict(headers), preload_content=False, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(f"cannot reach {_origin(url)}: {_reason(error)}") from error
        try:
            lowered = {name.lower(): value for name, value in answer.headers.items()}
            yield Response(answer.status, lowered, _chunks(answer, url))
        finally:
            # A connection with unread bytes cannot serve another request: close it instead of draining it.
            answer.close()
            answer.release_conn()

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.clear()


class FakeTransport:
    """A transport for tests: answers from ``answers[method, url]`` and records what was asked."""

    def __init__(self, answers: dict[tuple[str, str], list[tuple[int, dict[str, str], bytes]]]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    @contextlib.contextmanager
    def request(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """Give the next of the prepared answers; the last one is given again and again."""
        self.requests.append((method, url, dict(headers)))
        prepared = self.answers.get((method, url), [(404, {}, b"")])
        status, fields, body = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if status == 0:
            raise TransientError(f"cannot reach {_origin(url)}: connection reset")
        yield Response(status, fields, iter([body]) if body else iter([]))

    def close(self) -> None:
        """There is nothing to close."""


def _chunks(answer: "urllib3.BaseHTTPResponse", url: str) -> Iterator[bytes]:
    import urllib3

    try:
        yield from answer.stream(CHUNK, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise TransientError(f"the connection to {_origin(url)} broke: {_reason(error)}") from error


def _origin(url: str) -> str:
    return url.split("/", 3)[2]


def _reason(error: Exception) -> str:
    """Find the words for the user in urllib3's nest of exceptions."""
    import urllib3

    cause: BaseException = error
    while inner := getattr(cause, "reason", None) or cause.__cause__:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    if isinstance(cause, urllib3.exceptions.TimeoutError):
        return "it did not answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause).rpartition(": ")[2] or type(cause).__name__
