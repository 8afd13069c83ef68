# SPDX-License-Identifier: Apache-2.0
"""The little of HTTP that a registry needs, behind an interface that tests can stand in for.

Redirects are not followed here and no status is an error: that is the registry client's business (repository.py).
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from podwright.errors import ImageError
from podwright.images.distribution.proxies import Proxies
from podwright.images.distribution.tls import Tls, tls_failure

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds between two packets
CHUNK = 256 * 1024  # bytes
SHORT = 16 * 1024  # bytes
CONNECTIONS = 16  # kept open to one host: as many as layers are fetched at once

Body = bytes | Callable[[], Iterator[bytes]]
"""What is sent: the bytes, or a function that gives them from their beginning, once for each time they are sent."""


class TransientError(ImageError):
    """The connection or the registry failed in a way that may pass: trying again may help."""

    def __init__(self, message: str, *, unprocessed: bool = False, wait: float = 0.0) -> None:
        super().__init__(message)
        self.unprocessed = unprocessed
        """The registry said that it did nothing: even what must not be done twice may be sent again."""
        self.wait = wait
        """Seconds that the registry wants us to wait at least."""


class Response(NamedTuple):
    """What came back; ``chunks`` may be read once, and only inside the ``with`` that gave it."""

    status: int
    headers: Mapping[str, str]
    """Keys in lower case."""
    chunks: Iterator[bytes]
    """Each as soon as it comes: of a slow sender the chunks are small."""
    url: str
    """Whose answer this is, after redirects."""

    @property
    def length(self) -> int | None:
        """The bytes that the body has by the headers; None when they do not tell."""
        told = self.headers.get("content-length", "")
        return int(told) if re.fullmatch("[0-9]{1,18}", told) else None


class Transport(Protocol):
    """One HTTP request. Threads may share a transport."""

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None
    ) -> contextlib.AbstractContextManager[Response]:
        """Send a request; raises TransientError when the connection fails, even later, while the body is read.

        A function for the body is sent in chunks (Transfer-Encoding), unless the headers have a Content-Length.
        """

    def close(self) -> None:
        """End what is open."""


class NetworkTransport:
    """The real one: urllib3, kept connections, the environment's proxies.

    ``tls`` maps hosts, as they stand in URLs, to the authorities and certificates used with them; all others are
    verified with the system's authorities.
    """

    def __init__(self, tls: Mapping[str, Tls] | None = None, proxies: Proxies | None = None) -> None:
        self._tls = tls or {}
        self._proxies = proxies or Proxies.of_environment()
        self._pools: dict[tuple[str, str, str], urllib3.PoolManager] = {}

    @contextlib.contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Iterator[Response]:
        """See Transport."""
        import urllib3  # 77 ms that only a command that talks to a registry pays

        data = body() if callable(body) else body
        proxy = self._proxies.proxy_of(url)
        try:
            answer = self._pool(url, proxy).request(
                method, url, headers=dict(headers), body=data, preload_content=False, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise _failure(error, url, "cannot reach", proxy) from error
        try:
            lowered = {name.lower(): answer.headers[name] for name in answer.headers}  # repeated ones joined by commas
            chunks = _chunks(answer, url)
            yield Response(answer.status, lowered, chunks, url)
            if answer.length_remaining is not None and answer.length_remaining <= SHORT:
                with contextlib.suppress(ImageError):
                    next(chunks, None)  # most likely it is here already, and without it the connection can serve again
        finally:
            # A connection with unread bytes cannot serve another request: close it instead of draining it.
            answer.close()
            answer.release_conn()

    def close(self) -> None:
        """Close the kept connections."""
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, url: str, proxy: str) -> "urllib3.PoolManager":
        import urllib3

        from podwright.images.distribution.connections import POOLS

        scheme, host, *_ = urlsplit(url)
        key = (scheme, host if host in self._tls else "", proxy)
        if pool := self._pools.get(key):
            return pool
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
        kept: dict[str, Any] = {"timeout": timeout, "retries": False, "maxsize": CONNECTIONS}
        if scheme == "https":  # to read the system's authorities takes a while
            kept["ssl_context"] = self._tls.get(host, Tls()).context()
        pool = self._proxies.manager(proxy, kept) if proxy else urllib3.PoolManager(**kept)
        pool.pool_classes_by_scheme = POOLS
        return self._pools.setdefault(key, pool)  # another thread may have been first


class FakeTransport:
    """A transport for tests: answers from ``answers[method, url]`` and records what was asked.

    An answer is a status, headers and a body; a body in pieces may have an error in it, which is raised there. Status 0
    is a connection that fails. ``bodies`` has what was sent with each of the ``requests``.
    """

    def __init__(self, answers: "dict[tuple[str, str], list[tuple[int, dict[str, str], Pieces]]]") -> None:
        self.answers = answers
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []

    @contextlib.contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Iterator[Response]:
        """Give the next of the prepared answers; the last one is given again and again."""
        self.requests.append((method, url, dict(headers)))
        self.bodies.append(b"".join(body()) if callable(body) else body or b"")
        prepared = self.answers.get((method, url), [(404, {}, b"")])
        status, fields, pieces = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if status == 0:
            raise TransientError(f"cannot reach {origin(url)}: connection reset")
        yield Response(status, fields, _pieces([pieces] if isinstance(pieces, bytes) else pieces), url)

    def close(self) -> None:
        """There is nothing to close."""


Pieces = bytes | Sequence[bytes | ImageError]


def _pieces(pieces: Sequence[bytes | ImageError]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, ImageError):
            raise piece
        if piece:
            yield piece


def _chunks(answer: "urllib3.BaseHTTPResponse", url: str) -> Iterator[bytes]:
    import urllib3

    try:
        # read1, for read would gather a whole chunk of a sender that drips, however long that takes
        while chunk := answer.read1(CHUNK, decode_content=False):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise _failure(error, url, "lost the connection to") from error


def origin(url: str) -> str:
    """Return a URL's host and port for a message: its path and its query may hold secrets."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "what is no URL"


def read_document(answer: Response, limit: int, what: str) -> bytes:
    """Return the body of an answer that must not have more than ``limit`` bytes."""
    too_large = ImageError(f"{origin(answer.url)} sent a {what} of more than {limit} bytes")
    if (answer.length or 0) > limit:
        raise too_large
    data = bytearray()
    for chunk in answer.chunks:
        data += chunk
        if len(data) > limit:
            raise too_large
    return bytes(data)


def _failure(error: Exception, url: str, verb: str, proxy: str = "") -> ImageError:
    """Find the words for the user in urllib3's nest of exceptions, and tell what may pass from what will not."""
    import http.client

    import urllib3

    cause: BaseException = error
    while inner := _inner(cause):
        cause = inner
    if reason := tls_failure(cause, origin(url)):
        return ImageError(reason)
    place = f"{origin(url)} through the proxy {origin(proxy)}" if proxy else origin(url)
    if isinstance(cause, urllib3.exceptions.LocationValueError):
        return ImageError(f"{verb} {place}: it is no valid address")
    if isinstance(cause, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return TransientError(f"{verb} {place}: it did not answer in time")
    if isinstance(cause, OSError) and cause.strerror:
        return TransientError(f"{verb} {place}: {cause.strerror}")
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, http.client.RemoteDisconnected):
        broken = isinstance(cause, http.client.IncompleteRead)
        return TransientError(f"{verb} {place}: {'it broke off' if broken else 'it does not speak HTTP'}")
    return TransientError(f"{verb} {place}: {str(cause).rpartition(': ')[2] or type(cause).__name__}")


def _inner(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), error.__cause__, *error.args)
    return next((inner for inner in candidates if isinstance(inner, BaseException)), None)
