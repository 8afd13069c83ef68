# SPDX-License-Identifier: Apache-2.0
"""Signatures of images, as ``cosign sign`` and podman leave them beside an image in its repository.

They are found in two places: under the tag ``sha256-<hex>.sig``, and among the manifest's referrers (OCI distribution
specification, "Listing Referrers"). They have two forms: *simple signing* (cosign's SIGNATURE_SPEC.md), a small JSON
payload that names digest and image, with the signature in an annotation; and Sigstore bundles (bundle.py).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from podwright.errors import ImageError
from podwright.images.distribution.referrers import Referrer
from podwright.images.documents import Descriptor, digest_of, parse_descriptor, parse_object
from podwright.images.signatures import strict
from podwright.images.signatures.bundle import is_bundle, read_bundle
from podwright.images.signatures.keys import PublicKey

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
TYPE = "cosign container image signature"
_TYPES = (ARTIFACT, "", "application/vnd.oci.empty.v1+json")
MAX_SIGNATURES = 100  # of one image
MAX_PAYLOAD = 1 << 20  # bytes, of a payload or a bundle


class Repository(Protocol):
    """The repository that an image is pulled from. Every method raises ImageError."""

    def tagged(self, tag: str) -> bytes | None:
        """Return the manifest of a tag, None when there is no such tag."""

    def referrers(self, digest: str) -> Sequence[Referrer]:
        """Return what refers to a manifest."""

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return a manifest, verified."""

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob's content, unverified."""


class Claim(NamedTuple):
    """What a signature says that its key vouches for."""

    digest: str
    """Of a manifest."""
    name: str | None
    """The image's name, as the signer gave it; None in a bundle, which names no image."""


class Signature(NamedTuple):
    """One signature, wherever it was found; nothing of it is believed yet."""

    descriptor: Descriptor
    annotations: dict[str, Any]

    def verify(self, repository: Repository, keys: Sequence[PublicKey]) -> Claim:
        """Return what one of the keys vouches for; raises ImageError that says why it is none of them."""
        content = _content(repository, self.descriptor)
        if is_bundle(self.descriptor.media_type):
            return Claim(read_bundle(content, keys), None)
        try:
            signature = strict.decode(self.annotations.get(SIGNATURE))
        except ValueError as error:
            raise ImageError(f"its annotation {SIGNATURE} cannot be read: {error}") from error
        if not any(key.signed(signature, content) for key in keys):
            keyless = ", which came with a certificate (keyless)" if CERTIFICATE in self.annotations else ""
            raise ImageError(f"no such key made it{keyless}")
        return _claim(content)


def found(repository: Repository, digest: str) -> Iterator[Signature]:
    """Yield the signatures of a manifest: those under the tag first, for they cost one request."""
    tagged = repository.tagged(f"{digest.replace(':', '-')}.sig")
    if tagged is not None:
        yield from _signatures(tagged)
    # Registries without the referrers API, and tools that fill in for them, do not always tell the type.
    kinds = repository.referrers(digest)
    referrers = [item for item in kinds if item.artifact_type in _TYPES or is_bundle(item.artifact_type)]
    if len(referrers) > MAX_SIGNATURES:
        raise ImageError(f"it has {len(referrers)} signatures, more than {MAX_SIGNATURES}")
    for referrer in referrers:
        yield from _signatures(repository.manifest(referrer.descriptor))


def _signatures(manifest: bytes) -> Iterator[Signature]:
    """Yield what is a signature in a manifest; other things may lie beside it, or be all that there is."""
    layers = parse_object(manifest, "manifest of its signatures").get("layers")
    for layer in layers if isinstance(layers, list) else []:
        media_type = layer.get("mediaType") if isinstance(layer, dict) else None
        if isinstance(media_type, str) and (media_type == SIMPLE_SIGNING or is_bundle(media_type)):
            annotations = layer.get("annotations")
            descriptor = parse_descriptor(layer, "signature")
            yield Signature(descriptor, annotations if isinstance(annotations, dict) else {})


def _content(repository: Repository, descriptor: Descriptor) -> bytes:
    if descriptor.size > MAX_PAYLOAD:
        raise ImageError(f"it has {descriptor.size} bytes, more than {MAX_PAYLOAD}")
    data = b""
    for chunk in repository.blob(descriptor):
        data += chunk
        if len(data) > descriptor.size:
            break
    if len(data) != descriptor.size or digest_of(data) != descriptor.digest:
        raise ImageError("its content came with another digest or size")
    return data


def _claim(payload: bytes) -> Claim:
    """Read a payload of simple signing as strictly as containers' tools do: what both read, both read alike."""
    try:
        whole = _members(strict.loads(payload), "critical", "optional")
        critical = _members(whole["critical"], "type", "image", "identity")
        image = _members(critical["image"], "docker-manifest-digest")
        identity = _members(critical["identity"], "docker-reference")
        if not isinstance(whole["optional"], dict | None):
            raise ValueError("optional is neither an object nor null")
    except ValueError as error:
        raise ImageError(f"its payload cannot be read: {error}") from error
    digest, name = image["docker-manifest-digest"], identity["docker-reference"]
    if critical["type"] != TYPE:
        raise ImageError(f"its payload is of the type {critical['type']!r}, and not {TYPE!r}")
    if not isinstance(digest, str) or not isinstance(name, str):
        raise ImageError("its payload's digest or name is no text")
    return Claim(digest, name)


def _members(value: object, *names: str) -> dict[str, Any]:
    """Return an object that must have these members, and no others."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f"an object with {' and '.join(names)} was expected, and nothing else in it")
    return value
