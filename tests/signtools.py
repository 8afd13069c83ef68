# SPDX-License-Identifier: Apache-2.0
"""Signatures of images for tests, made with ``cryptography``, in the forms that cosign gives them.

key = Key.ecdsa()
signed = simple(key, digest, "registry.example/app:1")     a layer of the manifest under the tag sha256-….sig
signed = bundle(key, digest)                               a layer of a referrer
"""

import base64
import hashlib
import json
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIG_ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
STATEMENT = "application/vnd.in-toto+json"


class Key(NamedTuple):
    """A private key; ``sign`` makes a signature, ``pem`` is the public half."""

    private: Any
    sign: Callable[[bytes], bytes]

    @property
    def pem(self) -> bytes:
        """The public key."""
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return bytes(self.private.public_key().public_bytes(serialization.Encoding.PEM, spki))

    @classmethod
    def ecdsa(cls, curve: ec.EllipticCurve | None = None, algorithm: hashes.HashAlgorithm | None = None) -> "Key":
        """A key on a curve, P-256 unless told."""
        private = ec.generate_private_key(curve or ec.SECP256R1())
        return cls(private, lambda message: private.sign(message, ec.ECDSA(algorithm or hashes.SHA256())))

    @classmethod
    def rsa(cls, bits: int = 2048) -> "Key":
        """An RSA key."""
        private = rsa.generate_private_key(65537, bits)
        return cls(private, lambda message: private.sign(message, padding.PKCS1v15(), hashes.SHA256()))

    @classmethod
    def ed25519(cls) -> "Key":
        """An Ed25519 key."""
        private = ed25519.Ed25519PrivateKey.generate()
        return cls(private, private.sign)


class Layer(NamedTuple):
    """A signature: a blob, and how a manifest names it."""

    media_type: str
    data: bytes
    annotations: dict[str, str]

    @property
    def descriptor(self) -> dict[str, Any]:
        """What stands in the manifest."""
        fields = {"mediaType": self.media_type, "digest": digest(self.data), "size": len(self.data)}
        return fields | ({"annotations": self.annotations} if self.annotations else {})


def digest(data: bytes) -> str:
    """The sha256 digest, as OCI writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def payload(image: str, name: str, /, **changes: Any) -> bytes:
    """What simple signing signs; ``changes`` replace members of ``critical``."""
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": image},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical | changes, "optional": None}).encode()


def simple(key: Key, image: str, name: str, /, **changes: Any) -> Layer:
    """A signature of a digest for a name."""
    return signed(key, payload(image, name, **changes))


def signed(key: Key, data: bytes) -> Layer:
    """A simple signature of whatever payload."""
    return Layer(SIMPLE_SIGNING, data, {SIGNATURE: base64.b64encode(key.sign(data)).decode()})


def statement(image: str, **changes: Any) -> bytes:
    """What a bundle's envelope holds; ``changes`` replace its members."""
    fields = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": image.removeprefix("sha256:")}, "annotations": {}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }
    return json.dumps(fields | changes).encode()


def envelope(key: Key, body: bytes, payload_type: str = STATEMENT) -> dict[str, Any]:
    """A DSSE envelope."""
    message = b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type.encode(), len(body), body)
    signatures = [{"sig": base64.b64encode(key.sign(message)).decode()}]
    return {"payload": base64.b64encode(body).decode(), "payloadType": payload_type, "signatures": signatures}


def bundle(key: Key, image: str, body: bytes = b"", **changes: Any) -> Layer:
    """A Sigstore bundle about a digest; ``changes`` replace its members, or take them out (None)."""
    fields: dict[str, Any] = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "key"}},
        "dsseEnvelope": envelope(key, body or statement(image)),
    }
    kept = {name: value for name, value in (fields | changes).items() if value is not None}
    return Layer(BUNDLE, json.dumps(kept).encode(), {})


def manifest(layers: list[Layer], config: dict[str, Any], **fields: Any) -> bytes:
    """The manifest that holds signatures; ``fields`` are ``artifactType`` and ``subject`` of a referrer."""
    descriptors = [layer.descriptor for layer in layers]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors, **fields}
    ).encode()


def publish(address: str, repository: str, layers: list[Layer], *, tag: str = "", **fields: Any) -> dict[str, Any]:
    """Put signatures into a plain-HTTP registry, under a tag or by digest alone; returns the manifest's descriptor."""
    empty = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2}
    data = manifest(layers, empty, **fields)
    for blob in (b"{}", *(layer.data for layer in layers)):
        begun = _request("POST", f"http://{address}/v2/{repository}/blobs/uploads/", b"")
        place = begun.headers["Location"]
        _request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest(blob)}", blob)
    put_manifest(address, repository, tag or digest(data), data, MANIFEST)
    return {"mediaType": MANIFEST, "digest": digest(data), "size": len(data)}


def put_manifest(address: str, repository: str, name: str, data: bytes, media_type: str) -> None:
    """Put a manifest or an index under a tag or its digest."""
    _request("PUT", f"http://{address}/v2/{repository}/manifests/{name}", data, media_type)


def _request(method: str, url: str, data: bytes, media_type: str = "application/octet-stream") -> Any:
    request = urllib.request.Request(url, data, {"Content-Type": media_type}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer
