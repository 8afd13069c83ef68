# SPDX-License-Identifier: Apache-2.0
"""Pushing to a registry: the half of the OCI distribution specification that writes ("Push" in spec.md)."""

from collections.abc import Callable, Iterator
from urllib.parse import quote, urljoin

from podwright.errors import ImageError
from podwright.images.distribution.http import Response, TransientError
from podwright.images.distribution.repository import Repository
from podwright.images.documents import Descriptor
from podwright.images.reference import Reference

WHOLE = 32 << 20  # bytes of a blob that is sent in one request; a larger one is sent in pieces
PIECE = 16 << 20  # bytes; what is lost when a connection breaks
_NO_PIECES = (400, 404, 405, 411, 413, 416, 501)  # what registries say that do not like pieces, or these
_BYTES = {"Content-Type": "application/octet-stream"}

Read = Callable[[int], Iterator[bytes]]


class _Unresumable(TransientError):
    """This upload will not go on, but another one may."""


class RegistryDestination:
    """The image that ``reference`` names, at its registry. See Destination.

    ``source`` is where the image was pulled from: a registry that has the same blobs in another repository of its own
    need not get them again. Blobs that were sent stay there, without a name, when the manifest does not follow.
    """

    parallel = 3

    def __init__(self, reference: Reference, repository: Repository, source: Reference | None = None) -> None:
        self._reference = reference
        self._repository = repository
        near = source and source.registry == reference.registry and source.repository != reference.repository
        self._mount = source.repository if source and near else ""
        self._whole = False

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether the repository has a blob."""
        with self._repository.exchange("HEAD", f"blobs/{descriptor.digest}", expect=(200, 404)) as answer:
            return answer.status == 200

    def add(self, descriptor: Descriptor, read: Read) -> None:
        """Send a blob, unless the registry takes it from the other repository; starts again when that may help."""
        retry = self._repository.attempts()
        while True:
            try:
                self._send(descriptor, read)
            except TransientError as error:
                retry.wait(error)
                if self.has(descriptor):  # all of it came, only the answer did not
                    return
            else:
                return

    def finish(self, descriptor: Descriptor, data: bytes) -> None:
        """Send the manifest, by the reference's tag or else its digest."""
        wanted = self._reference.digest
        if wanted and wanted != descriptor.digest:
            raise ImageError(f"its manifest is {descriptor.digest}, and cannot be pushed as {wanted}")
        path = f"manifests/{self._reference.tag or wanted}"
        headers = {"Content-Type": descriptor.media_type}
        with self._repository.exchange("PUT", path, headers=headers, body=data, expect=(200, 201, 202)) as answer:
            told = answer.headers.get("docker-content-digest", descriptor.digest)
        if told != descriptor.digest:
            raise ImageError(f"the registry made {told} of the manifest {descriptor.digest}")

    def close(self) -> None:
        """End the connections."""
        self._repository.close()

    def _send(self, descriptor: Descriptor, read: Read) -> None:
        mount = f"?mount={quote(descriptor.digest)}&from={quote(self._mount, safe='')}" if self._mount else ""
        headers = {"Content-Length": "0"}
        with self._repository.exchange("POST", f"blobs/uploads/{mount}", headers=headers, expect=(201, 202)) as answer:
            if answer.status == 201:  # mounted
                return
            place, least = _location(answer), answer.headers.get("oci-chunk-min-length", "")
        position = 0
        if descriptor.size > WHOLE and not self._whole:
            place, position = self._pieces(descriptor, read, place, max(PIECE, int(least) if least.isdigit() else 0))
        size = descriptor.size - position
        query = f"{'&' if '?' in place else '?'}digest={quote(descriptor.digest)}"
        headers = _BYTES | {"Content-Length": str(size)}
        body = (lambda: _slice(read, position, size)) if size else b""
        # Not again by itself: part of the body may be there already, and a second one would be put behind it.
        with self._repository.exchange(
            "PUT", place + query, headers=headers, body=body, expect=(201, 204), again=False
        ):
            pass

    def _pieces(self, descriptor: Descriptor, read: Read, place: str, piece: int) -> tuple[str, int]:
        """Send all but the last piece; returns where the upload goes on, and at which byte."""
        position = 0
        retry = self._repository.attempts()
        while descriptor.size - position > piece:
            try:
                place, position = self._piece(read, place, position, piece)
            except _Unresumable:
                raise
            except TransientError as error:
                retry.wait(error)
                place, position = self._resumed(place, position + piece, error)
            else:
                retry.reset()
        return place, position

    def _piece(self, read: Read, place: str, position: int, size: int) -> tuple[str, int]:
        headers = _BYTES | {"Content-Length": str(size), "Content-Range": f"{position}-{position + size - 1}"}
        body: Callable[[], Iterator[bytes]] = lambda: _slice(read, position, size)  # noqa: E731 -- a def hides the order
        with self._repository.exchange(
            "PATCH", place, headers=headers, body=body, expect=(202, *_NO_PIECES), again=False
        ) as answer:
            if answer.status != 202:
                self._whole = True
                raise _Unresumable(f"the registry takes no blob in pieces (HTTP status {answer.status})")
            following = _received(answer)
            if following is not None and following != position + size:
                raise ImageError(f"the registry took {following} bytes of an upload, of {position + size} sent")
            return _location(answer), position + size

    def _resumed(self, place: str, sent: int, error: TransientError) -> tuple[str, int]:
        """Ask how much of an upload has come; a registry that has forgotten it gets the blob from its start."""
        with self._repository.exchange("GET", place, expect=(200, 204, 400, 404, 416)) as answer:
            position = _received(answer)
            if answer.status not in (200, 204) or position is None or position > sent:
                raise error
            return _location(answer) if "location" in answer.headers else place, position


def _location(answer: Response) -> str:
    location = answer.headers.get("location", "")
    if not location:
        raise ImageError("the registry does not say where to send a blob: its answer has no Location")
    return urljoin(answer.url, location)


def _received(answer: Response) -> int | None:
    """Return how many bytes have come, by the header ``Range: 0-<last>``; none are told as 0-0, as one byte is."""
    first, _, last = answer.headers.get("range", "").removeprefix("bytes=").partition("-")
    if first != "0" or not last.isdigit():
        return None
    return int(last) + 1 if int(last) else 0


def _slice(read: Read, position: int, size: int) -> Iterator[bytes]:
    left = size
    for chunk in read(position):
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
    raise ImageError(f"a blob ends {left} bytes before its size")
