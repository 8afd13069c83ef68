# SPDX-License-Identifier: Apache-2.0
"""What a policy can ask of an image: the requirement types of containers-policy.json(5), one class each.

``sigstoreSigned`` with public keys is what can be checked here. What another program would check besides (GPG, keyless
signing, a transparency log) is a requirement that no image fulfils, and says so: nothing that is asked for is skipped.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from podwright.errors import ConfigError, ImageError
from podwright.images.reference import Reference
from podwright.images.signatures import identity, keys, signature, strict

MAX_KEY = 64 << 10  # bytes of a key's file
_WAY_OUT = "ask for sigstoreSigned with keyPath or keyData, or accept the image by a scope of its own"


class Evidence:
    """An image that is about to be pulled, and the signatures beside it, which are fetched when someone asks."""

    def __init__(self, image: Reference, repository: signature.Repository, digests: Sequence[str]) -> None:
        self.image = image
        self.repository = repository
        self.digests = digests
        """What the name stands for, and the platform's manifest if that is an index: each pins what will run."""
        self._known: list[signature.Signature] = []
        self._more = (item for digest in digests for item in signature.found(repository, digest))

    def signatures(self) -> Iterator[signature.Signature]:
        """Yield all signatures, in whatever order; raises ImageError when there are too many."""
        yield from self._known
        for item in self._more:
            if len(self._known) == signature.MAX_SIGNATURES:
                raise ImageError(f"it has more than {signature.MAX_SIGNATURES} signatures")
            self._known.append(item)
            yield item


class Requirement(Protocol):
    """One entry of a scope's list; all of the list must hold."""

    def check(self, evidence: Evidence | None) -> None:
        """Return if it holds for the image; raises ImageError that says why not. None: the image has no registry."""


class Accept:
    """``insecureAcceptAnything``."""

    def check(self, evidence: Evidence | None) -> None:
        """See Requirement."""


class Refuse(NamedTuple):
    """``reject``, and whatever cannot be checked here."""

    reason: str

    def check(self, evidence: Evidence | None) -> None:  # noqa: ARG002 - no image is good enough
        """See Requirement."""
        raise ImageError(self.reason)


class Signed(NamedTuple):
    """``sigstoreSigned``: one signature, made by one of the keys for this digest, and for the right name."""

    key_member: str
    """Which member of the requirement tells the keys, for messages."""
    paths: tuple[str, ...]
    datas: tuple[bytes, ...]
    identity: identity.Identity

    def check(self, evidence: Evidence | None) -> None:
        """See Requirement. Raises ConfigError for a key that cannot be used."""
        trusted = self._keys()
        wanted = f"a signature by {' or '.join(key.name for key in trusted)} is required"
        if evidence is None:
            raise ImageError(f"{wanted}, and only images from a registry have signatures that are looked for")
        failures = []
        for found in evidence.signatures():
            reason = self._objection(found, evidence, trusted)
            if reason is None:
                return
            failures.append(f"{found.descriptor.digest[7:19]}: {reason}")
        if not failures:
            raise ImageError(f"{wanted}, and it has none")
        shown = "; ".join(failures[:5]) + (f"; and {len(failures) - 5} more" if len(failures) > 5 else "")
        raise ImageError(f"{wanted}, and none of those found ({len(failures)}) is one: {shown}")

    def _keys(self) -> list[keys.PublicKey]:
        sources = [(_read_key(path, self.key_member), path) for path in self.paths]
        sources += [(data, self.key_member) for data in self.datas]
        return [keys.parse(pem, f"the key {name}") for pem, name in sources]

    def _objection(
        self, found: signature.Signature, evidence: Evidence, trusted: Sequence[keys.PublicKey]
    ) -> str | None:
        """Return why a signature does not count, None if it does."""
        try:
            claim = found.verify(evidence.repository, trusted)
        except ImageError as error:
            return error.message
        if claim.digest not in evidence.digests:
            return f"it is for another image, {claim.digest}"
        if claim.name is None:
            known = self.identity.accepts_digest(evidence.image)
            return None if known else f"it is a bundle, which names no image, and {self.identity.kind} wants a name"
        if not self.identity.accepts(evidence.image, claim.name):
            return f"it is for the name {claim.name!r}, which {self.identity.kind} does not accept"
        return None


def parse(value: Any, field: str) -> Requirement:
    """Read one requirement; raises ConfigError that names ``field``."""
    if not isinstance(value, dict):
        raise ConfigError(f"{field} is not an object")
    kind = value.get("type")
    if kind not in _TYPES:
        raise ConfigError(f"{field}.type is {kind!r}, but must be one of {', '.join(_TYPES)}")
    unknown = value.keys() - {"type", *_TYPES[kind]}
    if unknown:
        raise ConfigError(f"{field}.{min(unknown)} is not a member of {kind}")
    if kind == "insecureAcceptAnything":
        return Accept()
    if kind == "reject":
        return Refuse("every image of this scope is rejected")
    if kind == "sigstoreSigned":
        return _signed(value, field)
    return Refuse(f"the requirement {kind} cannot be checked (it is not cosign's kind of signature): {_WAY_OUT}")


_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_LOG = ("rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas")
_UNCHECKED = ("fulcio", "pki", *_LOG)
_TYPES: dict[str, tuple[str, ...]] = {
    "insecureAcceptAnything": (),
    "reject": (),
    "signedBy": ("keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"),
    "signedBaseLayer": ("baseLayerIdentity",),
    "sigstoreSigned": (*_KEYS, *_UNCHECKED, "signedIdentity"),
}
"""Each type's members, besides ``type``."""


def _signed(value: dict[str, Any], field: str) -> Requirement:
    given = value.get("signedIdentity")
    wanted = identity.parse(given, f"{field}.signedIdentity") if "signedIdentity" in value else identity.Identity()
    unchecked = [name for name in _UNCHECKED if name in value]
    if unchecked:
        return Refuse(
            f"sigstoreSigned with {', '.join(unchecked)} cannot be checked (only public keys can): {_WAY_OUT}"
        )
    members = [name for name in _KEYS if name in value]
    if len(members) != 1:
        raise ConfigError(
            f"{field} must have exactly one of {', '.join(_KEYS)}, and has {', '.join(members) or 'none'}"
        )
    (member,) = members
    items = value[member] if member.endswith("s") else [value[member]]
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
        raise ConfigError(f"{field}.{member} must be {'a list of texts' if member.endswith('s') else 'a text'}")
    if member.startswith("keyPath"):
        for item in items:
            if not os.path.isabs(item):
                raise ConfigError(f"{field}.{member} is {item!r}, which is not an absolute path")
        return Signed(f"{field}.{member}", tuple(items), (), wanted)
    try:
        datas = tuple(strict.decode(item) for item in items)
    except ValueError as error:
        raise ConfigError(f"{field}.{member} cannot be read: {error}") from error
    return Signed(f"{field}.{member}", (), datas, wanted)


def _read_key(path: str, field: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_KEY + 1)
    except OSError as error:
        raise ConfigError(f"{field}: the key {path}: {error.strerror}") from error
    if len(data) > MAX_KEY:
        raise ConfigError(f"{field}: the key {path} is over the limit of {MAX_KEY} bytes")
    return data
