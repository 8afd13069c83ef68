# SPDX-License-Identifier: Apache-2.0
"""A client of the OCI distribution specification: manifests and blobs of one repository.

Anonymous: a registry that asks for a bearer token gets one from its token service, as public registries want it
(distribution's spec/auth/token.md). Everything that arrives is measured against its digest and size.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

from podwright.errors import ImageError
from podwright.images.documents import INDEXES, MANIFESTS, MAX_DOCUMENT, Descriptor, digest_of, parse_object
from podwright.images.http import NetworkTransport, Response, TransientError, Transport
from podwright.images.reference import Reference, is_digest
from podwright.images.registries import Registries

T = TypeVar("T")

ATTEMPTS = 3
MAX_REDIRECTS = 5
_ACCEPT = ", ".join((*MANIFESTS, *INDEXES))


class Registry:
    """One repository of one registry; ``close()`` ends its connections.

    Loopback registries, and those that ``registries`` names, speak plain HTTP; all others HTTPS.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        registries: Registries | None = None,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reference = reference
        self._plain = is_loopback(reference.registry) or reference.registry in (registries or Registries()).insecure
        host = "registry-1.docker.io" if reference.registry == "docker.io" else reference.registry
        self._origin = f"{'http' if self._plain else 'https'}://{host}"
        self._base = f"{self._origin}/v2/{reference.repository}"
        self._transport = transport or NetworkTransport()
        self._sleep = sleep
        self._token = ""

    def close(self) -> None:
        """End the connections."""
        self._transport.close()

    def resolve(self) -> str:
        """Return the digest that the reference names now; nothing is downloaded when the registry tells it."""
        if self._reference.digest:
            return self._reference.digest
        digest = self._retry(lambda: self._head(f"{self._base}/manifests/{self._reference.tag}"))
        return digest or digest_of(self.top())

    def top(self) -> bytes:
        """Return the manifest or index that the reference names."""
        wanted = self._reference.digest
        data = self._document(f"{self._base}/manifests/{wanted or self._reference.tag}")
        if wanted and digest_of(data) != wanted:
            raise ImageError(f"the registry sent a manifest whose digest is {digest_of(data)}")
        return data

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return the manifest that an index points to."""
        data = self._document(f"{self._base}/manifests/{descriptor.digest}")
        if digest_of(data) != descriptor.digest:
            raise ImageError(f"the manifest {descriptor.digest} came with the digest {digest_of(data)}")
        return data

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield the blob's content from ``offset`` on; what was yielded before a connection broke is not again."""
        url = f"{self._base}/blobs/{descriptor.digest}"
        position = offset
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for chunk in _rest(self._stream(url, f"blob {descriptor.digest}"), position):
                    yield chunk
                    position += len(chunk)
            except TransientError:
                if attempt == ATTEMPTS:
                    raise
                self._sleep(0.25 * 4 ** (attempt - 1))
            else:
                return

    def _head(self, url: str) -> str | None:
        digest = self._exchange("HEAD", url, lambda answer: answer.headers.get("docker-content-digest", ""), "manifest")
        return digest if is_digest(digest) else None

    def _document(self, url: str) -> bytes:
        return self._retry(lambda: self._exchange("GET", url, _read_document, "manifest"))

    def _retry(self, act: Callable[[], T]) -> T:
        """Try again, after a short wait, what failed because the registry or the network was not well."""
        for attempt in range(1, ATTEMPTS):
            try:
                return act()
            except TransientError:
                self._sleep(0.25 * 4 ** (attempt - 1))
        return act()

    def _stream(self, url: str, what: str) -> Iterator[bytes]:
        with self._open("GET", url, what) as answer:
            yield from answer.chunks

    def _exchange(self, method: str, url: str, use: Callable[[Response], T], what: str) -> T:
        with self._open(method, url, what) as answer:
            return use(answer)

    @contextmanager
    def _open(self, method: str, url: str, what: str) -> Iterator[Response]:
        """Send one request, over redirects and with a token if the registry wants one, and give its answer."""
        tried_token = False
        for _ in range(MAX_REDIRECTS + 1):
            with self._transport.request(method, url, self._headers(url)) as answer:
                if 200 <= answer.status < 300:
                    yield answer
                    return
                status, headers = answer.status, answer.headers
            if status in (301, 302, 303, 307, 308) and headers.get("location"):
                url = self._redirected(url, headers["location"])
            elif status == 401 and not tried_token:
                tried_token = True
                self._token = self._fetch_token(headers.get("www-authenticate", ""))
            else:
                raise _refusal(status, what)
        raise ImageError(f"the registry redirects more than {MAX_REDIRECTS} times")

    def _headers(self, url: str) -> dict[str, str]:
        headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "podwright"}
        if self._token and url.startswith(f"{self._origin}/"):  # the token is for the registry alone
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _redirected(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        self._check_url(target, "redirects")
        return target

    def _check_url(self, url: str, verb: str) -> None:
        """Refuse a place without HTTPS that a registry with HTTPS sends us to."""
        scheme = urlsplit(url).scheme
        if scheme != "https" and not (scheme == "http" and self._plain):
            raise ImageError(f"the registry {verb} to {url.split('?')[0]!r}, which is not HTTPS")

    def _fetch_token(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if scheme.lower() != "bearer" or not fields.get("realm"):
            raise ImageError("the registry wants a user and a password, and only anonymous access is supported")
        self._check_url(fields["realm"], "sends for a token")
        query = {"service": fields.get("service", ""), "scope": fields.get("scope") or self._scope()}
        url = f"{fields['realm']}?{urlencode({key: value for key, value in query.items() if value}, quote_via=quote)}"
        with self._transport.request("GET", url, {"Accept": "application/json"}) as answer:
            if answer.status != 200:
                raise _refusal(answer.status, "token service")
            document = parse_object(_read_document(answer), "token")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ImageError("the registry's token service sent no token")
        return token

    def _scope(self) -> str:
        return f"repository:{self._reference.repository}:pull"


def _rest(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def is_loopback(registry: str) -> bool:
    """Tell whether a registry is on this machine: there plain HTTP is safe, and what Docker speaks."""
    host = registry.partition("]")[0][1:] if registry.startswith("[") else registry.partition(":")[0]
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _read_document(answer: Response) -> bytes:
    data = bytearray()
    for chunk in answer.chunks:
        data += chunk
        if len(data) > MAX_DOCUMENT:
            raise ImageError(f"the registry sent a manifest of more than {MAX_DOCUMENT} bytes")
    return bytes(data)


def _refusal(status: int, what: str) -> ImageError:
    if status == 404:
        return ImageError(f"the registry has no such {what}")
    if status in (401, 403):
        return ImageError("the registry has no such image, or refuses anonymous access to it")
    if status >= 500:
        return TransientError(f"the registry failed with HTTP status {status}")
    return ImageError(f"the registry answered with HTTP status {status}")
