# SPDX-License-Identifier: Apache-2.0
"""Which image a place outside the store holds, by its digest: what a plan compares."""

from podwright.errors import ImageError
from podwright.images import reference as references
from podwright.images.distribution.credentials import Auth
from podwright.images.distribution.registries import Registries
from podwright.images.documents import INDEXES, MANIFESTS, digest_of, parse_manifest


def digest_in(source: str) -> str:
    """Return the digest of the manifest or index that a source (source.py) has. Raises ImageError."""
    return digest_of(_top(source))


def digest_at(place: str, registries: Registries, auth: Auth | None) -> str | None:
    """Return the digest of what a destination (destination.py) has; None for nothing, or nothing that can be read.

    Of an archive of Docker's it is the configuration's: there is no manifest in it. Raises ImageError when a registry
    cannot be asked.
    """
    from podwright.images.formats.destination import DEFAULT_NAME
    from podwright.images.formats.source import split_path

    transport, _, rest = place.partition(":")
    if transport == "docker":
        return _in_registry(rest.removeprefix("//"), registries, auth)
    path, name = split_path(rest)
    try:
        if transport == "docker-archive":
            return parse_manifest(_top(place)).config.digest
        return digest_in(f"{transport}:{path}:{name or DEFAULT_NAME}")
    except ImageError:
        return None


def _top(source: str) -> bytes:
    from podwright.images.formats.source import open_source

    opened = open_source(source)
    try:
        return opened.top()
    finally:
        opened.close()


def _in_registry(reference: str, registries: Registries, auth: Auth | None) -> str | None:
    """Ask the registry itself, whatever its mirrors have; and with the rights of whoever pushes."""
    from podwright.images.distribution.repository import Repository

    parsed = references.parse(reference)
    repository = Repository(parsed, registries, auth=auth, push=True)
    path = f"manifests/{parsed.digest or parsed.tag}"
    accept = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
    try:
        with repository.exchange("HEAD", path, headers=accept, expect=(200, 404)) as answer:
            return answer.headers.get("docker-content-digest") if answer.status == 200 else None
    finally:
        repository.close()
