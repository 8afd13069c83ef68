# SPDX-License-Identifier: Apache-2.0
"""How a registry is convinced: challenges, tokens, and one sentence for each way in which it is not."""

import base64
import concurrent.futures
import contextlib
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images.distribution.auth import Challenge, merge_scopes, parse_challenges
from podwright.images.distribution.credentials import Auth, Login
from podwright.images.distribution.http import FakeTransport, Response, TransientError
from podwright.images.distribution.repository import Repository
from podwright.images.distribution.retry import FakeClock
from podwright.images.reference import parse

TAG = "https://quay.io/v2/a/b/manifests/1"
BASIC = {"www-authenticate": 'Basic realm="quay"'}
BEARER = {"www-authenticate": 'Bearer realm="https://auth.quay.io/token",service="quay.io",scope="repository:a/b:pull"'}
SERVICE = "https://auth.quay.io/token"
TOKEN = f"{SERVICE}?service=quay.io&scope=repository%3Aa%2Fb%3Apull"
PUSH_TOKEN = f"{TOKEN}%2Cpush"
ME = Auth(Login("me", "top secret"))
MY_BASIC = "Basic " + base64.b64encode(b"me:top secret").decode()
ROBOT = Auth(Login("", "", identity_token="identity/secret"))


@pytest.fixture(autouse=True)
def no_logins(monkeypatch, tmp_path):
    """Whoever runs the tests may be logged in somewhere."""
    (tmp_path / "empty.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "empty.json"))


def client(answers, auth=None, **options):
    transport, clock = FakeTransport(answers), FakeClock()
    return Repository(parse("quay.io/a/b:1"), auth=auth, transport=transport, clock=clock, **options), transport, clock


def get(repository, method="GET", path="manifests/1", expect=(200,)):
    with repository.exchange(method, path, expect=expect) as answer:
        return b"".join(answer.chunks)


def shown(transport):
    """What was shown where."""
    return [(url, headers.get("Authorization")) for _, url, headers in transport.requests]


def token(value="t", **more):
    return (200, {}, json.dumps({"token": value, **more}).encode())


# ---- challenges ----


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", []),
        ("Basic", [("basic", {})]),
        ('Basic realm="a b"', [("basic", {"realm": "a b"})]),
        ("BASIC realm=x", [("basic", {"realm": "x"})]),
        ('Bearer realm="http://a?b=c",service="s, t"', [("bearer", {"realm": "http://a?b=c", "service": "s, t"})]),
        ('Bearer Realm = "r" , scope="a:b:c,d"', [("bearer", {"realm": "r", "scope": "a:b:c,d"})]),
        (r'Bearer realm="a \"b\" \\ c"', [("bearer", {"realm": r'a "b" \ c'})]),
        ("Bearer realm=https://a/b,service=s", [("bearer", {"realm": "https://a/b", "service": "s"})]),
        ('Bearer realm="r", Basic realm="b"', [("bearer", {"realm": "r"}), ("basic", {"realm": "b"})]),
        ('Basic realm=b, Bearer realm="r",x="s"', [("basic", {"realm": "b"}), ("bearer", {"realm": "r", "x": "s"})]),
        ("Negotiate, Basic realm=b", [("negotiate", {}), ("basic", {"realm": "b"})]),
        ("Negotiate YWJj==, Basic realm=b", [("negotiate", {}), ("basic", {"realm": "b"})]),
        (', ,Basic realm="b",, ', [("basic", {"realm": "b"})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ('Bearer realm="r",error="invalid_token"', [("bearer", {"realm": "r", "error": "invalid_token"})]),
        ('Basic realm="unclosed', [("basic", {})]),
        ('realm="x"', []),
        ("@@@", []),
    ],
)  # fmt: skip
def test_challenges(header, challenges):
    assert parse_challenges(header) == [Challenge(*challenge) for challenge in challenges]


@given(st.text(alphabet='Bb ,="\\aé\t@', max_size=40))
def test_any_text_is_read_to_its_end_or_given_up(header):
    parse_challenges(header)


@pytest.mark.parametrize(
    ("asked", "merged"),
    [
        ("", ("repository:a:pull",)),
        ("repository:a:pull,push", ("repository:a:pull,push",)),
        ("repository:b:pull repository:a:push", ("repository:a:pull,push", "repository:b:pull")),
        ("repository(plugin):a/b:x", ("repository:a:pull", "repository(plugin):a/b:x")),
        ("nonsense", ("repository:a:pull",)),
    ],
)
def test_scopes_are_joined(asked, merged):
    assert merge_scopes("repository:a:pull", asked) == merged


# ---- Basic ----


def test_a_login_is_shown_when_it_is_asked_for():
    repository, transport, _ = client({("GET", TAG): [(401, BASIC, b""), (200, {}, b"x")]}, ME)
    assert [get(repository), get(repository)] == [b"x", b"x"]
    assert shown(transport) == [(TAG, None), (TAG, MY_BASIC), (TAG, MY_BASIC)]


def test_a_login_that_nobody_asks_for_is_not_shown():
    repository, transport, _ = client({("GET", TAG): [(200, {}, b"x")]}, ME)
    get(repository)
    assert shown(transport) == [(TAG, None)]


def test_a_login_with_letters_beyond_ascii():
    repository, transport, _ = client({("GET", TAG): [(401, BASIC, b""), (200, {}, b"x")]}, Auth(Login("ä", "ö:ü")))
    get(repository)
    assert base64.b64decode(shown(transport)[1][1].split()[1]).decode() == "ä:ö:ü"


# ---- tokens ----


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_an_anonymous_token_is_fetched_once(key):
    answers = {
        ("GET", TAG): [(401, BEARER, b""), (200, {}, b"x")],
        ("GET", TOKEN): [(200, {}, json.dumps({key: "t"}).encode())],
    }
    repository, transport, _ = client(answers)
    assert [get(repository), get(repository)] == [b"x", b"x"]
    assert shown(transport) == [(TAG, None), (TOKEN, None), (TAG, "Bearer t"), (TAG, "Bearer t")]


def test_a_token_for_a_user():
    repository, transport, _ = client(
        {("GET", TAG): [(401, BEARER, b""), (200, {}, b"x")], ("GET", TOKEN): [token()]}, ME
    )
    assert get(repository) == b"x"
    assert shown(transport) == [(TAG, None), (TOKEN, MY_BASIC), (TAG, "Bearer t")]


def test_a_token_for_an_identity_token():
    answers = {
        ("GET", TAG): [(401, BEARER, b""), (200, {}, b"x")],
        ("POST", SERVICE): [(200, {}, b'{"access_token": "t"}')],
    }
    repository, transport, _ = client(answers, ROBOT)
    assert get(repository) == b"x"
    assert shown(transport) == [(TAG, None), (SERVICE, None), (TAG, "Bearer t")]
    form = transport.bodies[1].decode()
    assert form == (
        "service=quay.io&scope=repository%3Aa%2Fb%3Apull&client_id=podwright&grant_type=refresh_token"
        "&refresh_token=identity%2Fsecret"
    )
    assert transport.requests[1][2]["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_realm_with_a_query_of_its_own():
    url = f"{SERVICE}?account=x&scope=repository%3Aa%2Fb%3Apull"
    challenge = {"www-authenticate": f'Bearer realm="{SERVICE}?account=x"'}
    repository, _, _ = client({("GET", TAG): [(401, challenge, b""), (200, {}, b"x")], ("GET", url): [token()]})
    assert get(repository) == b"x"


def test_bearer_goes_before_basic():
    both = {"www-authenticate": f"{BASIC['www-authenticate']}, {BEARER['www-authenticate']}"}
    repository, transport, _ = client(
        {("GET", TAG): [(401, both, b""), (200, {}, b"x")], ("GET", TOKEN): [token()]}, ME
    )
    get(repository)
    assert shown(transport)[-1] == (TAG, "Bearer t")


def test_a_push_asks_for_more():
    answers = {("GET", TAG): [(401, BEARER, b""), (200, {}, b"x")], ("GET", PUSH_TOKEN): [token()]}
    repository, _, _ = client(answers, ME, push=True)
    assert get(repository) == b"x"


def test_each_scope_has_its_token():
    """A blob that is mounted from another repository needs the right to read that one."""
    mount = "https://quay.io/v2/a/b/blobs/uploads/"
    wide = {
        "www-authenticate": f'Bearer realm="{SERVICE}",service="quay.io",scope="repository:a/b:push repository:c:pull"'
    }
    answers = {
        ("GET", TAG): [(401, BEARER, b""), (200, {}, b"x")],
        ("POST", mount): [(401, wide, b""), (201, {}, b"")],
        ("GET", PUSH_TOKEN): [token("narrow")],
        ("GET", f"{PUSH_TOKEN}&scope=repository%3Ac%3Apull"): [token("wide")],
    }
    repository, transport, _ = client(answers, ME, push=True)
    get(repository)
    get(repository, "POST", "blobs/uploads/", (201,))
    assert [authorization for _, authorization in shown(transport)] == [
        *(None, MY_BASIC, "Bearer narrow"),
        *("Bearer narrow", MY_BASIC, "Bearer wide"),
    ]


@pytest.mark.parametrize(
    ("more", "lifetime"),
    [
        ({}, 54),
        ({"expires_in": 300}, 270),
        ({"expires_in": "300"}, 54),
        ({"expires_in": -1}, 54),
        ({"expires_in": 1e99}, 54),
    ],
)
def test_a_token_is_not_used_longer_than_it_lives(more, lifetime):
    answers = {
        ("GET", TAG): [(401, BEARER, b""), (200, {}, b"x")],
        ("GET", TOKEN): [token("1", **more), token("2", **more)],
    }
    repository, transport, clock = client(answers)
    get(repository)
    clock.time += lifetime - 1
    get(repository)
    clock.time += 2
    get(repository)
    assert [header for url, header in shown(transport) if url == TAG] == [None, "Bearer 1", "Bearer 1", "Bearer 2"]


def test_a_token_that_is_refused_in_the_middle_of_a_pull_is_replaced_once():
    answers = {
        ("GET", TAG): [(401, BEARER, b""), (200, {}, b"x"), (401, BEARER, b""), (200, {}, b"y")],
        ("GET", TOKEN): [token("1"), token("2")],
    }
    repository, transport, _ = client(answers)
    assert [get(repository), get(repository)] == [b"x", b"y"]
    assert [header for url, header in shown(transport) if url == TAG] == [None, "Bearer 1", "Bearer 1", "Bearer 2"]


def test_a_token_that_is_refused_at_once_ends_it():
    repository, transport, _ = client({("GET", TAG): [(401, BEARER, b"")], ("GET", TOKEN): [token()]})
    with pytest.raises(ImageError, match="refuses anonymous access"):
        get(repository)
    assert len(transport.requests) == 3


class Guarded(FakeTransport):
    """A registry that answers by the token alone, and everybody without one at the same time."""

    def __init__(self, threads):
        super().__init__({("GET", TOKEN): [token("1"), token("2")]})
        self.good = "Bearer 1"
        self.barrier = threading.Barrier(threads, timeout=20)

    def request(self, method, url, headers, body=None):
        if url != TAG:
            return super().request(method, url, headers, body)
        if headers.get("Authorization") == self.good:
            return contextlib.nullcontext(Response(200, {}, iter([b"x"]), url))
        self.barrier.wait()
        return contextlib.nullcontext(Response(401, BEARER, iter([]), url))


def test_threads_share_a_token():
    transport = Guarded(8)
    repository = Repository(parse("quay.io/a/b:1"), transport=transport, clock=FakeClock())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: get(repository), range(8))) == [b"x"] * 8
        transport.good = "Bearer 2"  # the first is revoked
        assert list(pool.map(lambda _: get(repository), range(8))) == [b"x"] * 8
    assert [url for url, _ in shown(transport)] == [TOKEN, TOKEN]


def test_a_token_service_that_fails_for_a_while():
    answers = {
        ("GET", TAG): [(401, BEARER, b""), (401, BEARER, b""), (200, {}, b"x")],
        ("GET", TOKEN): [(503, {}, b""), token()],
    }
    repository, _, clock = client(answers)
    with repository.exchange("GET", "manifests/1", again=False) as answer:
        assert answer.status == 200
    assert clock.waits == [0.5]


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('Basic realm="x"', "wants a user and a password, and no login was found for quay.io/a/b"),
        ("", "wants a login by nothing that we know"),
        ("Negotiate", "wants a login by negotiate, which is not supported"),
        ('Bearer service="x"', "wants a login by bearer, which is not supported"),
        ('Bearer realm="http://169.254.169.254/x"', "sends for a token to http://169.254.169.254, which is not HTTPS"),
        ('Bearer realm="file:///etc/passwd"', "not HTTPS"),
        ('Bearer realm="https://[x/"', "sends for a token to what is no URL"),
    ],
)
def test_a_challenge_that_cannot_be_met(header, reason):
    answers = {("GET", TAG): [(401, {"www-authenticate": header}, b"")]}
    repository, transport, _ = client(answers)
    with pytest.raises(ImageError, match=reason):
        get(repository)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "answer", [b"{}", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}', b'{"token": ""}', b"no", b"[]"]
)
def test_a_token_service_without_a_token(answer):
    repository, _, _ = client({("GET", TAG): [(401, BEARER, b"")], ("GET", TOKEN): [(200, {}, answer)]})
    with pytest.raises(ImageError, match="token"):
        get(repository)


REFUSED = (401, BASIC, b'{"errors": [{"message": "you top secret fool, me:top secret"}]}')


@pytest.mark.parametrize(
    ("auth", "answers", "reason"),
    [
        pytest.param(None, {("GET", TAG): [(404, {}, b"")]}, "quay.io has no such manifest", id="no image"),
        pytest.param(
            ME,
            {("GET", TAG): [(401, BASIC, b""), REFUSED]},
            "quay.io does not know the user 'me' with this password (the caller): you *** fool, me:***",
            id="wrong password at a registry",
        ),
        pytest.param(
            ME,
            {("GET", TAG): [(401, BEARER, b"")], ("GET", TOKEN): [(401, {}, b'{"details": "incorrect top secret"}')]},
            "auth.quay.io does not know the user 'me' with this password (the caller): incorrect ***",
            id="wrong password at a token service",
        ),
        pytest.param(
            ROBOT,
            {("GET", TAG): [(401, BEARER, b"")], ("POST", SERVICE): [(400, {}, b'{"error": "invalid_grant"}')]},
            "auth.quay.io does not accept the identity token (the caller): log in again: invalid_grant",
            id="old identity token",
        ),
        pytest.param(
            ROBOT,
            {("GET", TAG): [(401, BASIC, b"")]},
            "quay.io has no such image, or refuses anonymous access to it: it wants a user and a password, and no "
            "login was found for quay.io/a/b",
            id="identity token where a password is wanted",
        ),
        pytest.param(
            ME,
            {("GET", TAG): [(401, BEARER, b"")], ("GET", TOKEN): [token()]},
            "quay.io has no repository a/b, or the user 'me' (the caller) may not read it",
            id="no access for a user",
        ),
        pytest.param(
            ME,
            {("GET", TAG): [(401, BASIC, b""), (403, {}, b'{"errors": [{"code": "DENIED"}]}')]},
            "quay.io has no repository a/b, or the user 'me' (the caller) may not read it: DENIED",
            id="forbidden for a user",
        ),
        pytest.param(
            None,
            {("GET", TAG): [(401, BEARER, b"")], ("GET", TOKEN): [(403, {}, b"")]},
            "quay.io has no such image, or refuses anonymous access to it: it wants a user and a password, and no "
            "login was found for quay.io/a/b",
            id="no anonymous token",
        ),
        pytest.param(
            None,
            {("GET", TAG): [(403, {}, b"")]},
            "quay.io has no such image, or refuses anonymous access to it: it wants a user and a password, and no "
            "login was found for quay.io/a/b",
            id="forbidden for everybody",
        ),
        pytest.param(
            None,
            {("GET", TAG): [(401, BEARER, b"")], ("GET", TOKEN): [(404, {}, b"")]},
            "the token service auth.quay.io of quay.io answers with HTTP status 404",
            id="no token service",
        ),
    ],
)
def test_what_is_wrong_is_said(auth, answers, reason):
    repository, _, _ = client(answers, auth)
    with pytest.raises(ImageError) as caught:
        get(repository)
    assert str(caught.value) == reason
    assert not isinstance(caught.value, TransientError)


def test_a_place_that_the_registry_sends_to_cannot_ask_for_the_login():
    thief = {"www-authenticate": 'Bearer realm="https://thief.example/token"'}
    answers = {
        ("GET", TAG): [(307, {"location": "https://cdn.example/x"}, b"")],
        ("GET", "https://cdn.example/x"): [(401, thief, b"")],
    }
    repository, transport, _ = client(answers, ME)
    with pytest.raises(ImageError, match="redirects to a place that answers with HTTP status 401"):
        get(repository)
    assert shown(transport) == [(TAG, None), ("https://cdn.example/x", None)]


def test_a_password_that_is_changed_in_the_middle():
    repository, transport, _ = client({("GET", TAG): [(401, BASIC, b""), (200, {}, b"x"), (401, BASIC, b"")]}, ME)
    get(repository)
    with pytest.raises(ImageError, match=r"quay\.io does not know the user 'me' with this password"):
        get(repository)
    assert len(transport.requests) == 4


def test_no_right_to_push():
    repository, _, _ = client({("GET", TAG): [(401, BASIC, b""), (403, {}, b"")]}, ME, push=True)
    with pytest.raises(ImageError, match=r"or the user 'me' .* may not push to it"):
        get(repository)
