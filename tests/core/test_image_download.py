# SPDX-License-Identifier: Apache-2.0
"""A blob on its way: resumed, measured, and given up."""

import itertools

import pytest

from podwright.errors import ImageError
from podwright.images.distribution import retry
from podwright.images.distribution.download import PROGRESS, download
from podwright.images.distribution.http import FakeTransport, TransientError
from podwright.images.distribution.repository import Repository
from podwright.images.distribution.retry import FakeClock, paced
from podwright.images.documents import Descriptor, digest_of
from podwright.images.reference import parse

CONTENT = b"0123456789"
BLOB = Descriptor("", digest_of(CONTENT), len(CONTENT))
URL = f"https://quay.io/v2/a/b/blobs/{BLOB.digest}"
LOST = TransientError("lost the connection")


def fetch(answers, offset=0, blob=BLOB, url=URL):
    """What comes, which ranges were asked for, and how long it was waited."""
    transport, clock = FakeTransport({("GET", url): answers}), FakeClock()
    repository = Repository(parse("quay.io/a/b:1"), transport=transport, clock=clock)
    content, error = b"", None
    try:
        for chunk in download(repository, blob, offset):
            content += chunk
    except ImageError as caught:
        error = caught
    ranges = [headers.get("Range") for *_, headers in transport.requests]
    return content, ranges, clock.waits, error


def part(start, end=9, content=None, total="10"):
    body = CONTENT[start : end + 1] if content is None else content
    return (206, {"content-range": f"bytes {start}-{end}/{total}"}, body)


def test_a_whole_blob():
    for length in ("10", "nonsense", "1" * 5000):
        assert fetch([(200, {"content-length": length}, CONTENT)]) == (CONTENT, [None], [], None)


@pytest.mark.parametrize("total", ["10", "*"])
def test_the_rest_of_a_blob(total):
    assert fetch([part(4, total=total)], 4) == (b"456789", ["bytes=4-"], [], None)


@pytest.mark.parametrize("offset", [10, 11])
def test_nothing_is_left(offset):
    assert fetch([], offset) == (b"", [], [], None)


def test_an_empty_blob():
    assert fetch([], blob=Descriptor("", digest_of(b""), 0)) == (b"", [], [], None)


def test_what_breaks_off_goes_on_from_there():
    answers = [(200, {}, [b"012", LOST]), (503, {}, b""), part(3, 5), part(6)]
    content, ranges, waits, error = fetch(answers)
    assert (content, ranges, error) == (CONTENT, [None, "bytes=3-", "bytes=3-", "bytes=6-"], None)
    assert waits == [0.5, 1.0, 2.0]


def test_a_registry_that_does_not_know_ranges():
    assert fetch([(200, {}, CONTENT)], 4)[0] == b"456789"
    assert fetch([(200, {}, [b"012", LOST]), (200, {}, [b"01", b"2345", b"6789"])])[:2] == (CONTENT, [None, "bytes=3-"])


@pytest.mark.parametrize(
    "answer",
    [
        (416, {}, b""),
        part(5),
        (206, {}, CONTENT[4:]),
        (206, {"content-range": "bytes */10"}, b""),
        (206, {"content-range": "lines 4-9/10"}, b""),
        (206, {"content-range": f"bytes {'4' * 5000}-9/10"}, b""),
        (206, {"content-type": "multipart/byteranges"}, b""),
    ],
)
def test_a_range_of_no_use_is_not_asked_for_again(answer):
    content, ranges, waits, error = fetch([answer, (200, {}, CONTENT)], 4)
    assert (content, ranges, waits, error) == (b"456789", ["bytes=4-", None], [], None)


def test_a_range_that_begins_too_early():
    assert fetch([part(2)], 4)[:2] == (b"456789", ["bytes=4-"])


def test_a_range_without_being_asked():
    *_, error = fetch([part(0)])
    assert "HTTP status 206" in str(error)


@pytest.mark.parametrize(
    ("answer", "offset", "size"),
    [
        ((200, {"content-length": "11"}, b""), 0, "11"),
        ((200, {"content-length": "9"}, b""), 0, "9"),
        (part(4, total="11"), 4, "11"),
        ((200, {}, CONTENT + b"x"), 0, "more"),
        (part(4, content=CONTENT[4:] + b"x"), 4, "more"),
        ((200, {}, itertools.repeat(b"abc")), 0, "more"),  # without end
    ],
)
def test_another_size_ends_it_at_once(answer, offset, size):
    content, ranges, _, error = fetch([answer], offset)
    assert str(error) == f"the blob {BLOB.digest} comes with {size} bytes, and must have 10"
    assert not isinstance(error, TransientError)
    assert len(ranges) == 1
    assert len(content) <= 10


def test_a_blob_that_never_gets_on():
    content, ranges, waits, error = fetch([(200, {}, [b"012", LOST]), (206, {"content-range": "bytes 3-9/10"}, [LOST])])
    assert (content, len(ranges), len(waits), error) == (b"012", 5, 4, LOST)


def test_a_blob_that_ends_early():
    content, ranges, _, error = fetch([(200, {}, b"012"), (206, {"content-range": "bytes 3-9/10"}, b"")])
    assert (content, len(ranges)) == (b"012", 5)
    assert str(error) == f"the blob {BLOB.digest} ends after 3 of 10 bytes"


def test_a_long_blob_over_a_line_that_breaks_again_and_again():
    size = 20 * PROGRESS
    blob = Descriptor("", digest_of(b"long"), size)
    answers = [(200, {}, [bytes(PROGRESS), LOST])]
    answers += [
        (206, {"content-range": f"bytes {start}-{size - 1}/{size}"}, [bytes(PROGRESS), LOST])
        for start in range(PROGRESS, size, PROGRESS)
    ]
    content, ranges, waits, error = fetch(answers, blob=blob, url=f"https://quay.io/v2/a/b/blobs/{blob.digest}")
    assert (len(content), len(ranges), error) == (size, 20, None)
    assert set(waits) == {0.5}


def test_a_trickle_of_bytes_is_no_progress():
    content, ranges, _, error = fetch(
        [(200, {}, [b"0", LOST])] + [(206, {"content-range": f"bytes {n}-9/10"}, [b"x", LOST]) for n in range(1, 9)]
    )
    assert (len(content), len(ranges), error) == (5, 5, LOST)


def test_the_last_byte_is_enough():
    """The connection breaks when all has come but the end of the message."""
    content, ranges, waits, error = fetch([(200, {}, [CONTENT, LOST])])
    assert (content, ranges, waits, error) == (CONTENT, [None], [], None)


def test_a_reader_that_stops():
    transport = FakeTransport({("GET", URL): [(200, {}, [b"01", b"23"])]})
    chunks = download(Repository(parse("quay.io/a/b:1"), transport=transport, clock=FakeClock()), BLOB)
    assert next(chunks) == b"01"
    chunks.close()


# ---- a slow drip ----


def drip(clock, size, pause, count=10**6):
    for _ in range(count):
        clock.time += pause
        yield bytes(size)


def test_a_slow_drip_ends():
    clock = FakeClock()
    with pytest.raises(TransientError, match="the blob comes at less than 1024 bytes a second"):
        list(paced(drip(clock, 1023, 1.0), clock, "the blob"))
    assert clock.time == 1e9 + retry.WINDOW


def test_a_fast_start_does_not_excuse_a_slow_drip():
    clock = FakeClock()
    chunks = itertools.chain([bytes(10**9 // 1000)], drip(clock, 1, 1.0))
    with pytest.raises(TransientError):
        list(paced(chunks, clock, "the blob"))
    assert clock.time == 1e9 + 2 * retry.WINDOW


def test_a_slow_line_is_no_drip():
    clock = FakeClock()
    assert len(list(paced(drip(clock, 1024, 1.0, 1000), clock, "the blob"))) == 1000


def test_a_slow_reader_is_no_drip():
    clock = FakeClock()
    for _ in paced(iter([b"x"] * 100), clock, "the blob"):
        clock.time += 60


def test_a_drip_is_given_up_after_all_attempts(monkeypatch):
    monkeypatch.setattr(retry, "WINDOW", 2.0)
    clock = FakeClock()

    class Drip(list):
        def __iter__(self):
            return drip(clock, 1, 1.0)

    transport = FakeTransport({("GET", URL): [(200, {}, Drip())]})
    with pytest.raises(TransientError, match=r"what quay\.io sends comes at less than"):
        list(download(Repository(parse("quay.io/a/b:1"), transport=transport, clock=clock), BLOB))
    assert len(transport.requests) == 5
