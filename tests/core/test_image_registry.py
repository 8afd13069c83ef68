# SPDX-License-Identifier: Apache-2.0
"""The registry client over a fake transport: which requests it makes, and what it makes of the answers."""

import json
import subprocess
import sys

import pytest

from podwright.config import RegistryHost
from podwright.errors import ImageError
from podwright.images.distribution.credentials import Auth
from podwright.images.distribution.http import FakeTransport, TransientError
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.registry import Registry
from podwright.images.distribution.retry import FakeClock
from podwright.images.documents import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from podwright.images.reference import parse

MANIFEST = b'{"schemaVersion": 2}'
LAYER = Descriptor("", digest_of(b"layer"), 5)
BASE = "https://quay.io/v2/a/b"
TAG = f"{BASE}/manifests/1"
BLOB = f"{BASE}/blobs/{LAYER.digest}"
MIRROR = "https://mirror.lan:5000/v2/hub/a/b"
MIRRORED = Registries(hosts=(RegistryHost("quay.io", mirrors=("mirror.lan:5000/hub",)),))


@pytest.fixture(autouse=True)
def no_logins(monkeypatch, tmp_path):
    """Whoever runs the tests may be logged in somewhere."""
    (tmp_path / "empty.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "empty.json"))


def client(answers, reference="quay.io/a/b:1", registries=None, auth=None):
    transport = FakeTransport(answers)
    return Registry(parse(reference), registries, auth=auth, transport=transport, clock=FakeClock()), transport


def asked(transport):
    return [(method, url) for method, url, _ in transport.requests]


@pytest.mark.parametrize(
    ("reference", "insecure", "url"),
    [
        ("busybox", (), "https://registry-1.docker.io/v2/library/busybox/manifests/latest"),
        ("127.0.0.1:5000/x", (), "http://127.0.0.1:5000/v2/x/manifests/latest"),
        ("localhost/x", (), "http://localhost/v2/x/manifests/latest"),
        ("[::1]:5000/x", (), "http://[::1]:5000/v2/x/manifests/latest"),
        ("lab:5000/x", ("lab:5000",), "http://lab:5000/v2/x/manifests/latest"),
        ("lab:5001/x", ("lab:5000",), "https://lab:5001/v2/x/manifests/latest"),
        ("quay.io/x:1@" + digest_of(MANIFEST), (), f"https://quay.io/v2/x/manifests/{digest_of(MANIFEST)}"),
    ],
)
def test_where_a_manifest_is_asked_for(reference, insecure, url):
    registry, transport = client({("GET", url): [(200, {}, MANIFEST)]}, reference, Registries(insecure))
    assert registry.top() == MANIFEST
    method, asked, headers = transport.requests[0]
    assert (method, asked) == ("GET", url)
    assert OCI_MANIFEST in headers["Accept"]
    assert OCI_INDEX in headers["Accept"]


def test_resolve_asks_for_the_head_only():
    digest = digest_of(MANIFEST)
    registry, transport = client({("HEAD", TAG): [(200, {"docker-content-digest": digest}, b"")]})
    assert registry.resolve() == digest
    assert asked(transport) == [("HEAD", TAG)]


@pytest.mark.parametrize(
    "head", [(200, {}, b""), (405, {}, b""), (200, {"docker-content-digest": "sha512:00"}, b"")], ids=str
)
def test_resolve_hashes_the_manifest_when_the_registry_does_not_say(head):
    registry, _ = client({("HEAD", TAG): [head], ("GET", TAG): [(200, {}, MANIFEST)]})
    assert registry.resolve() == digest_of(MANIFEST)


def test_a_digest_resolves_to_itself_without_a_request():
    registry, transport = client({}, "quay.io/a/b@" + digest_of(MANIFEST))
    assert registry.resolve() == digest_of(MANIFEST)
    assert transport.requests == []


def test_a_manifest_by_digest_must_match_it():
    other = digest_of(b"other")
    url = f"{BASE}/manifests/{other}"
    registry, _ = client({("GET", url): [(200, {}, MANIFEST)]}, f"quay.io/a/b@{other}")
    with pytest.raises(ImageError, match=digest_of(MANIFEST)):
        registry.top()
    with pytest.raises(ImageError, match=digest_of(MANIFEST)):
        registry.manifest(Descriptor(OCI_MANIFEST, other, len(MANIFEST)))


def test_a_manifest_must_match_the_digest_that_came_with_it():
    registry, _ = client({("GET", TAG): [(200, {"docker-content-digest": digest_of(b"other")}, MANIFEST)]})
    with pytest.raises(ImageError, match=f"says that it is {digest_of(b'other')}"):
        registry.top()


def endless():
    while True:
        yield b" " * (1 << 20)


class Endless(list):
    """A body without an end; ``taken`` counts its megabytes."""

    taken = 0

    def __iter__(self):
        for chunk in endless():
            self.taken += 1
            yield chunk


@pytest.mark.parametrize(("headers", "read"), [({}, 5), ({"content-length": "104857600"}, 0)])
def test_a_manifest_is_bounded(headers, read):
    body = Endless()
    registry, _ = client({("GET", TAG): [(200, headers, body)]})
    with pytest.raises(ImageError, match=r"quay\.io sent a manifest of more than 4194304 bytes"):
        registry.top()
    assert body.taken == read


def test_a_manifest_that_breaks_off_is_fetched_again():
    broken = (200, {}, [MANIFEST[:5], TransientError("lost")])
    registry, transport = client({("GET", TAG): [broken, (200, {}, MANIFEST)]})
    assert registry.top() == MANIFEST
    assert len(transport.requests) == 2


def test_what_only_a_request_needs_is_not_imported_before():
    modules = ("urllib3", "ssl", "subprocess", "email", "http.client")
    code = "import sys, podwright.images.distribution.registry\n"
    code += f"print([name for name in {modules} if name in sys.modules])"
    child = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    assert child.stdout == "[]\n"


# ---- mirrors ----


def test_a_mirror_is_asked_before_the_registry():
    registry, transport = client(
        {
            ("GET", f"{MIRROR}/manifests/1"): [(200, {}, MANIFEST)],
            ("GET", f"{MIRROR}/blobs/{LAYER.digest}"): [(200, {}, b"layer")],
        },
        registries=MIRRORED,
    )
    assert registry.top() == MANIFEST
    assert b"".join(registry.blob(LAYER)) == b"layer"
    assert {url.split("/")[2] for _, url in asked(transport)} == {"mirror.lan:5000"}


@pytest.mark.parametrize(
    "answer",
    [(404, {}, b""), (503, {}, b""), (0, {}, b""), (403, {}, b""), (401, {}, b""), (429, {"retry-after": "9999"}, b"")],
    ids=str,
)
def test_a_mirror_that_does_not_help_is_passed_over(answer):
    registry, transport = client(
        {
            ("GET", f"{MIRROR}/manifests/1"): [answer],
            ("HEAD", f"{MIRROR}/manifests/1"): [answer],
            ("GET", TAG): [(200, {}, MANIFEST)],
            ("HEAD", TAG): [(200, {"docker-content-digest": digest_of(MANIFEST)}, b"")],
            ("GET", BLOB): [(200, {}, b"layer")],
        },
        registries=MIRRORED,
    )
    assert registry.resolve() == digest_of(MANIFEST)
    assert registry.top() == MANIFEST
    before = len(transport.requests)
    assert before <= 6, "a mirror gets two attempts"
    assert b"".join(registry.blob(LAYER)) == b"layer"
    assert asked(transport)[before:] == [("GET", BLOB)], "who had the manifest is asked for the blobs first"


def test_a_mirror_that_lies_about_a_digest_is_passed_over():
    digest = digest_of(MANIFEST)
    registry, _ = client(
        {
            ("GET", f"{MIRROR}/manifests/{digest}"): [(200, {}, b"{}")],
            ("GET", f"{BASE}/manifests/{digest}"): [(200, {}, MANIFEST)],
        },
        registries=MIRRORED,
    )
    assert registry.manifest(Descriptor(OCI_MANIFEST, digest, len(MANIFEST))) == MANIFEST


def test_a_blob_goes_on_from_another_place():
    registry, transport = client(
        {
            ("GET", f"{MIRROR}/manifests/1"): [(200, {}, MANIFEST)],
            ("GET", f"{MIRROR}/blobs/{LAYER.digest}"): [(200, {}, [b"la", ImageError("broken for good")])],
            ("GET", BLOB): [(206, {"content-range": "bytes 2-4/5"}, b"yer")],
        },
        registries=MIRRORED,
    )
    registry.top()
    assert list(registry.blob(LAYER)) == [b"la", b"yer"]
    assert transport.requests[-1][2]["Range"] == "bytes=2-"


def test_whoever_asks_again_for_a_blob_gets_it_from_elsewhere():
    """A mirror that sends other bytes is found out by whoever verifies them."""
    registry, _ = client(
        {
            ("GET", f"{MIRROR}/blobs/{LAYER.digest}"): [(200, {}, b"LAYER")],
            ("GET", BLOB): [(200, {}, b"layer")],
        },
        registries=MIRRORED,
    )
    assert [b"".join(registry.blob(LAYER)) for _ in range(3)] == [b"LAYER", b"layer", b"LAYER"]


def test_when_nobody_has_it_the_registry_has_the_last_word():
    registry, _ = client({("GET", f"{MIRROR}/manifests/1"): [(500, {}, b"")]}, registries=MIRRORED)
    with pytest.raises(ImageError) as caught:
        registry.top()
    message = str(caught.value)
    assert message.startswith("quay.io has no such manifest (and of its mirrors: mirror.lan:5000 answers")
    assert "500" in message


def test_a_mirror_is_not_shown_the_login_for_the_registry():
    challenge = {"www-authenticate": 'Basic realm="x"'}
    registry, transport = client(
        {
            ("GET", f"{MIRROR}/manifests/1"): [(401, challenge, b"")],
            ("GET", TAG): [(401, challenge, b""), (200, {}, MANIFEST)],
        },
        registries=MIRRORED,
        auth=Auth.parse({"username": "me", "password": "secret"}),
    )
    assert registry.top() == MANIFEST
    shown = [(url, headers["Authorization"]) for _, url, headers in transport.requests if "Authorization" in headers]
    assert shown == [(TAG, "Basic bWU6c2VjcmV0")]


def test_a_mirror_is_shown_its_own_login(tmp_path):
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {"mirror.lan:5000/hub": {"auth": "bWU6c2VjcmV0"}}}))
    url = f"{MIRROR}/manifests/1"
    answers = {("GET", url): [(401, {"www-authenticate": "Basic realm=x"}, b""), (200, {}, MANIFEST)]}
    registry, transport = client(answers, registries=MIRRORED, auth=Auth.parse({"auth_file": str(file)}))
    assert registry.top() == MANIFEST
    assert transport.requests[-1][2]["Authorization"] == "Basic bWU6c2VjcmV0"


# ---- other tags, and referrers ----


def test_another_tag():
    registry, _ = client({("GET", f"{BASE}/manifests/sig"): [(200, {}, MANIFEST), (403, {}, b"")]})
    assert registry.tagged("sig") == MANIFEST
    assert registry.tagged("none") is None
    with pytest.raises(ImageError, match="refuses anonymous access"):
        registry.tagged("sig")


def test_another_tag_that_only_the_registry_has():
    registry, _ = client({("GET", f"{BASE}/manifests/sig"): [(200, {}, MANIFEST)]}, registries=MIRRORED)
    assert registry.tagged("sig") == MANIFEST
    assert registry.tagged("none") is None


SUBJECT = digest_of(b"image")
REFERRERS = f"{BASE}/referrers/{SUBJECT}"


def index(*names):
    items = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": digest_of(name.encode()),
            "size": 1,
            "artifactType": "a/b",
            "annotations": {"name": name, "bad": 1},
        }
        for name in names
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": items}).encode()


def test_referrers_come_in_pages():
    pages = [
        (200, {"link": f'</v2/a/b/referrers/{SUBJECT}?n=1>; rel="next"'}, index("x")),
        (200, {}, index("y")),
    ]
    registry, transport = client({("GET", REFERRERS): pages[:1], ("GET", f"{REFERRERS}?n=1"): pages[1:]})
    found = registry.referrers(SUBJECT)
    assert [(item.descriptor.digest, item.artifact_type, item.annotations) for item in found] == [
        (digest_of(b"x"), "a/b", {"name": "x"}),
        (digest_of(b"y"), "a/b", {"name": "y"}),
    ]
    assert transport.requests[0][2]["Accept"] == OCI_INDEX


def test_pages_without_end_are_refused():
    registry, transport = client({("GET", REFERRERS): [(200, {"link": f'<{REFERRERS}>; rel="next"'}, index("x"))]})
    with pytest.raises(ImageError, match="more than 16 pages"):
        registry.referrers(SUBJECT)
    assert len(transport.requests) == 16


def test_a_registry_without_referrers_keeps_them_under_a_tag():
    url = f"{BASE}/manifests/{SUBJECT.replace(':', '-')}"
    registry, transport = client({("GET", url): [(200, {}, index("x"))]})
    assert [item.annotations for item in registry.referrers(SUBJECT)] == [{"name": "x"}]
    assert asked(transport) == [("GET", REFERRERS), ("GET", url)]


def test_no_referrers():
    registry, _ = client({})
    assert registry.referrers(SUBJECT) == []


def test_referrers_that_a_mirror_lacks():
    registry, _ = client({("GET", REFERRERS): [(200, {}, index("x"))]}, registries=MIRRORED)
    assert len(registry.referrers(SUBJECT)) == 1


@pytest.mark.parametrize("body", [b"no", b"[]", b"{}", b'{"manifests": [1]}', b'{"manifests": [{"digest": "x"}]}'])
def test_a_list_of_referrers_that_is_none(body):
    registry, _ = client({("GET", REFERRERS): [(200, {}, body)]})
    with pytest.raises(ImageError, match="list of referrers"):
        registry.referrers(SUBJECT)
