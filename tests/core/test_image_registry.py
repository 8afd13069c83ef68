# SPDX-License-Identifier: Apache-2.0
"""The registry client over a fake transport: which requests it makes, and what it makes of the answers."""

import json

import pytest

from podwright.errors import ImageError
from podwright.images.documents import OCI_MANIFEST, Descriptor, digest_of
from podwright.images.http import FakeTransport
from podwright.images.reference import parse
from podwright.images.registries import Registries
from podwright.images.registry import Registry, is_loopback

MANIFEST = b'{"schemaVersion": 2}'
BASE = "https://quay.io/v2/a/b"
TAG = f"{BASE}/manifests/1"


def client(answers, reference="quay.io/a/b:1", insecure=()):
    transport = FakeTransport(answers)
    waits: list[float] = []
    registry = Registry(parse(reference), registries=Registries(insecure), transport=transport, sleep=waits.append)
    return registry, transport, waits


def blob(registry, descriptor):
    return b"".join(registry.blob(descriptor))


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
    registry, transport, _ = client({("GET", url): [(200, {}, MANIFEST)]}, reference, insecure)
    assert registry.top() == MANIFEST
    method, asked, headers = transport.requests[0]
    assert (method, asked) == ("GET", url)
    assert OCI_MANIFEST in headers["Accept"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:80", "localhost", "localhost:5000", "[::1]:80", "[::1]"])
def test_loopback_hosts(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost.evil", "128.0.0.1", "[::2]", "127.1", "quay.io"])
def test_other_hosts(host):
    assert not is_loopback(host)


def test_resolve_asks_for_the_head_only():
    digest = digest_of(MANIFEST)
    registry, transport, _ = client({("HEAD", TAG): [(200, {"docker-content-digest": digest}, b"")]})
    assert registry.resolve() == digest
    assert [method for method, *_ in transport.requests] == ["HEAD"]


def test_resolve_hashes_the_manifest_when_the_registry_does_not_say():
    registry, _, _ = client({("HEAD", TAG): [(200, {}, b"")], ("GET", TAG): [(200, {}, MANIFEST)]})
    assert registry.resolve() == digest_of(MANIFEST)


def test_a_digest_resolves_to_itself_without_a_request():
    registry, transport, _ = client({}, "quay.io/a/b@" + digest_of(MANIFEST))
    assert registry.resolve() == digest_of(MANIFEST)
    assert transport.requests == []


def test_a_manifest_by_digest_must_match_it():
    other = digest_of(b"other")
    url = f"{BASE}/manifests/{other}"
    registry, _, _ = client({("GET", url): [(200, {}, MANIFEST)]}, f"quay.io/a/b@{other}")
    with pytest.raises(ImageError, match=digest_of(MANIFEST)):
        registry.top()
    with pytest.raises(ImageError, match=digest_of(MANIFEST)):
        registry.manifest(Descriptor(OCI_MANIFEST, other, len(MANIFEST)))


def test_a_manifest_is_bounded():
    registry, _, _ = client({("GET", TAG): [(200, {}, b" " * ((4 << 20) + 1))]})
    with pytest.raises(ImageError, match="more than 4194304 bytes"):
        registry.top()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "no such manifest"), (403, "refuses anonymous access"), (418, "HTTP status 418"), (304, "HTTP status 304")],
)
def test_what_a_status_means(status, reason):
    registry, transport, _ = client({("GET", TAG): [(status, {}, b"")]})
    with pytest.raises(ImageError, match=reason):
        registry.top()
    assert len(transport.requests) == 1


def test_a_passing_failure_is_tried_again():
    registry, _, waits = client({("GET", TAG): [(500, {}, b""), (0, {}, b""), (200, {}, MANIFEST)]})
    assert registry.top() == MANIFEST
    assert waits == [0.25, 1.0]


def test_a_lasting_failure_is_an_error():
    registry, transport, _ = client({("GET", TAG): [(502, {}, b"")]})
    with pytest.raises(ImageError, match="HTTP status 502"):
        registry.top()
    assert len(transport.requests) == 3


CHALLENGE = {
    "www-authenticate": 'Bearer realm="https://auth.quay.io/token",service="quay.io",scope="repository:a/b:pull"'
}
TOKEN_URL = "https://auth.quay.io/token?service=quay.io&scope=repository%3Aa%2Fb%3Apull"


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_an_anonymous_token_is_fetched_once(key):
    layer = Descriptor("", digest_of(b"layer"), 5)
    registry, transport, _ = client(
        {
            ("GET", TAG): [(401, CHALLENGE, b""), (200, {}, MANIFEST)],
            ("GET", TOKEN_URL): [(200, {}, json.dumps({key: "secret"}).encode())],
            ("GET", f"{BASE}/blobs/{layer.digest}"): [(200, {}, b"layer")],
        }
    )
    assert registry.top() == MANIFEST
    assert blob(registry, layer) == b"layer"
    assert [url for _, url, _ in transport.requests].count(TOKEN_URL) == 1
    assert [headers.get("Authorization") for *_, headers in transport.requests] == [None, None, *["Bearer secret"] * 2]


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        ('Basic realm="x"', "wants a user and a password"),
        ("", "wants a user and a password"),
        ('Bearer realm="http://169.254.169.254/x"', "not HTTPS"),
        ('Bearer realm="file:///etc/passwd"', "not HTTPS"),
    ],
)
def test_a_challenge_that_cannot_be_met(challenge, reason):
    registry, transport, _ = client({("GET", TAG): [(401, {"www-authenticate": challenge}, b"")]})
    with pytest.raises(ImageError, match=reason):
        registry.top()
    assert len(transport.requests) == 1


@pytest.mark.parametrize("answer", [b"{}", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}', b'{"token": ""}', b"no"])
def test_a_token_service_without_a_token(answer):
    registry, _, _ = client({("GET", TAG): [(401, CHALLENGE, b"")], ("GET", TOKEN_URL): [(200, {}, answer)]})
    with pytest.raises(ImageError, match="token"):
        registry.top()


def test_a_token_that_is_refused_ends_it():
    registry, transport, _ = client(
        {("GET", TAG): [(401, CHALLENGE, b"")], ("GET", TOKEN_URL): [(200, {}, b'{"token": "t"}')]}
    )
    with pytest.raises(ImageError, match="refuses anonymous access"):
        registry.top()
    assert len(transport.requests) == 3


def test_a_redirect_gets_no_token_on_another_host():
    layer = Descriptor("", digest_of(b"layer"), 5)
    url = f"{BASE}/blobs/{layer.digest}"
    registry, transport, _ = client(
        {
            ("GET", url): [(401, CHALLENGE, b""), (307, {"location": "https://cdn.example/x"}, b"")],
            ("GET", TOKEN_URL): [(200, {}, b'{"token": "t"}')],
            ("GET", "https://cdn.example/x"): [(200, {}, b"layer")],
        }
    )
    assert blob(registry, layer) == b"layer"
    *_, (_, last, headers) = transport.requests
    assert last == "https://cdn.example/x"
    assert "Authorization" not in headers


def test_a_redirect_may_be_relative():
    answers = {("GET", TAG): [(302, {"location": "/x"}, b"")], ("GET", "https://quay.io/x"): [(200, {}, MANIFEST)]}
    registry, *_ = client(answers)
    assert registry.top() == MANIFEST


@pytest.mark.parametrize("location", ["http://quay.io/x", "file:///etc/passwd", "ftp://x/y"])
def test_a_redirect_leads_nowhere_without_https(location):
    registry, _, _ = client({("GET", TAG): [(302, {"location": location}, b"")]})
    with pytest.raises(ImageError, match="not HTTPS"):
        registry.top()


def test_a_circle_of_redirects_ends():
    registry, transport, _ = client({("GET", TAG): [(302, {"location": TAG}, b"")]})
    with pytest.raises(ImageError, match="more than 5 times"):
        registry.top()
    assert len(transport.requests) == 6
