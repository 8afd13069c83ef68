# SPDX-License-Identifier: Apache-2.0
"""Public keys that sign images: ECDSA, RSA and Ed25519 in PEM, by way of the library ``cryptography``.

The hashes are those that cosign and podman sign with: SHA-256, and for the larger curves also the hash of their own
size, which cosign's bundles have.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from podwright.errors import ConfigError, HostError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

MIN_RSA_BITS = 2048
_BLOCKS = (b"-----BEGIN PUBLIC KEY-----", b"-----BEGIN RSA PUBLIC KEY-----")

Check = Callable[[bytes, bytes], None]
"""Given a signature and what was signed; raises InvalidSignature."""


class PublicKey(NamedTuple):
    """One key; ``check`` is how its algorithm verifies."""

    name: str
    """For messages: where it came from, and the beginning of its fingerprint."""
    check: Check

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the owner of this key signed the message."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.check(signature, message)
        except InvalidSignature:
            return False
        return True


def parse(pem: bytes, origin: str) -> PublicKey:
    """Read one public key; raises ConfigError that names ``origin``, HostError when the library is missing."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise HostError(
            "a signature cannot be checked without the Python library cryptography: "
            "install it (podwright's extra signatures)"
        ) from error
    if pem.count(b"-----BEGIN ") != 1 or not any(block in pem for block in _BLOCKS):
        raise ConfigError(f"{origin} must hold one public key in PEM (BEGIN PUBLIC KEY), and nothing else")
    try:
        key: Any = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{origin} holds no public key that can be read: {error}") from error
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(f"{origin} (sha256:{hashlib.sha256(der).hexdigest()[:12]})", _checker(key, origin))


def _checker(key: Any, origin: str) -> Check:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ed25519.Ed25519PublicKey):
        return key.verify
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ConfigError(f"{origin} is an RSA key of {key.key_size} bits; fewer than {MIN_RSA_BITS} are not safe")
        rsa_key = key
        return lambda signature, message: rsa_key.verify(signature, message, padding.PKCS1v15(), SHA256())
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa(key, origin)
    raise ConfigError(f"{origin} must be an ECDSA, an RSA or an Ed25519 key")


def _ecdsa(key: "EllipticCurvePublicKey", origin: str) -> Check:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

    hashes: dict[str, tuple[HashAlgorithm, ...]] = {
        "secp256r1": (SHA256(),),
        "secp384r1": (SHA256(), SHA384()),
        "secp521r1": (SHA256(), SHA512()),
    }
    if key.curve.name not in hashes:
        raise ConfigError(f"{origin} is a key on the curve {key.curve.name}; P-256, P-384 and P-521 are known")

    def check(signature: bytes, message: bytes) -> None:
        *others, last = hashes[key.curve.name]
        for algorithm in others:
            try:
                return key.verify(signature, message, ec.ECDSA(algorithm))
            except InvalidSignature:
                continue
        return key.verify(signature, message, ec.ECDSA(last))

    return check
