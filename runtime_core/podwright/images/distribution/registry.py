# SPDX-License-Identifier: Apache-2.0
"""A client of the OCI distribution specification that reads: manifests and blobs of one repository and its mirrors.

What is asked for by its digest may come from anywhere: the digest tells whether it is right.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from podwright.errors import ImageError
from podwright.images.distribution.credentials import Auth
from podwright.images.distribution.download import download
from podwright.images.distribution.endpoints import Endpoint, endpoints, tls_settings
from podwright.images.distribution.http import NetworkTransport, Transport
from podwright.images.distribution.referrers import Referrer, fallback_tag, next_page, parse_referrers
from podwright.images.distribution.refusal import Missing
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.repository import Repository
from podwright.images.distribution.retry import ATTEMPTS, Clock, SystemClock
from podwright.images.documents import INDEXES, MANIFESTS, MAX_DOCUMENT, Descriptor, digest_of
from podwright.images.reference import Reference, is_digest

T = TypeVar("T")

MIRROR_ATTEMPTS = 2  # there are others to ask
MAX_PAGES = 16  # of a list of referrers
_ACCEPT = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
_ACCEPT_INDEX = {"Accept": INDEXES[0]}


class Registry:
    """One repository as a Source (source.py): threads may use one object at once; ``close()`` ends its connections.

    ``auth`` is what the caller gives as login; without it the host's own logins are used.
    """

    def __init__(
        self,
        reference: Reference,
        registries: Registries | None = None,
        *,
        auth: Auth | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._reference = reference
        self._transport = transport or NetworkTransport(tls_settings(registries or Registries()))
        *mirrors, own = endpoints(reference, registries or Registries())

        def repository(endpoint: Endpoint, attempts: int, auth: Auth | None) -> Repository:
            return Repository(
                reference,
                registries,
                auth=auth,
                endpoint=endpoint,
                attempts=attempts,
                transport=self._transport,
                clock=clock or SystemClock(),
            )

        of_mirror = auth.of_mirror() if auth else None
        self._own = repository(own, ATTEMPTS, auth)
        self._mirrors = [repository(mirror, MIRROR_ATTEMPTS, of_mirror) for mirror in mirrors]
        self._order = [*self._mirrors, self._own]
        self._begun: dict[str, int] = {}

    def close(self) -> None:
        """End the connections."""
        self._transport.close()

    def resolve(self) -> str:
        """Return the digest that the reference names now; nothing is downloaded when the registry tells it."""
        return self._reference.digest or self._first(self._resolve)

    def top(self) -> bytes:
        """Return the manifest or index that the reference names. Who has it is asked first for the rest."""

        def ask(repository: Repository) -> tuple[Repository, bytes]:
            return repository, _manifest(repository, self._name)

        found, data = self._first(ask)
        self._order = [found, *(other for other in self._order if other is not found)]
        return data

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return the manifest that an index points to."""
        return self._first(lambda repository: _manifest(repository, descriptor.digest))

    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield the blob's content from ``offset`` on, and never more than its size; resumes what breaks off.

        Whoever asks again for all of a blob did not like what came: then the next place is asked first.
        """
        turn = self._begun.get(descriptor.digest, 0) % len(self._order)
        if offset == 0:
            self._begun[descriptor.digest] = turn + 1
        position = offset
        failures: dict[Repository, ImageError] = {}
        for repository in self._order[turn:] + self._order[:turn]:
            try:
                for chunk in download(repository, descriptor, position):
                    position += len(chunk)
                    yield chunk
            except ImageError as error:
                failures[repository] = error
            else:
                return
        raise self._failure(failures)

    def tagged(self, tag: str) -> bytes | None:
        """Return the manifest or index of another tag of the repository, or None when there is no such tag."""
        try:
            return self._first(lambda repository: _manifest(repository, tag))
        except Missing:
            return None

    def referrers(self, digest: str) -> list[Referrer]:
        """Return what refers to a manifest: by the registry's word, or by the tag that stands in for it."""
        try:
            return self._first(lambda repository: _referrers(repository, digest))
        except Missing:
            return []

    @property
    def _name(self) -> str:
        return self._reference.digest or self._reference.tag or ""

    def _resolve(self, repository: Repository) -> str:
        path = f"manifests/{self._name}"
        with repository.exchange("HEAD", path, headers=_ACCEPT, expect=(200, 405)) as answer:
            digest = answer.headers.get("docker-content-digest", "")
        return digest if is_digest(digest) else digest_of(_manifest(repository, self._name))

    def _first(self, ask: Callable[[Repository], T]) -> T:
        """Return the first answer that is none of ImageError."""
        failures: dict[Repository, ImageError] = {}
        for repository in self._order:
            try:
                return ask(repository)
            except ImageError as error:
                failures[repository] = error
        raise self._failure(failures)

    def _failure(self, failures: dict[Repository, ImageError]) -> ImageError:
        """Return the registry's own failure, which says more than those of its mirrors; they are mentioned."""
        own = failures[self._own]
        if not self._mirrors:
            return own
        others = "; ".join(str(failures[mirror]) for mirror in self._mirrors)
        kind = Missing if isinstance(own, Missing) else ImageError
        return kind(f"{own} (and of its mirrors: {others})")


def _manifest(repository: Repository, name: str) -> bytes:
    """Return a manifest by its tag or digest."""
    headers, data = repository.document(f"manifests/{name}", headers=_ACCEPT, limit=MAX_DOCUMENT, what="manifest")
    digest, told = digest_of(data), headers.get("docker-content-digest", "")
    host = repository.endpoint.host
    if is_digest(name) and digest != name:
        raise ImageError(f"{host} sent a manifest whose digest is {digest}, not {name}")
    if is_digest(told) and digest != told:
        raise ImageError(f"{host} sent a manifest whose digest is {digest}, and says that it is {told}")
    return data


def _referrers(repository: Repository, digest: str) -> list[Referrer]:
    found: list[Referrer] = []
    path = f"referrers/{digest}"
    try:
        for _ in range(MAX_PAGES):
            headers, data = repository.document(
                path, headers=_ACCEPT_INDEX, limit=MAX_DOCUMENT, what="list of referrers"
            )
            found += parse_referrers(data)
            following = next_page(headers.get("link", ""))
            if not following:
                return found
            path = following
    except Missing:
        return parse_referrers(_manifest(repository, fallback_tag(digest)))
    raise ImageError(f"{repository.endpoint.host} has more than {MAX_PAGES} pages of referrers")
