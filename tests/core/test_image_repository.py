# SPDX-License-Identifier: Apache-2.0
"""Requests to one repository: redirects, attempts, statuses. How logins work is in test_image_auth.py."""

import pytest

from podwright.errors import ImageError
from podwright.images.distribution.endpoints import Endpoint
from podwright.images.distribution.http import FakeTransport, TransientError
from podwright.images.distribution.repository import Repository
from podwright.images.distribution.retry import FakeClock
from podwright.images.reference import parse

BASE = "https://quay.io/v2/a/b"
TAG = f"{BASE}/manifests/1"
UPLOADS = f"{BASE}/blobs/uploads/"
BASIC = {"www-authenticate": 'Basic realm="x"'}


@pytest.fixture(autouse=True)
def login(monkeypatch, tmp_path):
    """me:secret is a user of quay.io, and somebody else of the content network."""
    (tmp_path / "auth.json").write_text(
        '{"auths": {"quay.io": {"auth": "bWU6c2VjcmV0"}, "cdn.example": {"auth": "eW91OnNlY3JldA=="}}}'
    )
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))


def client(answers, **options):
    transport, clock = FakeTransport(answers), FakeClock()
    return Repository(parse("quay.io/a/b:1"), transport=transport, clock=clock, **options), transport, clock


def send(repository, method="GET", path="manifests/1", **options):
    with repository.exchange(method, path, **options) as answer:
        return answer.status, b"".join(answer.chunks)


# ---- attempts ----


def test_a_passing_failure_is_tried_again():
    repository, _, clock = client({("GET", TAG): [(500, {}, b""), (0, {}, b""), (502, {}, b""), (200, {}, b"x")]})
    assert send(repository) == (200, b"x")
    assert clock.waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_lasting_failure_is_an_error(status):
    repository, transport, clock = client({("GET", TAG): [(status, {}, b"")]})
    with pytest.raises(TransientError, match=f"quay.io answers GET of a manifest with HTTP status {status}"):
        send(repository)
    assert (len(transport.requests), clock.waits) == (5, [0.5, 1.0, 2.0, 4.0])


def test_who_cannot_be_reached():
    repository, transport, _ = client({("GET", TAG): [(0, {}, b"")]}, attempts=2)
    with pytest.raises(TransientError, match=r"cannot reach quay\.io: connection reset"):
        send(repository)
    assert len(transport.requests) == 2


@pytest.mark.parametrize(
    ("value", "waited"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("60", 60.0),
        ("Sun, 09 Sep 2001 01:46:50 GMT", 10.0),  # FakeClock begins at 01:46:40
        ("Sun, 09 Sep 2001 01:46:50 -0000", 10.0),
        ("Sat, 08 Sep 2001 00:00:00 GMT", 0.5),
        ("soon", 0.5),
        ("-5", 0.5),
        ("٣", 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_registry_that_says_when_to_come_back(status, value, waited):
    repository, _, clock = client({("GET", TAG): [(status, {"retry-after": value}, b""), (200, {}, b"x")]})
    assert send(repository) == (200, b"x")
    assert clock.waits == [waited]


@pytest.mark.parametrize("value", ["61", "9" * 500, "Mon, 10 Sep 2001 01:46:40 GMT"])
def test_a_registry_that_wants_too_much_patience(value):
    repository, transport, clock = client({("GET", TAG): [(429, {"retry-after": value}, b"")]})
    with pytest.raises(ImageError, match=r"wants to be left alone for [0-9]+ seconds"):
        send(repository)
    assert (len(transport.requests), clock.waits) == (1, [])


@pytest.mark.parametrize("failure", [(0, {}, b""), (503, {}, b"")])
def test_what_must_not_be_sent_twice_is_not(failure):
    repository, transport, _ = client({("PATCH", UPLOADS): [failure]})
    with pytest.raises(TransientError):
        send(repository, "PATCH", "blobs/uploads/", body=b"x", again=False)
    assert len(transport.requests) == 1


def test_what_a_registry_did_not_look_at_is_sent_again_whatever_it_is():
    repository, transport, _ = client({("PATCH", UPLOADS): [(429, {}, b""), (202, {}, b"")]})
    assert send(repository, "PATCH", "blobs/uploads/", body=b"x", again=False, expect=(202,)) == (202, b"")
    assert transport.bodies == [b"x", b"x"]


def test_a_failure_of_the_reader_is_not_taken_for_one_of_the_registry():
    repository, transport, _ = client({("GET", TAG): [(200, {}, b"x")]})
    with pytest.raises(TransientError, match="of the reader"), repository.exchange("GET", "manifests/1"):
        raise TransientError("of the reader")
    assert len(transport.requests) == 1


def test_a_function_gives_the_body_anew_each_time():
    repository, transport, _ = client({("PUT", UPLOADS): [(401, BASIC, b""), (503, {}, b""), (201, {}, b"")]})
    send(repository, "PUT", "blobs/uploads/", body=lambda: iter([b"a", b"b"]), expect=(201,))
    assert transport.bodies == [b"ab"] * 3


# ---- statuses ----


@pytest.mark.parametrize(
    ("status", "path", "reason"),
    [
        (404, "manifests/1", "quay.io has no such manifest"),
        (404, "blobs/sha256:00", "quay.io has no such blob"),
        (418, "manifests/1", "quay.io answers GET of a manifest with HTTP status 418"),
        (304, "manifests/1", "HTTP status 304"),
        (206, "blobs/sha256:00", "HTTP status 206"),
        (407, "manifests/1", "HTTP status 407"),
    ],
)
def test_what_a_status_means(status, path, reason):
    repository, transport, _ = client({("GET", f"{BASE}/{path}"): [(status, {}, b"")]})
    with pytest.raises(ImageError, match=reason):
        send(repository, path=path)
    assert len(transport.requests) == 1


def test_a_status_that_was_expected():
    repository, _, _ = client({("HEAD", f"{BASE}/blobs/x"): [(404, {}, b"")]})
    assert send(repository, "HEAD", "blobs/x", expect=(200, 404)) == (404, b"")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors": [{"code": "DENIED", "message": "no\\u001b[31m\\n such  thing"}]}', ": no [31m such thing"),
        (b'{"errors": [{"code": "NAME_UNKNOWN"}]}', ": NAME_UNKNOWN"),
        (b'{"details": "incorrect"}', ": incorrect"),
        (b'{"errors": [{"message": "' + b"x" * 999 + b'"}]}', ": " + "x" * 200 + "…"),
        (b'{"errors": [{"message": {"a": 1}}]}', ""),
        (b'{"errors": {}}', ""),
        (b"<html>", ""),
        (b"[]", ""),
        (b'"' + b"x" * (65 << 10) + b'"', ""),
        ([b'{"details"', TransientError("lost")], ""),
    ],
    ids=range(10),
)
def test_the_words_of_the_registry(body, words):
    repository, _, _ = client({("GET", TAG): [(400, {}, body)]})
    with pytest.raises(ImageError) as caught:
        send(repository)
    assert str(caught.value) == f"quay.io answers GET of a manifest with HTTP status 400{words}"


def test_a_registry_that_wants_https():
    url = "http://lab:5000/v2/a/b/manifests/1"
    transport = FakeTransport({("GET", url): [(400, {}, b"Client sent an HTTP request to an HTTPS server.\n")]})
    repository = Repository(parse("lab:5000/a/b:1"), transport=transport, endpoint=Endpoint("lab:5000", "a/b", True))
    with pytest.raises(ImageError, match=r"lab:5000 wants HTTPS: take it from registries\.insecure"):
        send(repository)


# ---- redirects ----


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_no_login_on_another_host(status):
    answers = {
        ("GET", TAG): [(401, BASIC, b""), (status, {"location": "https://cdn.example/x?signed"}, b"")],
        ("GET", "https://cdn.example/x?signed"): [(200, {}, b"x")],
    }
    repository, transport, _ = client(answers)
    assert send(repository) == (200, b"x")
    assert [headers.get("Authorization") for *_, headers in transport.requests] == [None, "Basic bWU6c2VjcmV0", None]


@pytest.mark.parametrize(
    "place",
    [
        "https://quay.io.evil.example/x",
        "https://quay.io@evil.example/x",
        "https://quay.io:444/x",
        "https://evil.example\\@quay.io/x",
        "//evil.example/x",
        "https://sub.quay.io/x",
    ],
)
def test_places_that_look_like_the_registry_get_no_login(place):
    url = place if place.startswith("https:") else f"https:{place}"
    answers = {
        ("GET", TAG): [(401, BASIC, b""), (302, {"location": place}, b"")],
        ("GET", url): [(401, BASIC, b"")],
    }
    repository, transport, _ = client(answers)
    with pytest.raises(ImageError, match="redirects to a place that answers with HTTP status 401"):
        send(repository)
    assert transport.requests[-1][1] == url
    assert "Authorization" not in transport.requests[-1][2]


@pytest.mark.parametrize("location", ["/x", "https://quay.io/x", "https://quay.io:443/x"])
def test_a_redirect_within_the_registry_keeps_the_login(location):
    url = "https://quay.io/x" if location == "/x" else location
    answers = {("GET", TAG): [(401, BASIC, b""), (302, {"location": location}, b"")], ("GET", url): [(200, {}, b"x")]}
    repository, transport, _ = client(answers)
    assert send(repository) == (200, b"x")
    assert transport.requests[-1][2]["Authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize("location", ["http://quay.io/x", "file:///etc/passwd", "ftp://x/y", "HTTP://x/y", "data:,x"])
def test_a_redirect_leads_nowhere_without_https(location):
    repository, transport, _ = client({("GET", TAG): [(302, {"location": location}, b"")]})
    with pytest.raises(ImageError, match="not HTTPS"):
        send(repository)
    assert len(transport.requests) == 1


def test_a_redirect_to_what_is_no_url():
    repository, _, _ = client({("GET", TAG): [(302, {"location": "https://[x/"}, b"")]})
    with pytest.raises(ImageError, match="redirects to what is no URL"):
        send(repository)


def test_no_secret_of_a_url_is_in_a_message():
    repository, _, _ = client({("GET", TAG): [(302, {"location": "http://user:pass@cdn.example/x?signed"}, b"")]})
    with pytest.raises(ImageError) as caught:
        send(repository)
    assert str(caught.value) == "quay.io redirects to http://cdn.example, which is not HTTPS"


def test_a_circle_of_redirects_ends():
    repository, transport, _ = client({("GET", TAG): [(302, {"location": TAG}, b"")]})
    with pytest.raises(ImageError, match="more than 5 times"):
        send(repository)
    assert len(transport.requests) == 6


def test_a_redirect_keeps_what_is_sent_when_it_says_so():
    answers = {
        ("PUT", UPLOADS): [(307, {"location": "/there"}, b"")],
        ("PUT", "https://quay.io/there"): [(201, {}, b"")],
        ("POST", UPLOADS): [(302, {"location": "/there"}, b"")],
    }
    repository, transport, _ = client(answers)
    send(repository, "PUT", "blobs/uploads/", body=b"x", expect=(201,))
    assert transport.bodies == [b"x", b"x"]
    with pytest.raises(ImageError, match=r"quay\.io answers POST with the redirect 302"):
        send(repository, "POST", "blobs/uploads/", expect=(202,))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v2/a/b/blobs/uploads/1?x=y", f"{UPLOADS}1?x=y"),
        (f"{UPLOADS}1", f"{UPLOADS}1"),
        ("blobs/uploads/1", f"{UPLOADS}1"),
    ],
)
def test_a_location_may_be_given_as_it_came(location, url):
    repository, _, _ = client({("PUT", url): [(201, {}, b"")]})
    assert send(repository, "PUT", location, body=b"", expect=(201,)) == (201, b"")


def test_a_location_without_https_is_refused():
    repository, transport, _ = client({})
    with pytest.raises(ImageError, match=r"quay\.io sends to http://quay\.io, which is not HTTPS"):
        send(repository, "PUT", "http://quay.io/v2/a/b/blobs/uploads/1", body=b"")
    assert transport.requests == []


# ---- small documents ----


def test_a_document_is_fetched_within_the_attempts():
    lost = [b"x", TransientError("lost")]
    repository, transport, _ = client({("GET", TAG): [(200, {}, lost), (503, {}, b""), (200, {}, lost)]})
    with pytest.raises(TransientError, match="lost"):
        repository.document("manifests/1", headers={}, limit=9, what="manifest")
    assert len(transport.requests) == 5, "attempts are counted together"


def test_a_document_with_nothing_in_it_is_one_that_broke_off():
    repository, _, _ = client({("GET", TAG): [(200, {}, b""), (200, {"x": "y"}, b"x")]})
    assert repository.document("manifests/1", headers={}, limit=9, what="manifest") == ({"x": "y"}, b"x")
