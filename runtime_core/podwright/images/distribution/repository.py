# SPDX-License-Identifier: Apache-2.0
"""One repository at one place: requests to it, with logins, redirects and patience. Reading and pushing stand on it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urljoin

from podwright.errors import ImageError
from podwright.images.distribution.auth import Authorizer, check_url
from podwright.images.distribution.credentials import Auth, find_login
from podwright.images.distribution.endpoints import Endpoint, own_endpoint, tls_settings
from podwright.images.distribution.http import (
    Body,
    NetworkTransport,
    Response,
    TransientError,
    Transport,
    origin,
    read_document,
)
from podwright.images.distribution.refusal import refusal
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.retry import ATTEMPTS, Clock, Retry, SystemClock, paced
from podwright.images.reference import Reference

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEPING = (307, 308)  # these say that the method stays as it is
_NOUNS = {"manifests": "manifest", "blobs": "blob", "referrers": "list of referrers"}


class Repository:
    """A repository of a registry; threads may use one object at once. ``close()`` ends its connections.

    ``push`` asks for the right to write. ``endpoint`` is the registry itself unless a mirror is given.
    """

    def __init__(
        self,
        reference: Reference,
        registries: Registries | None = None,
        *,
        auth: Auth | None = None,
        push: bool = False,
        endpoint: Endpoint | None = None,
        attempts: int = ATTEMPTS,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        known = registries or Registries()
        self.endpoint = endpoint or own_endpoint(reference, known)
        place = (self.endpoint.host, self.endpoint.repository)
        self._clock = clock or SystemClock()
        self._attempts = attempts
        self._transport = transport or NetworkTransport(tls_settings(known))
        self._base = f"{self.endpoint.origin}/v2/{self.endpoint.repository}/"
        self._authorizer = Authorizer(
            self.endpoint,
            push=push,
            find=lambda: find_login(*place, auth, known.auth_file),
            transport=self._transport,
            clock=self._clock,
        )

    def close(self) -> None:
        """End the connections."""
        self._transport.close()

    @contextmanager
    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        expect: Collection[int] = (200,),
        again: bool = True,
        retry: Retry | None = None,
    ) -> Iterator[Response]:
        """Send a request and give its answer, whose status is one of ``expect``; for every other one raise ImageError.

        ``path`` is below the repository (``manifests/latest``), or what a registry gave as a Location, whole or not.
        What fails in a way that may pass is sent again, after a wait; with ``again=False`` only what the registry says
        it did not look at. After that the error is a TransientError, as it is when the answer's body breaks off. To try
        again after that too, and count these attempts together, give a ``retry`` (see attempts()).
        """
        url = self._joined(self._base, path, "sends")
        retry = retry or self.attempts()
        while True:
            with ExitStack() as stack:
                try:
                    answer = stack.enter_context(self._attempt(method, url, headers or {}, body))
                    if answer.status not in expect:
                        raise self._refusal(answer, method, url)
                except TransientError as error:
                    if not again and not error.unprocessed:
                        raise
                    failure = error
                else:
                    yield answer
                    return
            retry.wait(failure)

    def attempts(self) -> Retry:
        """Return the count of attempts at one thing."""
        return Retry(self._clock, self._attempts)

    def document(
        self, path: str, *, headers: Mapping[str, str], limit: int, what: str
    ) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the body of what is small: at most ``limit`` bytes. ``what`` names it in errors."""
        retry = self.attempts()
        while True:
            try:
                with self.exchange("GET", path, headers=headers, retry=retry) as answer:
                    if data := read_document(answer, limit, what):
                        return answer.headers, data
                    raise TransientError(f"{origin(answer.url)} sent a {what} with nothing in it")  # it broke off
            except TransientError as error:
                retry.wait(error)

    @contextmanager
    def _attempt(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> Iterator[Response]:
        """Send a request over its redirects, and once more when the registry wants a login or another token."""
        answered, redirects = False, 0
        while redirects <= MAX_REDIRECTS:
            authorization = self._authorizer.header() if self._is_ours(url) else ""
            with self._transport.request(method, url, _headers(headers, authorization), body) as answer:
                if answer.status == 401 and self._is_ours(url) and not answered:
                    answered = True
                    self._authorizer.answer(answer.headers.get("www-authenticate", ""), authorization)
                elif answer.status in _REDIRECTS and "location" in answer.headers:
                    url = self._redirected(answer, method)
                    redirects += 1
                else:
                    slow = f"what {self.endpoint.host} sends"
                    yield answer._replace(chunks=paced(answer.chunks, self._clock, slow))
                    return
        raise ImageError(f"{self.endpoint.host} redirects more than {MAX_REDIRECTS} times")

    def _is_ours(self, url: str) -> bool:
        """Tell whether a URL leads to the registry: a login is for it alone.

        By comparing texts, as programs differ in what they take for the host of a strange URL.
        """
        own = self.endpoint.origin
        port = ":80" if self.endpoint.plain else ":443"
        return url.startswith((f"{own}/", f"{own}{port}/", f"{own.removesuffix(port)}/"))

    def _redirected(self, answer: Response, method: str) -> str:
        if method not in ("GET", "HEAD") and answer.status not in _KEEPING:
            raise ImageError(f"{self.endpoint.host} answers {method} with the redirect {answer.status}")
        return self._joined(answer.url, answer.headers["location"], "redirects")

    def _joined(self, base: str, place: str, verb: str) -> str:
        try:
            url = urljoin(base, place)
        except ValueError as error:
            raise ImageError(f"{self.endpoint.host} {verb} to what is no URL") from error
        check_url(self.endpoint, url, verb)
        return url

    def _refusal(self, answer: Response, method: str, url: str) -> ImageError:
        host = self.endpoint.host
        if answer.status in (401, 403):
            if not self._is_ours(answer.url):
                return ImageError(f"{host} redirects to a place that answers with HTTP status {answer.status}")
            return self._authorizer.refuse(answer)
        noun = _NOUNS.get(url.removeprefix(self._base).partition("/")[0], "place")
        hide = self._authorizer.hide
        if answer.status == 404:
            return refusal(answer, f"{host} has no such {noun}", hide)
        if answer.status == 400 and self.endpoint.plain and b"HTTPS" in next(answer.chunks, b""):
            return ImageError(f"{host} wants HTTPS: take it from registries.insecure, or name its authority as ca")
        return refusal(
            answer, f"{host} answers {method} of a {noun} with HTTP status {answer.status}", hide, self._clock
        )


def _headers(given: Mapping[str, str], authorization: str) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity", "User-Agent": "podwright", **given}
    if authorization:
        headers["Authorization"] = authorization
    return headers
