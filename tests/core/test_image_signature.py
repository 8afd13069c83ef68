# SPDX-License-Identifier: Apache-2.0
"""Signatures beside an image: where they are found, and which of them are worth something."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ConfigError, HostError, ImageError
from podwright.images.distribution.referrers import Referrer
from podwright.images.documents import OCI_MANIFEST, Descriptor, digest_of
from podwright.images.reference import parse
from podwright.images.signatures import bundle as bundles
from podwright.images.signatures import keys, policy, signature
from signtools import (
    BUNDLE,
    SIG_ARTIFACT,
    SIGNATURE,
    Key,
    Layer,
    bundle,
    envelope,
    manifest,
    payload,
    signed,
    simple,
    statement,
)

DIGEST = digest_of(b"the image's manifest")
INSTANCE = digest_of(b"this platform's manifest")
OTHER = digest_of(b"another image's manifest")
NAME = "quay.io/team/app:1"
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"{}"), "size": 2}
KEY, SECOND, STRANGER = Key.ecdsa(), Key.ecdsa(), Key.ecdsa()


class Repository:
    """A repository with signatures in it; ``asked`` records what somebody wanted to know."""

    def __init__(self):
        self.tags = {}
        self.referring = {}
        self.blobs = {}
        self.asked = []

    def sign(self, digest, *layers):
        self.tags[digest.replace(":", "-") + ".sig"] = self._put(layers)

    def refer(self, digest, artifact_type, *layers):
        data = self._put(layers)
        self.blobs[digest_of(data)] = data
        descriptor = Descriptor(OCI_MANIFEST, digest_of(data), len(data))
        self.referring.setdefault(digest, []).append(Referrer(descriptor, artifact_type, {}))

    def _put(self, layers):
        self.blobs |= {layer.descriptor["digest"]: layer.data for layer in layers}
        return manifest(list(layers), CONFIG)

    def tagged(self, tag):
        self.asked.append(tag)
        return self.tags.get(tag)

    def referrers(self, digest):
        self.asked.append(digest)
        return self.referring.get(digest, [])

    def manifest(self, descriptor):
        self.asked.append(descriptor.digest)
        return self.blobs[descriptor.digest]

    def blob(self, descriptor):
        self.asked.append(descriptor.digest)
        yield self.blobs[descriptor.digest]


@pytest.fixture
def repository():
    return Repository()


def wanted(*pems, **fields):
    datas = [base64.b64encode(pem).decode() for pem in pems]
    return {"type": "sigstoreSigned", "keyDatas": datas, **fields}


@pytest.fixture
def check(tmp_path, repository):
    """Ask a policy of these requirements about the image; returns why it was refused, or nothing."""

    def call(*requirements, name=NAME, instance=None):
        path = tmp_path / "policy.json"
        path.write_text(json.dumps({"default": list(requirements) or [wanted(KEY.pem)]}))
        try:
            policy.load(str(path)).check(parse(name), repository, DIGEST, instance)
        except ImageError as error:
            return error.message.partition("its default: ")[2]
        return None

    return call


def test_a_signature_under_the_tag_is_enough_and_nothing_else_is_asked_for(check, repository):
    layer = simple(KEY, DIGEST, NAME)
    repository.sign(DIGEST, layer)
    assert check() is None
    assert repository.asked == [DIGEST.replace(":", "-") + ".sig", digest_of(layer.data)]


@pytest.mark.parametrize("artifact_type", [SIG_ARTIFACT, "", "application/vnd.oci.empty.v1+json"])
def test_a_signature_among_the_referrers_is_as_good(check, repository, artifact_type):
    repository.refer(DIGEST, "application/spdx+json", signed(KEY, b"no signature"))
    repository.refer(DIGEST, artifact_type, simple(KEY, DIGEST, NAME))
    assert check() is None
    assert repository.referring[DIGEST][0].descriptor.digest not in repository.asked


def test_without_a_signature_it_is_refused(check):
    fingerprint = keys.parse(KEY.pem, "k").name.removeprefix("k ")
    name = f"the key default[0].keyDatas {fingerprint}"
    assert check() == f"a signature by {name} is required, and it has none"


@pytest.mark.parametrize(
    "key",
    [
        Key.ecdsa(),
        Key.ecdsa(ec.SECP384R1()),
        Key.ecdsa(ec.SECP384R1(), hashes.SHA384()),
        Key.ecdsa(ec.SECP521R1(), hashes.SHA512()),
        Key.rsa(),
        Key.ed25519(),
    ],
    ids=["p256", "p384-sha256", "p384", "p521", "rsa", "ed25519"],
)
@pytest.mark.parametrize("make", [simple, lambda key, digest, _: bundle(key, digest)], ids=["simple", "bundle"])
def test_keys_of_every_kind(check, repository, key, make):
    name = f"quay.io/team/app@{DIGEST}"
    repository.refer(DIGEST, "", make(key, DIGEST, NAME))
    assert check(wanted(key.pem), name=name) is None
    assert "no such key made it" in check(wanted(STRANGER.pem), name=name)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (Key.ecdsa(ec.SECP256K1()), "on the curve secp256k1"),
        (Key.rsa(1024), "an RSA key of 1024 bits; fewer than 2048"),
    ],
)
def test_keys_that_are_too_weak_or_unknown_are_refused_by_name(key, message):
    with pytest.raises(ConfigError, match=f"the key /k.pub is .*{message}"):
        keys.parse(key.pem, "the key /k.pub")


def test_one_of_the_keys_is_enough(check, repository):
    repository.sign(DIGEST, simple(SECOND, DIGEST, NAME))
    assert check(wanted(KEY.pem, SECOND.pem)) is None
    assert check(wanted(KEY.pem, STRANGER.pem)) is not None


def test_each_requirement_wants_its_own_signature(check, repository):
    repository.sign(DIGEST, simple(KEY, DIGEST, NAME))
    assert check(wanted(KEY.pem), wanted(KEY.pem)) is None
    assert check(wanted(KEY.pem), wanted(SECOND.pem)) is not None
    repository.refer(DIGEST, SIG_ARTIFACT, simple(SECOND, DIGEST, NAME))
    assert check(wanted(KEY.pem), wanted(SECOND.pem)) is None
    assert check(wanted(SECOND.pem), wanted(KEY.pem)) is None


def test_an_index_and_the_manifest_chosen_from_it(check, repository):
    repository.sign(INSTANCE, simple(KEY, INSTANCE, NAME))
    assert check() is not None
    assert check(instance=DIGEST) is not None
    assert check(instance=INSTANCE) is None
    repository.sign(INSTANCE, simple(KEY, OTHER, NAME))
    assert f"it is for another image, {OTHER}" in check(instance=INSTANCE)


def test_each_signature_that_does_not_count_says_why(check, repository):
    repository.sign(
        DIGEST,
        simple(STRANGER, DIGEST, NAME),
        simple(KEY, OTHER, NAME),
        simple(KEY, DIGEST, "quay.io/team/app"),
        Layer(signature.SIMPLE_SIGNING, b"x", {}),
        signed(STRANGER, b"y")._replace(annotations={SIGNATURE: "AAAA", signature.CERTIFICATE: "…"}),
    )
    said = check()
    for reason in (
        "none of those found (5) is one",
        "no such key made it; ",
        f"it is for another image, {OTHER}",
        "it is for the name 'quay.io/team/app', which matchRepoDigestOrExact does not accept",
        f"its annotation {SIGNATURE} cannot be read: it is not a text in base64",
        "no such key made it, which came with a certificate (keyless)",
    ):
        assert reason in said
    repository.sign(DIGEST, *[signed(STRANGER, str(number).encode()) for number in range(8)])
    assert check().endswith("; and 3 more")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "its payload cannot be read: "),
        (b"\xff\xfe{}", "its payload cannot be read: "),
        (b"[" * 100_000, "its payload cannot be read: it is nested too deeply"),
        (b"[]", "an object with critical and optional was expected"),
        (b'{"critical": {}}', "an object with critical and optional was expected"),
        (b'{"critical": {}, "optional": null, "more": 1}', "an object with critical and optional"),
        (b'{"critical": {}, "critical": {}, "optional": null}', "'critical' comes twice"),
        (b'{"critical": {"type": 1}, "optional": null}', "with type and image and identity was expected"),
        (payload(DIGEST, NAME, extra=1), "with type and image and identity was expected"),
        (payload(DIGEST, NAME, image={}), "an object with docker-manifest-digest was expected"),
        (payload(DIGEST, NAME, identity={"docker-reference": NAME, "x": 1}), "an object with docker-reference"),
        (payload(DIGEST, NAME, type="atomic container signature"), "of the type 'atomic container signature'"),
        (payload(DIGEST, NAME, image={"docker-manifest-digest": 1}), "digest or name is no text"),
        (payload(DIGEST, NAME, identity={"docker-reference": None}), "digest or name is no text"),
        (payload(DIGEST, NAME).replace(b"null", b"7"), "optional is neither an object nor null"),
    ],
)
def test_a_payload_must_be_just_so_even_from_the_right_key(check, repository, data, reason):
    repository.sign(DIGEST, signed(KEY, data))
    assert reason in check()


def test_optional_members_of_a_payload_are_the_signers_business(check, repository):
    repository.sign(DIGEST, signed(KEY, payload(DIGEST, NAME).replace(b"null", b'{"build": 7}')))
    assert check() is None


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_bit_of_a_signed_payload_or_its_signature_may_change(position, bit):
    layer = simple(KEY, DIGEST, NAME)
    trusted = [keys.parse(KEY.pem, "k")]

    def verify(data, made):
        repository = Repository()
        changed = Layer(layer.media_type, data, {SIGNATURE: base64.b64encode(made).decode()})
        repository.sign(DIGEST, changed)
        (found,) = signature.found(repository, DIGEST)
        return found.verify(repository, trusted)

    made = base64.b64decode(layer.annotations[SIGNATURE])
    assert verify(layer.data, made) == (DIGEST, NAME)
    for data, sign in ((flipped(layer.data, position, bit), made), (layer.data, flipped(made, position, bit))):
        with pytest.raises(ImageError, match="no such key made it"):
            verify(data, sign)


def flipped(data, position, bit):
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)


def test_a_blob_that_is_not_what_the_manifest_says_is_no_signature(check, repository):
    layer = simple(KEY, DIGEST, NAME)
    for lie in (layer.data + b" ", layer.data[:-1], b"", b"x" * len(layer.data)):
        repository.sign(DIGEST, layer)
        repository.blobs[digest_of(layer.data)] = lie
        assert "its content came with another digest or size" in check()


def test_sizes_and_numbers_are_bounded(check, repository):
    large = signed(KEY, payload(DIGEST, NAME) + b" " * signature.MAX_PAYLOAD)
    repository.sign(DIGEST, large)
    assert f"it has {len(large.data)} bytes, more than {signature.MAX_PAYLOAD}" in check()
    assert digest_of(large.data) not in repository.asked
    others = [signed(STRANGER, str(number).encode()) for number in range(signature.MAX_SIGNATURES)]
    repository.sign(DIGEST, *others)
    repository.refer(DIGEST, SIG_ARTIFACT, simple(KEY, DIGEST, NAME))
    assert "it has more than 100 signatures" in check()
    repository.sign(DIGEST)
    repository.referring[DIGEST] *= signature.MAX_SIGNATURES + 1
    assert "it has 101 signatures, more than 100" in check(wanted(STRANGER.pem))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "the manifest of its signatures is not JSON"),
        (b'{"layers": {}}', "it has none"),
        (b'{"layers": [1, {"mediaType": 2}, {"mediaType": "text/plain"}]}', "it has none"),
        (b'{"layers": [{"mediaType": "%b"}]}' % signature.SIMPLE_SIGNING.encode(), "the signature has the digest None"),
    ],
)
def test_a_manifest_of_signatures_that_is_none(check, repository, data, reason):
    repository.tags[DIGEST.replace(":", "-") + ".sig"] = data
    assert reason in check()


# ---- bundles ----


def by_digest(kind, **fields):
    return wanted(KEY.pem, signedIdentity={"type": kind, **fields})


def test_a_bundle_names_no_image_so_it_counts_where_the_digest_was_asked_for(check, repository):
    repository.refer(DIGEST, BUNDLE, bundle(KEY, DIGEST))
    pinned = f"quay.io/team/app:1@{DIGEST}"
    remapped = by_digest("remapIdentity", prefix="a.io", signedPrefix="b.io")
    for requirement in (wanted(KEY.pem), by_digest("matchRepository"), remapped):
        assert check(requirement, name=pinned) is None
        assert "it is a bundle, which names no image, and " in check(requirement)
    exact = by_digest("exactRepository", dockerRepository="quay.io/team/app")
    for requirement in (by_digest("matchExact"), exact):
        assert "it is a bundle, which names no image, and " in check(requirement, name=pinned)


GOOD = envelope(KEY, statement(DIGEST))
WITHOUT_KEY = {"x509CertificateChain": {"certificates": []}}


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (bundle(STRANGER, DIGEST), "no such key made it"),
        (bundle(KEY, OTHER), f"it is for another image, {OTHER}"),
        (Layer(BUNDLE, b"{", {}), "its bundle is not JSON"),
        (Layer(BUNDLE, b"[]", {}), "its bundle is not a JSON object"),
        (
            bundle(KEY, DIGEST, mediaType="application/vnd.dev.sigstore.bundle.v0.4+json"),
            "of the type 'application/vnd.",
        ),
        (bundle(KEY, DIGEST, verificationMaterial=WITHOUT_KEY), "a bundle with a certificate (keyless)"),
        (bundle(KEY, DIGEST, verificationMaterial=None), "a bundle with a certificate (keyless)"),
        (bundle(KEY, DIGEST, dsseEnvelope=None, messageSignature={}), "a bundle with a message signature"),
        (bundle(KEY, DIGEST, dsseEnvelope=None), "its bundle has no dsseEnvelope"),
        (bundle(KEY, DIGEST, dsseEnvelope=GOOD | {"signatures": []}), "must have one signature"),
        (bundle(KEY, DIGEST, dsseEnvelope=GOOD | {"signatures": GOOD["signatures"] * 2}), "must have one signature"),
        (bundle(KEY, DIGEST, dsseEnvelope=GOOD | {"payload": "?"}), "its bundle's payload cannot be read"),
        (bundle(KEY, DIGEST, dsseEnvelope=GOOD | {"payload": None}), "its bundle's payload cannot be read"),
        (bundle(KEY, DIGEST, dsseEnvelope=GOOD | {"signatures": [{"sig": 1}]}), "signature cannot be read"),
        (bundle(KEY, DIGEST, dsseEnvelope=envelope(KEY, statement(DIGEST), "text/x")), "envelope holds 'text/x'"),
        (bundle(KEY, DIGEST, body=b"x"), "its statement is not JSON"),
        (bundle(KEY, DIGEST, body=statement(DIGEST, _type="x")), "its statement is of the type 'x'"),
        (
            bundle(KEY, DIGEST, body=statement(DIGEST, predicateType="https://spdx.dev/Document")),
            "it is an attestation",
        ),
        (bundle(KEY, DIGEST, body=statement(DIGEST, subject=[])), "its statement must have one subject"),
        (bundle(KEY, DIGEST, body=statement(DIGEST, subject=[{}])), "subject has no sha256 digest"),
        (bundle(KEY, DIGEST, body=statement(DIGEST, subject=[{"digest": {"sha256": "A" * 64}}])), "no sha256 digest"),
    ],
)
def test_a_bundle_must_be_just_so(check, repository, layer, reason):
    repository.refer(DIGEST, BUNDLE, layer)
    assert reason in check(name=f"quay.io/team/app@{DIGEST}")


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text(max_size=8),
        lambda x: st.dictionaries(
            st.sampled_from(
                ["mediaType", "verificationMaterial", "publicKey", "dsseEnvelope", "payload", "signatures"]
            ),
            x,
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_content_breaks_the_reader_of_bundles(data):
    with pytest.raises(ImageError):
        bundles.read_bundle(data, [keys.parse(KEY.pem, "k")])


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(
        HostError, match=r"without the Python library cryptography: install it \(podwright's extra signatures\)"
    ):
        keys.parse(KEY.pem, "k")
