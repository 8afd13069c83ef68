# SPDX-License-Identifier: Apache-2.0
"""Sigstore bundles, which cosign 3 makes (cosign's BUNDLE_SPEC.md, Sigstore's sigstore_bundle.proto).

What cosign signs for an image is an in-toto statement about its digest, in a DSSE envelope. It does not name the image.
Of a bundle, only what a public key vouches for is read: no certificates (keyless signing), no transparency log.
"""

import re
from collections.abc import Sequence
from typing import Any

from podwright.errors import ImageError
from podwright.images.signatures import strict
from podwright.images.signatures.keys import PublicKey

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
"""The statement "this image is signed"; any other one is an attestation about it (an SBOM, a provenance)."""

_ANY_VERSION = re.compile(r"application/vnd\.dev\.sigstore\.bundle(\.v[0-9.]+)?\+json(;version=.*)?")
_STATEMENT = "application/vnd.in-toto+json"
_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_HEX = re.compile("[0-9a-f]{64}")


def is_bundle(media_type: str) -> bool:
    """Tell whether it is a bundle's, of whatever version."""
    return _ANY_VERSION.fullmatch(media_type) is not None


def read_bundle(data: bytes, keys: Sequence[PublicKey]) -> str:
    """Return the digest of the image that one of the keys signed; raises ImageError that says why there is none."""
    envelope = _envelope(_object(data, "bundle"))
    payload, payload_type = _decoded(envelope.get("payload"), "payload"), envelope.get("payloadType")
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise ImageError("its bundle's envelope must have one signature")
    if payload_type != _STATEMENT:
        raise ImageError(f"its bundle's envelope holds {payload_type!r}, and not {_STATEMENT}")
    signature = _decoded(signatures[0].get("sig"), "signature")
    message = b"DSSEv1 %d %b %d %b" % (len(_STATEMENT), _STATEMENT.encode(), len(payload), payload)
    if not any(key.signed(signature, message) for key in keys):
        raise ImageError("no such key made it")
    return _subject(_object(payload, "statement"))


def _envelope(bundle: dict[str, Any]) -> dict[str, Any]:
    if bundle.get("mediaType") != BUNDLE:
        raise ImageError(f"its bundle is of the type {bundle.get('mediaType')!r}, and only {BUNDLE} is known")
    material = bundle.get("verificationMaterial")
    if not isinstance(material, dict) or "publicKey" not in material:
        raise ImageError("it is a bundle with a certificate (keyless), and only public keys are supported")
    if "messageSignature" in bundle:
        raise ImageError("it is a bundle with a message signature, and not with the envelope that cosign makes")
    envelope = bundle.get("dsseEnvelope")
    if not isinstance(envelope, dict):
        raise ImageError("its bundle has no dsseEnvelope")
    return envelope


def _subject(statement: dict[str, Any]) -> str:
    if statement.get("_type") not in _STATEMENTS:
        raise ImageError(f"its statement is of the type {statement.get('_type')!r}, and not in-toto's")
    predicate = statement.get("predicateType")
    if predicate != SIGN:
        raise ImageError(f"it is an attestation of the type {predicate!r}, and no signature")
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise ImageError("its statement must have one subject")
    digests = subjects[0].get("digest")
    value = digests.get("sha256") if isinstance(digests, dict) else None
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ImageError("its statement's subject has no sha256 digest")
    return f"sha256:{value}"


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = strict.loads(data)
    except ValueError as error:
        raise ImageError(f"its {what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ImageError(f"its {what} is not a JSON object")
    return value


def _decoded(text: object, what: str) -> bytes:
    try:
        return strict.decode(text)
    except ValueError as error:
        raise ImageError(f"its bundle's {what} cannot be read: {error}") from error
