# SPDX-License-Identifier: Apache-2.0
"""Signatures in a real registry, made by cosign and by containers/image; the latter judges the same policies beside us.

containers/image is the library of podman and skopeo, so what it accepts by a policy.json, podman does.
"""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from imagetools import ARCHITECTURE, entry, make_index, make_layout, push
from podwright.errors import ConfigError, ImageError
from podwright.images.distribution.registry import Registry as Client
from podwright.images.documents import choose_platform, digest_of, is_index
from podwright.images.reference import parse
from podwright.images.signatures import policy
from registry import Registry
from signing.programs import programs
from signtools import BUNDLE, SIG_ARTIFACT, Key, bundle, payload, publish, put_manifest, signed, simple

INDEX = "application/vnd.oci.image.index.v1+json"
PASSWORD = "secret"
OFFLINE = ("--yes", "--use-signing-config=false", "--tlog-upload=false")
OTHER = digest_of(b"another image")
KEYS = {
    "one": Key.ecdsa(),
    "two": Key.ecdsa(),
    "p384": Key.ecdsa(ec.SECP384R1()),
    "rsa": Key.rsa(),
    "ed25519": Key.ed25519(),
}


class Image(NamedTuple):
    """An image of one test in the registry, and who may sign it."""

    address: str
    repository: str
    digest: str
    instance: str
    """Digest of this machine's manifest: the same, unless the image is an index."""
    folder: Path
    bin: Path

    @property
    def name(self) -> str:
        return f"{self.address}/{self.repository}"

    @property
    def tagged(self) -> str:
        return f"{self.name}:1"

    @property
    def pinned(self) -> str:
        return f"{self.name}@{self.digest}"

    def sign(self, *layers: Any, digest: str = "") -> None:
        """Put signatures where cosign 2 and containers/image put them."""
        tag = (digest or self.digest).replace(":", "-") + ".sig"
        publish(self.address, self.repository, list(layers), tag=tag)

    def refer(self, artifact_type: str, *layers: Any) -> None:
        """Put signatures where cosign 3 puts them, with the tag that stands in for the registry's list."""
        descriptor = publish(self.address, self.repository, list(layers), artifactType=artifact_type)
        listed = [descriptor | {"artifactType": artifact_type}]
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        put_manifest(self.address, self.repository, self.digest.replace(":", "-"), index, INDEX)

    def cosign(self, *options: str, identity: str = "") -> None:
        """Let cosign sign it with the key ``cosign``."""
        more = [f"--sign-container-identity={identity}"] if identity else []
        key = str(self.folder / "cosign.key")
        self._run("cosign", "sign", *OFFLINE, "--key", key, *options, *more, self.pinned)

    def podman(self) -> None:
        """Let containers/image sign it with the key ``cosign``, as ``podman push --sign-by-sigstore-private-key``."""
        self._run("signing", "sign", self.folder / "cosign.key", PASSWORD, self.folder / "registries.d", self.tagged)

    def ours(self, path: Path, reference: str) -> str:
        """Return why the policy refuses the image, by podwright's word."""
        asked = parse(reference)
        client = Client(asked)
        try:
            top = client.top()
            instance = choose_platform(top).digest if is_index(top) else digest_of(top)
            policy.load(str(path)).check(asked, client, digest_of(top), instance)
        except ImageError as error:
            return error.message
        finally:
            client.close()
        return ""

    def theirs(self, path: Path, reference: str) -> str:
        """Return why the policy refuses the image, by the word of containers/image."""
        place = path.parent / "pulled"
        command = [self.bin / "signing", "check", path, self.folder / "registries.d", reference, place]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stderr

    def _run(self, program: str, *words: Any) -> None:
        environment = os.environ | {"COSIGN_PASSWORD": PASSWORD, "COSIGN_EXPERIMENTAL": "1"}
        done = subprocess.run([self.bin / program, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def registry():
    with Registry() as registry:
        yield registry


@pytest.fixture(scope="module")
def binaries():
    return programs()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, binaries):
    """The keys, the half of cosign's that is public among them, and containers' word for "look for signatures"."""
    folder = tmp_path_factory.mktemp("keys")
    for name, key in KEYS.items():
        (folder / f"{name}.pub").write_bytes(key.pem)
    environment = os.environ | {"COSIGN_PASSWORD": PASSWORD}
    command = [binaries / "cosign", "generate-key-pair"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    (folder / "registries.d").mkdir()
    (folder / "registries.d/default.yaml").write_text("default-docker: {use-sigstore-attachments: true}\n")
    return folder


@pytest.fixture
def publish_image(registry, folder, binaries, tmp_path, request):
    """Push an image, or an index of two."""

    def call(*, index=False):
        repository = f"{abs(hash(request.node.name)):x}/app"
        if index:
            layout = make_index(tmp_path / "image", [(ARCHITECTURE, "ours"), ("s390x", "another's")])
        else:
            layout = make_layout(tmp_path / "image", [[entry("file", "content")]])
        push(layout, f"{registry.address}/{repository}:1")
        client = Client(parse(f"{registry.address}/{repository}:1"))
        top = client.top()
        client.close()
        instance = choose_platform(top).digest if index else digest_of(top)
        return Image(registry.address, repository, digest_of(top), instance, folder, binaries)

    return call


class Case(NamedTuple):
    """One signed image and one policy: who accepts it."""

    title: str
    sign: Callable[[Image], None]
    keys: tuple[str, ...] = ("one",)
    """For each a requirement."""
    identity: Callable[[Image], dict[str, str]] | str | None = None
    ask: str = "tagged"
    index: bool = False
    ours: bool = True
    theirs: bool | None = None
    """Where it is another than ours; docs/signatures.md names each of these."""


def one(image: Image, **changes: Any) -> Any:
    return simple(KEYS["one"], image.digest, image.tagged, **changes)


CASES = [
    Case("by the key, for the name", lambda image: image.sign(one(image))),
    Case("unsigned", lambda image: None, ours=False),
    Case("by another key", lambda image: image.sign(one(image)), keys=("two",), ours=False),
    Case("for another digest", lambda image: image.sign(simple(KEYS["one"], OTHER, image.tagged)), ours=False),
    Case("for another tag", lambda image: image.sign(simple(KEYS["one"], image.digest, f"{image.name}:2")), ours=False),
    Case("for no tag", lambda image: image.sign(simple(KEYS["one"], image.digest, image.name)), ours=False),
    Case(
        "for no tag, repository",
        lambda image: image.sign(simple(KEYS["one"], image.digest, image.name)),
        identity="matchRepository",
    ),
    Case(
        "for another repository",
        lambda image: image.sign(simple(KEYS["one"], image.digest, f"{image.address}/other:1")),
        identity="matchRepository",
        ours=False,
    ),
    Case("a second signature is the one", lambda image: image.sign(simple(KEYS["two"], OTHER, "x"), one(image))),
    Case("by digest", lambda image: image.sign(one(image)), ask="pinned"),
    Case("by digest, exact", lambda image: image.sign(one(image)), ask="pinned", identity="matchExact", ours=False),
    Case("exact", lambda image: image.sign(one(image)), identity="matchExact"),
    Case(
        "exact reference",
        lambda image: image.sign(simple(KEYS["one"], image.digest, "registry.example/app:7")),
        identity=lambda _: {"type": "exactReference", "dockerReference": "registry.example/app:7"},
    ),
    Case(
        "exact repository",
        lambda image: image.sign(simple(KEYS["one"], image.digest, "registry.example/app:7")),
        identity=lambda _: {"type": "exactRepository", "dockerRepository": "registry.example/app"},
    ),
    Case(
        "another exact repository",
        lambda image: image.sign(one(image)),
        identity=lambda _: {"type": "exactRepository", "dockerRepository": "registry.example/app"},
        ours=False,
    ),
    Case(
        "remapped",
        lambda image: image.sign(simple(KEYS["one"], image.digest, f"registry.example/{image.repository}:1")),
        identity=lambda image: {
            "type": "remapIdentity",
            "prefix": image.address,
            "signedPrefix": "registry.example",
        },
    ),
    Case(
        "remapped, signed for the mirror",
        lambda image: image.sign(one(image)),
        identity=lambda image: {
            "type": "remapIdentity",
            "prefix": image.address,
            "signedPrefix": "registry.example",
        },
        ours=False,
    ),
    Case("two keys, both signed", lambda image: image.sign(one(image), _two(image)), keys=("one", "two")),
    Case("two keys, one signed", lambda image: image.sign(one(image)), keys=("one", "two"), ours=False),
    *(
        Case(
            f"a key of kind {kind}",
            lambda image, kind=kind: image.sign(simple(KEYS[kind], image.digest, image.tagged)),
            keys=(kind,),
        )
        for kind in ("p384", "rsa", "ed25519")
    ),
    Case("more in the payload", lambda image: image.sign(one(image, more=1)), ours=False),
    Case(
        "another type of payload", lambda image: image.sign(one(image, type="atomic container signature")), ours=False
    ),
    Case(
        "a member twice",
        lambda image: image.sign(_changed(image, b'"optional": null', b'"optional": null, "optional": null')),
        ours=False,
    ),
    Case(
        "optional members",
        lambda image: image.sign(_changed(image, b'"optional": null', b'"optional": {"build": "7"}')),
    ),
    Case("no JSON", lambda image: image.sign(signed(KEYS["one"], b"signed")), ours=False),
    # ---- by others ----
    Case("by podman", Image.podman, keys=("cosign",)),
    Case("by podman, another key", Image.podman, keys=("one",), ours=False),
    Case("by cosign 2", lambda image: image.cosign("--new-bundle-format=false"), keys=("cosign",), ours=False),
    Case(
        "by cosign 2, repository",
        lambda image: image.cosign("--new-bundle-format=false"),
        keys=("cosign",),
        identity="matchRepository",
    ),
    Case(
        "by cosign 2, with the name",
        lambda image: image.cosign("--new-bundle-format=false", identity=image.tagged),
        keys=("cosign",),
    ),
    # ---- indexes ----
    Case("index, its platform signed", lambda image: image.sign(_instance(image), digest=image.instance), index=True),
    Case("index alone signed", lambda image: image.sign(one(image)), index=True, theirs=False),
    Case(
        "index by cosign, with its platforms",
        lambda image: image.cosign("--new-bundle-format=false", "--recursive"),
        keys=("cosign",),
        identity="matchRepository",
        index=True,
    ),
    # ---- what containers/image does not look for ----
    Case("by cosign 3, by digest", Image.cosign, keys=("cosign",), ask="pinned", theirs=False),
    Case("by cosign 3, by tag", Image.cosign, keys=("cosign",), identity="matchRepository", ours=False),
    Case("by cosign 3, another key", Image.cosign, keys=("one",), ask="pinned", ours=False),
    Case(
        "a bundle of ours",
        lambda image: image.refer(BUNDLE, bundle(KEYS["one"], image.digest)),
        ask="pinned",
        theirs=False,
    ),
    Case(
        "by cosign 2, as a referrer",
        lambda image: image.cosign("--new-bundle-format=false", "--registry-referrers-mode=oci-1-1"),
        keys=("cosign",),
        identity="matchRepository",
        theirs=False,
    ),
    Case("a referrer of ours", lambda image: image.refer(SIG_ARTIFACT, one(image)), theirs=False),
]


def _two(image: Image) -> Any:
    return simple(KEYS["two"], image.digest, image.tagged)


def _instance(image: Image) -> Any:
    return simple(KEYS["one"], image.instance, image.tagged)


def _changed(image: Image, before: bytes, after: bytes) -> Any:
    data = payload(image.digest, image.tagged)
    assert before in data
    return signed(KEYS["one"], data.replace(before, after))


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_podwright_and_podman_judge_alike(case, publish_image, folder, tmp_path):
    image = publish_image(index=case.index)
    case.sign(image)
    given = case.identity(image) if callable(case.identity) else case.identity and {"type": case.identity}
    more = {"signedIdentity": given} if given else {}
    wanted = [{"type": "sigstoreSigned", "keyPath": str(folder / f"{name}.pub"), **more} for name in case.keys]
    path = tmp_path / "policy.json"
    scopes = {"docker": {image.name.rpartition("/")[0]: wanted}}
    path.write_text(json.dumps({"default": [{"type": "reject"}], "transports": scopes}))
    reference = getattr(image, case.ask)
    ours, theirs = image.ours(path, reference), image.theirs(path, reference)
    expected = (case.ours, case.ours if case.theirs is None else case.theirs)
    assert (not ours, not theirs) == expected, f"podwright: {ours or 'accepted'}; podman: {theirs or 'accepted'}"


REJECT, ACCEPT = [{"type": "reject"}], [{"type": "insecureAcceptAnything"}]


@pytest.mark.parametrize(
    ("scope", "falls"),
    [
        ("{tagged}", True),
        ("{name}:2", False),
        ("{name}", True),
        ("{name}x", False),
        ("{space}", True),
        ("{address}", True),
        ("127.0.0.1", False),
        ("*.0.0.1", True),
        ("*.0.1", True),
        ("*.1", True),
        ("*", False),
        ("", True),
    ],
)
@pytest.mark.parametrize("other", ["default", ""])
def test_podwright_and_podman_choose_the_same_scope(scope, falls, other, publish_image, tmp_path):
    image = publish_image()
    space = image.name.rpartition("/")[0]
    named = scope.format(tagged=image.tagged, name=image.name, space=space, address=image.address)
    scopes = {named: REJECT} if other == "default" else {"": ACCEPT} | {named: REJECT}
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"default": ACCEPT if other == "default" else REJECT, "transports": {"docker": scopes}}))
    assert bool(image.ours(path, image.tagged)) is falls
    assert bool(image.theirs(path, image.tagged)) is falls


def data(folder: Path, name: str) -> str:
    return base64.b64encode((folder / f"{name}.pub").read_bytes()).decode()


@pytest.mark.parametrize(
    ("requirement", "accepted"),
    [
        (lambda folder: {"keyData": data(folder, "one")}, True),
        (lambda folder: {"keyData": data(folder, "two")}, False),
        (lambda folder: {"keyDatas": [data(folder, "two"), data(folder, "one")]}, True),
        (lambda folder: {"keyPaths": [str(folder / "two.pub"), str(folder / "one.pub")]}, True),
        (lambda folder: {"keyPaths": [str(folder / "two.pub"), str(folder / "rsa.pub")]}, False),
    ],
    ids=["data", "other-data", "datas", "paths", "other-paths"],
)
def test_keys_in_the_policy_and_several_of_them(requirement, accepted, publish_image, folder, tmp_path):
    image = publish_image()
    image.sign(one(image))
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"default": [{"type": "sigstoreSigned", **requirement(folder)}]}))
    assert (not image.ours(path, image.tagged)) is accepted
    assert (not image.theirs(path, image.tagged)) is accepted


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"default": []},
        {"default": REJECT, "more": 1},
        {"default": [{"type": "reject", "more": 1}]},
        {"default": [{"type": "other"}]},
        {"default": [{"type": "sigstoreSigned"}]},
        {"default": [{"type": "sigstoreSigned", "keyPath": "/k", "keyData": "eA=="}]},
        {"default": [{"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {"type": "matchAny"}}]},
        {"default": [{"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {"type": "matchExact", "x": 1}}]},
        {"default": ACCEPT, "transports": {"oci": {"relative": ACCEPT}}},
        {"default": ACCEPT, "transports": {"docker-archive": {"/a": ACCEPT}}},
    ],
    ids=lambda document: json.dumps(document)[:60],
)
def test_podman_refuses_these_files_too(document, publish_image, tmp_path):
    image = publish_image()
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError):
        image.ours(path, image.tagged)
    assert f'invalid policy in "{path}"' in image.theirs(path, image.tagged)


def test_files_that_podman_takes_and_podwright_does_not(publish_image, folder, tmp_path):
    """The differences that docs/signatures.md names: each would let a mistake pass."""
    image = publish_image()
    weak = Key.rsa(1024)
    image.sign(one(image), simple(weak, image.digest, image.tagged))
    (tmp_path / "weak.pub").write_bytes(weak.pem)
    (tmp_path / "both.pub").write_bytes(KEYS["one"].pem + KEYS["two"].pem)
    (tmp_path / "here.pub").write_bytes(KEYS["one"].pem)
    short = {"type": "remapIdentity", "prefix": "team", "signedPrefix": "other"}
    path = tmp_path / "policy.json"
    for fields, message in [
        ({"keyPath": str(tmp_path / "weak.pub")}, "an RSA key of 1024 bits"),
        ({"keyPath": str(tmp_path / "both.pub")}, "must hold one public key"),
        ({"keyPath": os.path.relpath(tmp_path / "here.pub")}, "which is not an absolute path"),
        ({"keyPath": str(tmp_path / "here.pub"), "signedIdentity": short}, "prefix is 'team'"),
    ]:
        path.write_text(json.dumps({"default": [{"type": "sigstoreSigned", **fields}]}))
        with pytest.raises(ConfigError, match=message):
            image.ours(path, image.tagged)
        assert image.theirs(path, image.tagged) == ""
