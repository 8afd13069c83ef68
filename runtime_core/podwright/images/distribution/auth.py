# SPDX-License-Identifier: Apache-2.0
"""How a registry is convinced: Basic, or a token of the service that it names (distribution's spec/auth).

A registry that wants a login says so with status 401; nothing is sent, and no file of logins read, before.
"""

import base64
import re
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from podwright.errors import ImageError
from podwright.images.distribution.credentials import Login
from podwright.images.distribution.endpoints import Endpoint
from podwright.images.distribution.http import Response, TransientError, Transport, origin, read_document
from podwright.images.distribution.refusal import refusal
from podwright.images.distribution.retry import Clock
from podwright.images.documents import parse_object

MAX_TOKEN = 1 << 20  # bytes of the token service's answer
DEFAULT_LIFETIME = 60  # seconds of a token whose service does not tell
_CLIENT = "podwright"
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))[ \t]*(?=,|$)')
_SCHEME = re.compile(rf"({_WORD})(?:[ \t]+(?:[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$))?|(?=,|$))")


class Challenge(NamedTuple):
    """One way to authenticate that a server offers."""

    scheme: str
    """In lower case."""
    fields: dict[str, str]
    """Keys in lower case."""


class Token(NamedTuple):
    """A bearer token, and until when (by the clock that never jumps) it is used."""

    value: str
    until: float


def parse_challenges(header: str) -> list[Challenge]:
    """Read WWW-Authenticate (RFC 9110, 11.6.1), which may hold several challenges; what makes no sense ends it."""
    found: list[Challenge] = []
    position = 0
    while position < len(header):
        if header[position] in ", \t":
            position += 1
        elif found and (match := _PARAMETER.match(header, position)):
            value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
            found[-1].fields.setdefault(match[1].lower(), value)
            position = match.end()
        elif match := _SCHEME.match(header, position):
            found.append(Challenge(match[1].lower(), {}))
            position = match.end()
        else:
            break
    return found


def merge_scopes(own: str, asked: str) -> tuple[str, ...]:
    """Join scopes such as ``repository:a/b:pull,push``: those we need, and those a registry says that it needs."""
    actions: dict[str, list[str]] = {}
    for scope in (own, *asked.split()):
        resource, colon, names = scope.rpartition(":")
        if colon:
            known = actions.setdefault(resource, [])
            known += [name for name in names.split(",") if name not in known]
    return tuple(f"{resource}:{','.join(names)}" for resource, names in actions.items())


class Authorizer:
    """The header Authorization of the requests to one endpoint. Threads share it, and with it a token.

    ``find`` looks for the login; it is called at most once.
    """

    def __init__(
        self, endpoint: Endpoint, *, push: bool, find: Callable[[], Login | None], transport: Transport, clock: Clock
    ) -> None:
        self._endpoint = endpoint
        self._scope = f"repository:{endpoint.repository}:{'pull,push' if push else 'pull'}"
        self._find = find
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = False
        self._found: Login | None = None
        self._basic = ""
        self._service: Challenge | None = None
        self._scopes: tuple[str, ...] = ()
        self._tokens: dict[tuple[str, ...], Token] = {}

    def header(self) -> str:
        """Return the header's value, with a new token when the last one has expired; empty while none is needed."""
        with self._lock:
            if self._basic or not self._service:
                return self._basic
            return f"Bearer {self._valid_token(self._service).value}"

    def answer(self, header: str, refused: str) -> None:
        """Make ready what a registry asks for that answered 401 to the Authorization ``refused``.

        Raises ImageError when there is no way to.
        """
        challenges = {challenge.scheme: challenge for challenge in reversed(parse_challenges(header))}
        bearer = challenges.get("bearer")
        with self._lock:
            if bearer and bearer.fields.get("realm"):
                self._service, self._scopes = bearer, merge_scopes(self._scope, bearer.fields.get("scope", ""))
                token = self._tokens.get(self._scopes)
                if token and refused == f"Bearer {token.value}":  # else another thread has fetched a new one meanwhile
                    del self._tokens[self._scopes]
                self._valid_token(bearer)
            elif "basic" in challenges:
                self._answer_basic()
            else:
                schemes = ", ".join(challenges) or "nothing that we know"
                raise ImageError(f"{self._endpoint.host} wants a login by {schemes}, which is not supported")

    def refuse(self, answer: Response) -> ImageError:
        """Return the error for 401 and 403, which came in spite of all that we have."""
        host = self._endpoint.host
        login = self._found
        if answer.status == 401 and self._basic and login:
            return refusal(answer, self._wrong_login(host, login), self.hide)
        if login:
            rights = "push to" if "push" in self._scope else "read"
            who = f"the user {login.username!r}" if login.username else "the holder of the identity token"
            what = (
                f"{host} has no repository {self._endpoint.repository}, or {who} ({login.source}) may not {rights} it"
            )
            return refusal(answer, what, self.hide)
        return refusal(answer, self._anonymous(), self.hide)

    def hide(self, text: str) -> str:
        """Return a text of the registry's without what it may have been told in confidence."""
        secrets = [token.value for token in list(self._tokens.values())] + [self._basic.partition(" ")[2]]
        if self._found:
            secrets += [self._found.password, self._found.identity_token]
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
        return text

    # ---- with the lock held ----

    def _login(self) -> Login | None:
        if not self._looked:
            self._found = self._find()
            self._looked = True
        return self._found

    def _answer_basic(self) -> None:
        login = self._login()
        if login is None or not login.password:
            raise ImageError(self._anonymous())
        self._service = None
        self._basic = _basic(login)

    def _valid_token(self, service: Challenge) -> Token:
        token = self._tokens.get(self._scopes)
        if token is None or token.until <= self._clock.monotonic():
            token = self._tokens[self._scopes] = self._fetch(service.fields["realm"], service.fields.get("service", ""))
        return token

    def _fetch(self, realm: str, service: str) -> Token:
        check_url(self._endpoint, realm, "sends for a token")
        login = self._login()
        start = self._clock.monotonic()
        fields = [("service", service)] if service else []
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": _CLIENT}
        if login and login.identity_token:
            fields += [("scope", " ".join(self._scopes)), ("client_id", _CLIENT), ("grant_type", "refresh_token")]
            fields += [("refresh_token", login.identity_token)]
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            document = self._ask("POST", realm, headers, urlencode(fields).encode())
        else:
            fields += [("scope", scope) for scope in self._scopes]
            if login:
                headers["Authorization"] = _basic(login)
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(fields, quote_via=quote)}"
            document = self._ask("GET", url, headers, None)
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ImageError(f"the token service of {self._endpoint.host} at {origin(realm)} sent no token")
        told = document.get("expires_in")
        lifetime = told if isinstance(told, (int, float)) and 0 < told < 1e9 else DEFAULT_LIFETIME
        return Token(token, start + 0.9 * lifetime)  # it must still be good when it arrives

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, object]:
        try:
            with self._transport.request(method, url, headers, body) as answer:
                if answer.status == 200:
                    return parse_object(read_document(answer, MAX_TOKEN, "token"), f"token of {self._endpoint.host}")
                raise self._no_token(answer)
        except TransientError as error:
            error.unprocessed = True  # the registry itself was not asked again yet
            raise

    def _no_token(self, answer: Response) -> ImageError:
        service = origin(answer.url)
        login = self._found
        if login and (answer.status == 401 or (login.identity_token and answer.status == 400)):
            return refusal(answer, self._wrong_login(service, login), self.hide)
        if answer.status in (401, 403):
            return self.refuse(answer)
        what = f"the token service {service} of {self._endpoint.host} answers with HTTP status {answer.status}"
        return refusal(answer, what, self.hide, self._clock)

    def _wrong_login(self, host: str, login: Login) -> str:
        if login.identity_token:
            return f"{host} does not accept the identity token ({login.source}): log in again"
        return f"{host} does not know the user {login.username!r} with this password ({login.source})"

    def _anonymous(self) -> str:
        place = f"{self._endpoint.host}/{self._endpoint.repository}"
        return (
            f"{self._endpoint.host} has no such image, or refuses anonymous access to it: it wants a user and a "
            f"password, and no login was found for {place}"
        )


def check_url(endpoint: Endpoint, url: str, verb: str) -> None:
    """Refuse a place without HTTPS that a registry with HTTPS sends us to."""
    scheme = url.partition("://")[0].lower()
    try:
        whole = bool(urlsplit(url).hostname and urlsplit(url).port != 0)
    except ValueError:
        whole = False
    if not whole and scheme in ("http", "https"):
        raise ImageError(f"{endpoint.host} {verb} to what is no URL")
    if scheme != "https" and not (scheme == "http" and endpoint.plain):
        raise ImageError(f"{endpoint.host} {verb} to {scheme}://{origin(url)}, which is not HTTPS")


def _basic(login: Login) -> str:
    return f"Basic {base64.b64encode(f'{login.username}:{login.password}'.encode()).decode()}"
