# SPDX-License-Identifier: Apache-2.0
"""Pushing over a fake transport: which requests are made, and what is made of the answers."""

import pytest

from podwright.errors import ImageError
from podwright.images.distribution import upload
from podwright.images.distribution.http import FakeTransport, TransientError
from podwright.images.distribution.repository import Repository
from podwright.images.distribution.retry import FakeClock
from podwright.images.distribution.upload import RegistryDestination
from podwright.images.documents import OCI_MANIFEST, Descriptor, digest_of
from podwright.images.reference import parse

BASE = "https://quay.io/v2/a/b"
BEGIN = ("POST", f"{BASE}/blobs/uploads/")
DATA = bytes(range(256)) * 4
BLOB = Descriptor("application/x", digest_of(DATA), len(DATA))
DIGEST = BLOB.digest.replace(":", "%3A")
HEAD = ("HEAD", f"{BASE}/blobs/{BLOB.digest}")
THERE = (200, {}, b"")
NOT_THERE = (404, {}, b"")
BROKEN = (0, {}, b"")


def read(offset):
    for start in range(offset, len(DATA), 100):
        yield DATA[start : start + 100]


def began(location, **headers):
    return [(202, {"location": location} | {key.replace("_", "-"): value for key, value in headers.items()}, b"")]


def destination(answers, reference="quay.io/a/b:1", source=None):
    transport = FakeTransport(answers)
    repository = Repository(parse(reference), push=True, transport=transport, clock=FakeClock())
    return RegistryDestination(parse(reference), repository, source and parse(source)), transport


def asked(transport):
    return [(method, url.removeprefix(BASE)) for method, url, _ in transport.requests]


@pytest.mark.parametrize(
    ("location", "put"),
    [
        ("/v2/a/b/blobs/uploads/1?state=x%2Fy", f"{BASE}/blobs/uploads/1?state=x%2Fy&digest={DIGEST}"),
        ("1", f"{BASE}/blobs/uploads/1?digest={DIGEST}"),
        ("https://other.example/up", f"https://other.example/up?digest={DIGEST}"),
    ],
)
def test_a_small_blob_is_sent_whole_to_where_the_registry_says(location, put):
    to, transport = destination({BEGIN: began(location), ("PUT", put): [(201, {}, b"")]})
    to.add(BLOB, read)
    method, url, headers = transport.requests[-1]
    assert (method, url, headers["Content-Length"]) == ("PUT", put, "1024")
    assert transport.bodies[-1] == DATA


def test_where_a_blob_is_sent_must_be_told():
    to, _ = destination({BEGIN: [(202, {}, b"")]})
    with pytest.raises(ImageError, match="its answer has no Location"):
        to.add(BLOB, read)


@pytest.fixture
def pieces(monkeypatch):
    monkeypatch.setattr(upload, "WHOLE", 500)
    monkeypatch.setattr(upload, "PIECE", 400)


def place(number):
    return f"/v2/a/b/blobs/uploads/1?state={number}"


def patched(number, received=None):
    return [(202, {"location": place(number)} | ({"range": f"0-{received - 1}"} if received else {}), b"")]


PATCHES = [("PATCH", f"{BASE}/blobs/uploads/1?state={number}") for number in range(4)]
LAST = ("PUT", f"{BASE}/blobs/uploads/1?state=2&digest={DIGEST}")


def test_a_large_blob_is_sent_in_pieces(pieces):
    answers = {BEGIN: began(place(0)), PATCHES[0]: patched(1, 400), PATCHES[1]: patched(2), LAST: [(201, {}, b"")]}
    to, transport = destination(answers)
    to.add(BLOB, read)
    ranges = [headers.get("Content-Range") for _, _, headers in transport.requests]
    assert ranges == [None, "0-399", "400-799", None]
    assert transport.bodies == [b"", DATA[:400], DATA[400:800], DATA[800:]]


def test_a_registry_may_want_larger_pieces(pieces):
    last = ("PUT", f"{BASE}/blobs/uploads/1?state=1&digest={DIGEST}")
    began_so = began(place(0), oci_chunk_min_length="900")
    to, transport = destination({BEGIN: began_so, PATCHES[0]: patched(1), last: [(201, {}, b"")]})
    to.add(BLOB, read)
    assert transport.bodies == [b"", DATA[:900], DATA[900:]]


def test_after_a_broken_connection_a_piece_goes_on_where_the_registry_has_it(pieces):
    state = ("GET", PATCHES[1][1])
    answers = {
        BEGIN: began(place(0)),
        PATCHES[0]: patched(1, 400),
        PATCHES[1]: [BROKEN],
        state: [(204, {"location": place(3), "range": "0-449"}, b"")],
        PATCHES[3]: patched(2, 850),
        LAST: [(201, {}, b"")],
    }
    to, transport = destination(answers)
    to.add(BLOB, read)
    assert [headers.get("Content-Range") for _, _, headers in transport.requests] == [
        None,
        "0-399",
        "400-799",
        None,
        "450-849",
        None,
    ]
    assert transport.bodies[-2:] == [DATA[450:850], DATA[850:]]


def test_an_upload_that_the_registry_has_forgotten_starts_anew(pieces):
    answers = {
        HEAD: [NOT_THERE],
        BEGIN: began(place(0)),
        PATCHES[0]: [BROKEN, *patched(1)],
        ("GET", PATCHES[0][1]): [NOT_THERE],
        PATCHES[1]: patched(2),
        LAST: [(201, {}, b"")],
    }
    to, transport = destination(answers)
    to.add(BLOB, read)
    sent = [method for method, _ in asked(transport)]
    assert sent == ["POST", "PATCH", "GET", "HEAD", "POST", "PATCH", "PATCH", "PUT"]


@pytest.mark.parametrize("status", [405, 416])
def test_a_registry_that_takes_no_pieces_gets_it_whole(pieces, status):
    whole = ("PUT", f"{BASE}/blobs/uploads/1?state=0&digest={DIGEST}")
    answers = {HEAD: [NOT_THERE], BEGIN: began(place(0)), PATCHES[0]: [(status, {}, b"")], whole: [(201, {}, b"")]}
    to, transport = destination(answers)
    to.add(BLOB, read)
    assert [method for method, _ in asked(transport)] == ["POST", "PATCH", "HEAD", "POST", "PUT"]
    assert transport.bodies[-1] == DATA
    to.add(BLOB, read)
    assert [method for method, _ in asked(transport)[5:]] == ["POST", "PUT"]


def test_a_registry_that_took_something_else(pieces):
    to, _ = destination({BEGIN: began(place(0)), PATCHES[0]: patched(1, 399)})
    with pytest.raises(ImageError, match="the registry took 399 bytes of an upload, of 400 sent"):
        to.add(BLOB, read)


def test_a_blob_whose_answer_was_lost_is_not_sent_again():
    to, transport = destination({BEGIN: began(place(2)), LAST: [BROKEN], HEAD: [THERE]})
    to.add(BLOB, read)
    assert [method for method, _ in asked(transport)] == ["POST", "PUT", "HEAD"]


def test_a_connection_that_always_breaks_is_given_up():
    to, transport = destination({BEGIN: began(place(2)), LAST: [BROKEN], HEAD: [NOT_THERE]})
    with pytest.raises(TransientError, match=r"cannot reach quay\.io"):
        to.add(BLOB, read)
    assert 2 < len(transport.requests) < 30


def test_a_blob_of_the_same_registry_is_mounted():
    mount = ("POST", f"{BASE}/blobs/uploads/?mount={DIGEST}&from=c%2Fd")
    to, transport = destination({mount: [(201, {}, b"")]}, source="quay.io/c/d:1")
    to.add(BLOB, read)
    assert len(transport.requests) == 1
    to, transport = destination({mount: began(place(2)), LAST: [(201, {}, b"")]}, source="quay.io/c/d:1")
    to.add(BLOB, read)
    assert transport.bodies[-1] == DATA


@pytest.mark.parametrize("source", ["docker.io/c/d:1", "quay.io/a/b:2"])
def test_what_cannot_be_mounted(source):
    to, transport = destination({BEGIN: began(place(2)), LAST: [(201, {}, b"")]}, source=source)
    to.add(BLOB, read)
    assert transport.requests[0][:2] == BEGIN


def test_a_source_that_ends_early():
    to, _ = destination({BEGIN: began(place(2)), LAST: [(201, {}, b"")]})
    with pytest.raises(ImageError, match="a blob ends 24 bytes before its size"):
        to.add(BLOB, lambda offset: iter([DATA[:1000]]))


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, False)])
def test_what_is_there(status, there):
    to, _ = destination({HEAD: [(status, {}, b"")]})
    assert to.has(BLOB) is there


MANIFEST = b'{"schemaVersion": 2}'
ABOUT = Descriptor(OCI_MANIFEST, digest_of(MANIFEST), len(MANIFEST))


@pytest.mark.parametrize(
    ("reference", "name"),
    [("quay.io/a/b:1", "1"), (f"quay.io/a/b@{ABOUT.digest}", ABOUT.digest), (f"quay.io/a/b:1@{ABOUT.digest}", "1")],
)
def test_the_manifest_comes_last(reference, name):
    to, transport = destination({("PUT", f"{BASE}/manifests/{name}"): [(201, {}, b"")]}, reference)
    to.finish(ABOUT, MANIFEST)
    assert transport.requests[0][2]["Content-Type"] == OCI_MANIFEST
    assert transport.bodies == [MANIFEST]


def test_a_manifest_of_which_something_else_became():
    answer = (201, {"docker-content-digest": digest_of(b"other")}, b"")
    to, _ = destination({("PUT", f"{BASE}/manifests/1"): [answer]})
    with pytest.raises(ImageError, match=f"the registry made {digest_of(b'other')} of the manifest {ABOUT.digest}"):
        to.finish(ABOUT, MANIFEST)
