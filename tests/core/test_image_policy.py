# SPDX-License-Identifier: Apache-2.0
"""The signature policy: its file, which scope an image falls into, and which name a signature must have."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ConfigError, ImageError
from podwright.images.reference import parse
from podwright.images.signatures import identity, policy
from podwright.images.signatures.identity import Identity
from signtools import Key

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64
ACCEPT = [{"type": "insecureAcceptAnything"}]
REJECT = [{"type": "reject"}]


class Untouched:
    """A repository that nobody may ask."""

    def __getattr__(self, name):
        raise AssertionError(f"the repository was asked for {name}")


@pytest.fixture
def load(tmp_path):
    def call(document):
        path = tmp_path / "policy.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return policy.load(str(path))

    return call


def accepted(loaded, reference):
    try:
        loaded.check(parse(reference), Untouched(), DIGEST)
    except ImageError:
        return False
    return True


def test_without_a_file_everything_is_accepted():
    assert policy.load("").check(parse("busybox"), Untouched(), DIGEST) is None
    assert policy.load("").check_import("oci:/x") is None


@pytest.mark.parametrize(
    ("scope", "reference", "falls"),
    [
        ("docker.io/library/busybox:1", "busybox:1", True),
        ("docker.io/library/busybox:1", "busybox:2", False),
        ("docker.io/library/busybox:latest", "busybox", True),
        ("docker.io/library/busybox", "busybox:2", True),
        ("docker.io/library", "busybox", True),
        ("docker.io", "busybox", True),
        ("busybox", "busybox", False),
        ("library", "busybox", False),
        ("docker.io/library/busy", "busybox", False),
        ("docker.io/lib", "busybox", False),
        ("", "busybox", True),
        (f"quay.io/a/b@{DIGEST}", f"quay.io/a/b@{DIGEST}", True),
        (f"quay.io/a/b@{DIGEST}", f"quay.io/a/b:1@{DIGEST}", True),
        ("quay.io/a/b:1", f"quay.io/a/b:1@{DIGEST}", False),
        (f"quay.io/a/b@{OTHER}", f"quay.io/a/b@{DIGEST}", False),
        ("quay.io/a", "quay.io/a/b/c:1", True),
        ("quay.io/a/b", "quay.io/a/bc:1", False),
        ("lab.example:5000/x", "lab.example:5000/x/y", True),
        ("lab.example:5000", "lab.example:5000/x/y", True),
        ("lab.example", "lab.example:5000/x/y", False),
        ("*.example", "lab.example:5000/x/y", True),
        ("*.lab.example", "lab.example/x", False),
        ("*.lab.example", "a.b.lab.example/x", True),
        ("*.b.lab.example", "a.b.lab.example/x", True),
        ("*.example/x", "lab.example/x", False),
        ("*", "lab.example/x", False),
        ("*.io", "busybox", True),
        ("[::1]:5000", "[::1]:5000/x", True),
        ("127.0.0.1:5000/t", "127.0.0.1:5000/t/x", True),
        ("*.0.0.1", "127.0.0.1:5000/t/x", True),
    ],
)
def test_which_scope_an_image_falls_into(load, scope, reference, falls):
    assert accepted(load({"default": ACCEPT, "transports": {"docker": {scope: REJECT}}}), reference) is not falls


def test_the_closest_scope_alone_decides(load):
    """Each closer scope turns the decision round, and the images tell them apart."""
    scopes = ["", "*.example", "*.a.example", "b.a.example", "b.a.example/t", "b.a.example/t/x", "b.a.example/t/x:1"]
    images = ["q.io/x", "c.example/x", "c.a.example/x", "b.a.example/x", "b.a.example/t/y", "b.a.example/t/x:2"]
    images.append("b.a.example/t/x:1")
    for last in range(len(scopes)):
        chosen = {scope: REJECT if number == last else ACCEPT for number, scope in enumerate(scopes)}
        loaded = load({"default": ACCEPT, "transports": {"docker": chosen}})
        assert [accepted(loaded, image) for image in images] == [number != last for number in range(len(images))]


_PART = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)
_HOST = st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){1,3}(:[0-9]{1,4})?", fullmatch=True)


@given(_HOST, st.lists(_PART, min_size=1, max_size=4), _PART)
def test_scopes_get_wider_and_each_is_a_whole_part(host, parts, tag):
    image = parse(f"{host}/{'/'.join(parts)}:{tag}")
    found = list(policy.names(image))
    assert len(found) == len(set(found))
    named = [scope for scope in found if not scope.startswith("*.")]
    assert named[0] == str(image)
    assert named[1:] == ["/".join([host, *parts[:count]]) for count in range(len(parts), -1, -1)]
    name = host.partition(":")[0]
    assert found[len(named) :] == [f"*.{'.'.join(name.split('.')[skip:])}" for skip in range(1, name.count(".") + 1)]


@pytest.mark.parametrize(
    ("transport", "scope", "source", "falls"),
    [
        ("oci", "{}", "a", True),
        ("oci", "{}/a", "a:1", True),
        ("oci", "{}/a:1", "a:1", True),
        ("oci", "{}/a:2", "a:1", False),
        ("oci", "{}/a:1", "a", False),
        ("oci", "{}/", "a", None),
        ("oci", "{}x", "a", False),
        ("oci", "{}/a", "link", True),
        ("oci", "{}/link", "link", False),
        ("oci", "", "a", True),
        ("oci-archive", "{}/a", "../{}/a", True),
        ("docker-archive", "", "a:x", True),
        ("rootfs", "{}", "a", True),
        ("rootfs", "{}/a:1", "a:1", True),
    ],
)
def test_imports_fall_into_scopes_of_their_transport(load, tmp_path, transport, scope, source, falls):
    place = tmp_path / "images"
    (place / "a").mkdir(parents=True)
    (place / "link").symlink_to("a")
    named = scope.format(place)
    document = {"default": ACCEPT, "transports": {transport: {named: REJECT}, "docker": {"": REJECT}}}
    if falls is None:
        with pytest.raises(ConfigError, match="not a plain absolute path"):
            load(document)
        return
    asked = f"{transport}:{place}/{source.format(place.name)}"
    if not falls:
        assert load(document).check_import(asked) is None
        return
    with pytest.raises(ImageError, match=f"its scope '{named}' of transports.{transport}: every image"):
        load(document).check_import(asked)


def test_an_import_has_no_signature_that_would_be_looked_for(load):
    key = {"type": "sigstoreSigned", "keyData": base64.b64encode(Key.ecdsa().pem).decode()}
    with pytest.raises(ImageError, match="only images from a registry have signatures"):
        load({"default": [key]}).check_import("oci-archive:/x")


def test_all_requirements_must_hold(load):
    loaded = load({"default": ACCEPT + REJECT})
    with pytest.raises(ImageError) as error:
        loaded.check(parse("busybox"), Untouched(), DIGEST)
    expected = f"refused by the policy {loaded.path}, its default: every image of this scope is rejected"
    assert error.value.message == expected


SIGNED = {"type": "sigstoreSigned", "keyPath": "/k.pub"}


def identified(**fields):
    return {"default": [SIGNED | {"signedIdentity": fields}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[]", "it is not an object"),
        ("{", "Expecting property name"),
        ('{"default": [{"type": "reject"}], "default": [{"type": "reject"}]}', "'default' comes twice"),
        ('{"default": [{"type": "reject", "type": "insecureAcceptAnything"}]}', "'type' comes twice"),
        ("[" * 100_000, "nested too deeply"),
        ({}, "default must be a list of at least one requirement"),
        ({"default": []}, "default must be a list of at least one requirement"),
        ({"default": ACCEPT, "transport": {}}, "transport is not a member of a policy"),
        ({"default": ACCEPT, "transports": []}, "transports is not an object"),
        ({"default": ACCEPT, "transports": {"docker": []}}, "transports.docker is not an object"),
        ({"default": ACCEPT, "transports": {"docker": {"": []}}}, r"transports.docker\[''\] must be a list"),
        ({"default": ACCEPT, "transports": {"oci": {"x": ACCEPT}}}, "'x', which is not a plain absolute path"),
        ({"default": ACCEPT, "transports": {"dir": {"/": ACCEPT}}}, "'/', which is not a plain absolute path"),
        ({"default": ACCEPT, "transports": {"oci": {"/a/../b": ACCEPT}}}, "not a plain absolute path"),
        ({"default": ACCEPT, "transports": {"docker-archive": {"/a": ACCEPT}}}, "can have '' alone"),
        ({"default": ["reject"]}, r"default\[0\] is not an object"),
        (
            {"default": [{"type": "accept"}]},
            r"default\[0\].type is 'accept', but must be one of insecureAcceptAnything",
        ),
        ({"default": [{"type": "reject", "why": 1}]}, r"default\[0\].why is not a member of reject"),
        ({"default": [SIGNED | {"keypath": "/x"}]}, r"default\[0\].keypath is not a member of sigstoreSigned"),
        (
            {"default": [{"type": "sigstoreSigned"}]},
            "exactly one of keyPath, keyPaths, keyData, keyDatas, and has none",
        ),
        ({"default": [SIGNED | {"keyData": "eA=="}]}, "and has keyPath, keyData"),
        ({"default": [{"type": "sigstoreSigned", "keyPath": "k.pub"}]}, "'k.pub', which is not an absolute path"),
        ({"default": [{"type": "sigstoreSigned", "keyPath": ""}]}, "keyPath must be a text"),
        ({"default": [{"type": "sigstoreSigned", "keyPaths": []}]}, "keyPaths must be a list of texts"),
        ({"default": [{"type": "sigstoreSigned", "keyPaths": "/k.pub"}]}, "keyPaths must be a list of texts"),
        ({"default": [{"type": "sigstoreSigned", "keyData": "?"}]}, "keyData cannot be read: it is not base64"),
        (identified(), "signedIdentity.type is None, but must be one of matchExact"),
        (identified(type="matchAny"), "signedIdentity.type is 'matchAny'"),
        (identified(type="matchExact", x=1), "matchExact has the members none, and not x"),
        (identified(type="exactReference"), "exactReference has the members dockerReference, and not none"),
        (identified(type="exactReference", dockerReference="q.io/x"), "an image reference with a tag or a digest"),
        (identified(type="exactReference", dockerReference=1), "an image reference with a tag or a digest"),
        (identified(type="exactRepository", dockerRepository="q.io/X"), "must be a repository such as"),
        (identified(type="exactRepository", dockerRepository="q.io/x:1"), "must be a repository such as"),
        (identified(type="remapIdentity", prefix="q.io"), "has the members prefix, signedPrefix, and not prefix"),
        (identified(type="remapIdentity", prefix="team", signedPrefix="q.io"), r"\.prefix is 'team', but must be"),
        (identified(type="remapIdentity", prefix="q.io", signedPrefix="q.io/"), r"\.signedPrefix is 'q.io/'"),
    ],
)
def test_a_file_that_is_wrong_is_refused_as_a_whole(load, tmp_path, document, message):
    with pytest.raises(ConfigError, match=message) as error:
        load(document)
    assert str(tmp_path / "policy.json") in error.value.message


def test_a_file_that_is_missing_is_not_one_that_accepts(tmp_path):
    with pytest.raises(ConfigError, match=r"the signature policy /nowhere/policy.json: No such file"):
        policy.load("/nowhere/policy.json")
    large = tmp_path / "large"
    large.write_bytes(b" " * (policy.MAX_POLICY + 1))
    with pytest.raises(ConfigError, match="over the limit"):
        policy.load(str(large))


@pytest.mark.parametrize(
    ("requirement", "named"),
    [
        ({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}, "the requirement signedBy"),
        ({"type": "signedBaseLayer", "baseLayerIdentity": {}}, "the requirement signedBaseLayer"),
        ({"type": "sigstoreSigned", "fulcio": {}, "rekorPublicKeyPath": "/r"}, "with fulcio, rekorPublicKeyPath"),
        ({"type": "sigstoreSigned", "pki": {}}, "sigstoreSigned with pki"),
        (SIGNED | {"rekorPublicKeyDatas": []}, "sigstoreSigned with rekorPublicKeyDatas"),
    ],
)
def test_what_cannot_be_checked_refuses_its_scope_and_no_other(load, requirement, named):
    loaded = load({"default": ACCEPT, "transports": {"docker": {"quay.io": [requirement]}}})
    assert accepted(loaded, "busybox")
    with pytest.raises(ImageError, match=f"{named} cannot be checked .*: ask for sigstoreSigned with keyPath"):
        loaded.check(parse("quay.io/x"), Untouched(), DIGEST)


def test_keys_that_cannot_be_used_are_named(load, tmp_path):
    def check(pem):
        (tmp_path / "k.pub").write_bytes(pem)
        load({"default": [SIGNED | {"keyPath": str(tmp_path / "k.pub")}]}).check(parse("x"), Untouched(), DIGEST)

    for pem, message in [
        (b"", "must hold one public key in PEM"),
        (Key.ecdsa().pem * 2, "must hold one public key in PEM"),
        (Key.ecdsa().pem.replace(b"M", b"N", 1), "holds no public key that can be read"),
        (b" " * 65537, "over the limit of 65536 bytes"),
    ]:
        with pytest.raises(ConfigError, match=message) as error:
            check(pem)
        assert str(tmp_path / "k.pub") in error.value.message
    with pytest.raises(ConfigError, match=r"default\[0\].keyPath: the key /no/key.pub: No such file"):
        load({"default": [SIGNED | {"keyPath": "/no/key.pub"}]}).check(parse("x"), Untouched(), DIGEST)


# name that was asked for, signedIdentity, name in the signature, whether they match: as containers/image decides
IDENTITIES = [
    ("q.io/a/x:1", Identity(), "q.io/a/x:1", True),
    ("q.io/a/x:1", Identity(), "q.io/a/x:2", False),
    ("q.io/a/x:1", Identity(), "q.io/a/x", False),
    ("q.io/a/x:1", Identity(), f"q.io/a/x@{DIGEST}", False),
    ("busybox:1", Identity(), "busybox:1", True),
    ("busybox:1", Identity(), "index.docker.io/library/busybox:1", True),
    ("busybox", Identity(), "busybox", False),
    (f"q.io/a/x@{DIGEST}", Identity(), "q.io/a/x:2", True),
    (f"q.io/a/x@{DIGEST}", Identity(), f"q.io/a/x@{OTHER}", True),
    (f"q.io/a/x@{DIGEST}", Identity(), "q.io/a/x", False),
    (f"q.io/a/x@{DIGEST}", Identity(), "q.io/a/y:1", False),
    (f"q.io/a/x:1@{DIGEST}", Identity(), "q.io/a/x:2", True),
    ("q.io/a/x:1", Identity("matchExact"), "q.io/a/x:1", True),
    (f"q.io/a/x@{DIGEST}", Identity("matchExact"), "q.io/a/x:1", False),
    (f"q.io/a/x@{DIGEST}", Identity("matchExact"), f"q.io/a/x@{DIGEST}", True),
    ("q.io/a/x:latest", Identity("matchExact"), "q.io/a/x", False),
    ("q.io/a/x:1", Identity("matchRepository"), "q.io/a/x", True),
    ("q.io/a/x:1", Identity("matchRepository"), "q.io/a/x:2", True),
    ("q.io/a/x:1", Identity("matchRepository"), f"q.io/a/x@{OTHER}", True),
    ("q.io/a/x:1", Identity("matchRepository"), "q.io/a/y:1", False),
    ("q.io/a/x:1", Identity("matchRepository"), "q.io:443/a/x:1", False),
    ("q.io/a/x:1", Identity("exactReference", "r.io/b:3"), "r.io/b:3", True),
    ("q.io/a/x:1", Identity("exactReference", "r.io/b:3"), "r.io/b:4", False),
    ("q.io/a/x:1", Identity("exactReference", "r.io/b:3"), "r.io/b", False),
    ("q.io/a/x:1", Identity("exactRepository", "r.io/b"), "r.io/b:4", True),
    ("q.io/a/x:1", Identity("exactRepository", "r.io/b"), "r.io/b", True),
    ("q.io/a/x:1", Identity("exactRepository", "r.io/b"), "q.io/a/x:1", False),
    ("q.io/a/x:1", Identity("exactRepository", "busybox"), "docker.io/library/busybox", True),
    ("q.io/a/x:1", Identity("remapIdentity", "q.io/a", "r.io/b"), "r.io/b/x:1", True),
    ("q.io/a/x:1", Identity("remapIdentity", "q.io/a/x", "r.io/b"), "r.io/b:1", True),
    ("q.io/a/x:1", Identity("remapIdentity", "q.io", "r.io"), "r.io/a/x:1", True),
    ("q.io/a/x:1", Identity("remapIdentity", "q.io", "r.io"), "r.io/a/x:2", False),
    ("q.io/a/x:1", Identity("remapIdentity", "q.io", "r.io"), "q.io/a/x:1", False),
    ("q.io/ab/x:1", Identity("remapIdentity", "q.io/a", "r.io/b"), "r.io/bb/x:1", False),
    ("q.io/ab/x:1", Identity("remapIdentity", "q.io/a", "r.io/b"), "q.io/ab/x:1", True),
    ("q.io:5/a/x:1", Identity("remapIdentity", "q.io", "r.io"), "q.io:5/a/x:1", True),
    ("q.io/x:1", Identity("remapIdentity", "q.io", "docker.io"), "docker.io/library/x:1", False),
    (f"q.io/a/x@{DIGEST}", Identity("remapIdentity", "q.io", "r.io"), "r.io/a/x:7", True),
    ("q.io/a/x:1", Identity("matchRepository"), "", False),
    ("q.io/a/x:1", Identity("matchRepository"), "q.io/a/x:1 ", False),
    ("q.io/a/x:1", Identity("matchRepository"), "Q/A", False),
]


@pytest.mark.parametrize(("image", "wanted", "claimed", "match"), IDENTITIES)
def test_which_name_a_signature_must_have(image, wanted, claimed, match):
    assert wanted.accepts(parse(image), claimed) is match


_KINDS = st.sampled_from(["matchExact", "matchRepoDigestOrExact", "matchRepository"])
_NAMES = st.builds("{}/{}".format, _HOST, st.lists(_PART, min_size=1, max_size=3).map("/".join))


@given(_KINDS, _NAMES, _PART)
def test_a_signature_for_the_very_name_always_matches(kind, name, tag):
    image = parse(f"{name}:{tag}")
    assert Identity(kind).accepts(image, str(image))
    assert Identity("exactReference", str(image)).accepts(image, str(image))


@given(_KINDS, _NAMES, _NAMES, _PART)
def test_a_signature_for_another_repository_never_matches(kind, name, other, tag):
    image, signed = parse(f"{name}:{tag}"), parse(f"{other}:{tag}")
    assert Identity(kind).accepts(image, str(signed)) is (image == signed)


@given(st.text(max_size=40), st.sampled_from(sorted(identity._MEMBERS)))
def test_no_claimed_name_breaks_it(text, kind):
    wanted = Identity(kind, "q.io/x:1", "r.io/x")
    assert wanted.accepts(parse("q.io/x:1"), text) in (True, False)
