# SPDX-License-Identifier: Apache-2.0
"""A pull from a registry, or over a network, that is not well or lies: an image or one clear error, and a clean store.

What the store looks like afterwards is checked by the fixture ``store``.
"""

import base64
import contextlib
import json
import random
from typing import NamedTuple

import pytest

from imagetools import compressed, digest, entry, make_layout, make_tar
from lies import (
    Answer,
    Content,
    Exchange,
    Gate,
    challenge,
    cut,
    document,
    drip,
    endless,
    honest,
    redirect,
    status,
    whole,
)
from lying_registry import LyingRegistry
from podtools import eventually
from pulls import Store

MARGIN = 16 << 20  # bytes that the buffers of two sockets may hold when nobody reads any more


class Blob(NamedTuple):
    digest: str
    size: int

    @property
    def half(self) -> int:
        return self.size // 2


LAYERS = [[entry("small", "x")], [entry("big", random.Random(1).randbytes(1_500_000))]]
BIG = digest(compressed(make_tar(LAYERS[1]), "gzip"))
"""The larger layer's blob, about which most lies are."""


@pytest.fixture
def registry(tmp_path):
    with LyingRegistry(make_layout(tmp_path / "layout", LAYERS)) as registry:
        yield registry


@pytest.fixture
def blob(registry):
    return Blob(BIG, len(registry.blobs[BIG]))


def ranges(registry: LyingRegistry, blob: Blob) -> list[str | None]:
    """What was asked for of the blob, one request after the other."""
    return [exchange.headers.get("range") for exchange in registry.asked(blob.digest)]


# ---- connections that break ----


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_connection_that_breaks_once_is_taken_up_where_it_broke(store: Store, registry, blob, end):
    registry.lie(blob.digest, cut(blob.half, end), times=1)
    store.pull(registry.reference).well()
    assert ranges(registry, blob) == [None, f"bytes={blob.half}-"]
    assert sum(exchange.sent for exchange in registry.asked(blob.digest)) == blob.size, "bytes were sent twice"


def test_connections_that_break_again_and_again_but_always_bring_something(store: Store, registry, blob):
    places = [100_000 * part for part in range(1, 8)]
    for place in places:
        registry.lie(blob.digest, cut(place), times=1)
    store.pull(registry.reference).well()
    assert ranges(registry, blob) == [None, *(f"bytes={place}-" for place in places)]


def test_a_slow_drip_is_no_error(store: Store, registry, blob):
    registry.lie("/v2/", drip(40_000, 0.01))
    store.pull(registry.reference).well()
    assert len(registry.asked(blob.digest)) == 1


# ---- ranges ----


def test_a_registry_that_knows_no_ranges(store: Store, registry, blob):
    registry.lie(blob.digest, cut(blob.half), times=1)
    registry.lie(blob.digest, whole)
    store.pull(registry.reference).well()
    assert len(registry.asked(blob.digest)) == 2


def test_a_registry_that_answers_with_another_range(store: Store, registry, blob):
    """It must not become part of the blob; whether that is an error or a second start is free."""

    def from_the_start(exchange: Exchange, content: Content) -> Answer:
        return honest(exchange, content)._replace(**whole(exchange, content)._asdict() | {"status": 206})

    registry.lie(blob.digest, cut(blob.half), times=1)
    registry.lie(blob.digest, from_the_start, times=1)
    ended = store.pull(registry.reference)
    ended.refused("range") if ended.error else ended.well()
    store.check()
    store.pull(registry.reference).well()


def test_a_lie_in_the_first_half_does_not_spoil_the_next_pulls(store: Store, registry, blob):
    true = registry.blobs[blob.digest]
    registry.blobs[blob.digest] = b"?" * blob.size
    gate = Gate(blob.half)
    registry.lie(blob.digest, gate)
    pull = store.start(registry.reference).go()
    eventually(lambda: store.unfinished().get(blob.digest), "the lie to arrive")
    pull.kill()
    registry.honest()
    registry.blobs[blob.digest] = true
    again = store.pull(registry.reference)  # goes on with the lie, and notices at the end
    again.refused(blob.digest, "came with other content") if again.error else again.well()
    store.pull(registry.reference).well()


# ---- content that is not the promised one ----


def test_another_content(store: Store, registry, blob):
    true = registry.blobs[blob.digest]
    registry.blobs[blob.digest] = true[:-1] + bytes([true[-1] ^ 1])
    store.pull(registry.reference).refused(f"the blob {blob.digest} came with other content", "its digest is sha256:")
    assert blob.digest not in store.unfinished(), "nobody can go on with a lie"
    assert blob.digest not in store.blobs()
    registry.blobs[blob.digest] = true
    store.pull(registry.reference).well()


def test_a_blob_that_is_too_short(store: Store, registry, blob):
    registry.blobs[blob.digest] = registry.blobs[blob.digest][:-7]
    store.pull(registry.reference).refused(f"the blob {blob.digest}", f"{blob.size - 7} bytes", f"{blob.size}")
    assert len(registry.asked(blob.digest)) < 10


def test_a_blob_that_is_too_long(store: Store, registry, blob):
    registry.blobs[blob.digest] += b"more"
    store.pull(registry.reference).refused(f"the blob {blob.digest} comes with ", f"must have {blob.size}")
    assert blob.digest not in store.unfinished()


@pytest.mark.parametrize("about", ["blob", "manifest"])
def test_a_body_without_an_end(store: Store, registry, blob, about):
    place, words = {
        "blob": (blob.digest, f"the blob {blob.digest} comes with more bytes, and must have {blob.size}"),
        "manifest": ("manifests/1", "a manifest of more than 4194304 bytes"),
    }[about]
    registry.lie(place, endless)
    store.pull(registry.reference).refused(words)
    assert sum(exchange.sent for exchange in registry.asked(place)) < MARGIN


# ---- statuses ----


@pytest.mark.parametrize("about", ["manifests/1", "blobs/"])
def test_too_many_requests_are_repeated_when_the_registry_said(store: Store, registry, about):
    registry.lie(about, status(429, retry_after="1"), times=1)
    store.pull(registry.reference).well()
    first, second = [exchange.at for exchange in registry.asked(registry.asked(about)[0].path)][:2]
    assert second - first >= 1, "it did not wait as long as the registry asked for"


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-1", "", "9" * 5000])
def test_a_strange_time_to_retry_after(store: Store, registry, value):
    registry.lie("manifests/1", status(429, retry_after=value), times=1)
    ended = store.pull(registry.reference)
    ended.refused("busy") if value.startswith("9") else ended.well()


def test_too_many_requests_for_the_whole_day(store: Store, registry):
    registry.lie("manifests/1", status(429, retry_after="86400"))
    store.pull(registry.reference).refused("busy", "86400 seconds")
    assert len(registry.log) < 10


@pytest.mark.parametrize("about", ["manifests/1", "blobs/"])
def test_a_failure_that_passes(store: Store, registry, about):
    registry.lie(about, status(500), times=2)
    store.pull(registry.reference).well()


def test_a_blob_that_the_registry_does_not_have(store: Store, registry, blob):
    del registry.blobs[blob.digest]
    store.pull(registry.reference).refused(f"{registry.address} has no such blob")


# ---- redirects ----


@pytest.fixture
def elsewhere(registry):
    """A second server, which has the blobs, under the other name of this host."""
    with LyingRegistry() as second:
        second.blobs = registry.blobs
        yield second, f"http://localhost:{second.address.rpartition(':')[2]}"


def test_a_redirect_to_another_host_carries_no_credentials(store: Store, registry, elsewhere, blob):
    second, place = elsewhere
    user, token = {"username": "me", "password": "pass-phrase"}, "the-token"
    basic = "Basic " + base64.b64encode(b"me:pass-phrase").decode()
    wanted = f'Bearer realm="http://{registry.address}/token",service="x"'
    registry.lie("/token", document(json.dumps({"token": token}).encode()))
    registry.lie("/blobs/", challenge_then_redirect(wanted, f"Bearer {token}", place))
    registry.lie("/v2/", challenge(wanted, f"Bearer {token}"))
    second.lie(blob.digest, cut(blob.half), times=1)
    store.pull(registry.reference, auth=user).well()
    assert {exchange.headers.get("authorization") for exchange in registry.asked("/token")} == {basic}
    assert second.asked(blob.digest)
    for exchange in second.log:
        assert not {"authorization", "cookie", "proxy-authorization"} & exchange.headers.keys()
        assert not [value for value in exchange.headers.values() if token in value or "pass-phrase" in value]
    assert ranges(second, blob) == [None, f"bytes={blob.half}-"]


def challenge_then_redirect(value: str, wanted: str, place: str):
    def lie(exchange: Exchange, content: Content) -> Answer:
        asked = challenge(value, wanted)(exchange, content)
        return asked if asked.status == 401 else redirect(place)(exchange, content)

    return lie


def test_redirects_without_an_end(store: Store, registry, blob):
    registry.lie(blob.digest, redirect(f"http://{registry.address}"))
    store.pull(registry.reference).refused("redirects more than 5 times")
    assert len(registry.asked(blob.digest)) < 10


@pytest.mark.parametrize("place", ["file:///etc/passwd?", "ftp://127.0.0.1", "gopher://x", "//["])
def test_redirects_to_what_is_no_registry(store: Store, registry, blob, place):
    registry.lie(blob.digest, redirect(place))
    store.pull(registry.reference).refused("redirects to")


# ---- what does not pass ----

FOR_EVER = {
    "the manifest fails": ("manifests/1", status(500), "HTTP status 500"),
    "every blob fails": ("/blobs/", status(503), "HTTP status 503"),
    "a blob ends early": (BIG, cut(700_000), "lost the connection to"),
    "a blob breaks": (BIG, cut(700_000, "reset"), "lost the connection to"),
    "a manifest is empty": ("manifests/1", document(b""), "sent a manifest with nothing in it"),
    "headers have no end": (
        "manifests/1",
        lambda *_: Answer(200, dict.fromkeys(map(str, range(300)), "x")),
        "does not speak HTTP",
    ),
    "a header has no end": ("manifests/1", lambda *_: Answer(200, {"X": "x" * 100_000}), "does not speak HTTP"),
}


def test_what_does_not_pass_ends_after_some_attempts(tmp_path):
    """All at once, as each has its waits between the attempts."""
    layout = make_layout(tmp_path / "layout", LAYERS)
    with contextlib.ExitStack() as stack:
        begun = {}
        for number, (what, (about, lie, words)) in enumerate(FOR_EVER.items()):
            registry = stack.enter_context(LyingRegistry(layout))
            registry.lie(about, lie)
            store = Store(tmp_path / f"root-{number}")
            begun[what] = registry, store, store.start(registry.reference).go(), words
        for registry, store, pull, words in begun.values():
            pull.ended().refused(registry.address, words)
            assert all(len(registry.asked(exchange.path)) < 10 for exchange in registry.log)
            store.check()
            assert store.images() == []
            begun_blobs = store.unfinished()
            asked = len(registry.log)
            registry.honest()
            store.pull(registry.reference).well()
            again = [exchange.headers.get("range") for exchange in registry.log[asked:] if BIG in exchange.path]
            assert again == [f"bytes={size}-" for size in begun_blobs.values()] or again == [None]
            assert begun_blobs == ({BIG: 700_000} if words.startswith("lost") else {})
            store.prune()
