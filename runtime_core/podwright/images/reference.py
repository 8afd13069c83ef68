# SPDX-License-Identifier: Apache-2.0
"""Image references, read as Docker and Kubernetes read them (github.com/distribution/reference).

``busybox`` means ``docker.io/library/busybox:latest``; what stands before the first slash is a registry when it has a
dot, a colon or a capital letter in it, or is ``localhost``.
"""

import re
from typing import NamedTuple

from podwright.errors import ImageError

DEFAULT_REGISTRY = "docker.io"
MAX_NAME = 255  # characters of the repository, distribution's RepositoryNameTotalLengthMax

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Reference(NamedTuple):
    """Where an image is: ``str()`` is the full form, which names it in the store and in messages."""

    registry: str
    """Host, with a port when one was given: ``docker.io``, ``127.0.0.1:5000``, ``[::1]:5000``."""
    repository: str
    tag: str | None
    """Never None unless there is a digest."""
    digest: str | None

    def __str__(self) -> str:
        """Return the reference with everything spelled out."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse(text: str) -> Reference:
    """Read a reference; raises ImageError that says which part of it is wrong."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _invalid(text, f"{digest!r} is not a sha256 digest")
    colon = rest.rfind(":")
    tag: str | None = None
    if colon > rest.rfind("/"):
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not _TAG.fullmatch(tag):
            raise _invalid(text, f"the tag {tag!r} may hold only letters, digits, '_', '.' and '-', at most 128")
    registry, repository = _split_registry(rest)
    if not _REGISTRY.fullmatch(registry):
        raise _invalid(text, f"{registry!r} is not a registry's host name")
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid(text, f"the name {repository!r} must be lower-case words joined by '/', '.', '_' or '-'")
    if len(repository) > MAX_NAME:
        raise _invalid(text[:64] + "…", f"the name is longer than {MAX_NAME} characters")
    if re.fullmatch(r"[0-9a-f]{64}", text):
        raise _invalid(text, "a bare image ID names no repository")
    return Reference(registry, repository, tag or (None if at else "latest"), digest if at else None)


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is a sha256 digest as OCI writes it; no other algorithm is supported."""
    return _DIGEST.fullmatch(text) is not None


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or "." in first or ":" in first or first != first.lower()):
        first, rest = DEFAULT_REGISTRY, name
    if first == "index.docker.io":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _invalid(text: str, reason: str) -> ImageError:
    return ImageError(f"image {text}: not a valid image reference: {reason}")
