# SPDX-License-Identifier: Apache-2.0
"""Logins for registries: what the caller gives, and what podman, docker and Kubernetes write down.

The files are containers-auth.json(5) and Docker's config.json, which are nearly the same; a Secret of the type
kubernetes.io/dockerconfigjson holds such a file. No password and no token is in any message or ``repr()`` from here.
"""

import base64
import fnmatch
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from podwright.errors import ImageError
from podwright.images.reference import DEFAULT_REGISTRY

SECRET_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
MAX_FILE = 4 << 20  # bytes
_HUB_NAMES = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


class Login(NamedTuple):
    """A user of one registry."""

    username: str
    password: str
    identity_token: str = ""
    """Stands for user and password: the registry's token service takes it (oauth2's refresh token)."""
    source: str = "the caller"
    """Where it comes from, for messages."""

    def __repr__(self) -> str:
        """Return all but the secrets."""
        return f"Login({self.username!r}, source={self.source!r})"


class Keyring:
    """The logins of one file, by the registry or the namespace of one that they are for."""

    def __init__(self, data: bytes, source: str, *, legacy: bool = False) -> None:
        """Read a file's content; ``legacy`` is the form of ~/.dockercfg, which has nothing but the logins."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ImageError(f"{source} is not JSON") from error
        whole = {"auths": document} if legacy else document
        if not isinstance(whole, dict):
            raise ImageError(f"{source} is not a JSON object")
        self.source = source
        self._entries = {_place(key): value for key, value in self._section(whole, "auths").items()}
        self._helpers = {_place(key): value for key, value in self._section(whole, "credHelpers").items()}
        self._store = whole.get("credsStore") or ""

    @classmethod
    def read(cls, path: str, *, legacy: bool = False) -> "Keyring":
        """Read a file; raises ImageError, also when there is none."""
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise ImageError(f"the file of logins {path} cannot be read: {error.strerror}") from error
        if len(data) > MAX_FILE:
            raise ImageError(f"the file of logins {path} has more than {MAX_FILE} bytes")
        return cls(data, path, legacy=legacy)

    def find(self, host: str, repository: str) -> Login | None:
        """Return the login for a repository: that of the longest key that it is under."""
        if host in self._helpers:
            return self._ask(self._helpers[host], host)
        parts = repository.split("/")
        places = ["/".join((host, *parts[:length])) for length in range(len(parts), -1, -1)]
        for place in places:
            if login := self._login(self._entries.get(place)):
                return login
        globs = [key for key in self._entries if "*" in key and any(_matches(key, place) for place in places)]
        for key in sorted(globs, key=len, reverse=True):
            if login := self._login(self._entries[key]):
                return login
        return self._ask(self._store, host) if self._store else None

    def _login(self, entry: object) -> Login | None:
        """Read one entry; Docker leaves an empty one where the login is in its store."""
        if not isinstance(entry, dict):
            return None
        username, password = entry.get("username") or "", entry.get("password") or ""
        identity_token = entry.get("identitytoken") or ""
        if encoded := entry.get("auth"):
            try:
                username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            except (ValueError, TypeError):
                colon = ""
            if not colon:
                raise ImageError(f"{self.source} has a login whose auth is not the base64 form of user:password")
            password = password.strip("\0")
        if not all(isinstance(value, str) for value in (username, password, identity_token)):
            raise ImageError(f"{self.source} has a login whose username, password or identitytoken is not a string")
        return Login(username, password, identity_token, self.source) if password or identity_token else None

    def _ask(self, helper: object, host: str) -> Login | None:
        from podwright.images.distribution.credential_helper import ask

        server = "https://index.docker.io/v1/" if host == DEFAULT_REGISTRY else host
        answer = ask(helper, server, self.source)
        return Login(*answer) if answer else None

    def _section(self, document: dict[str, Any], key: str) -> dict[str, Any]:
        section = document.get(key) or {}
        if not isinstance(section, dict):
            raise ImageError(f"{self.source}: {key} is not an object")
        return section


class Auth(NamedTuple):
    """What the caller of one pull or push gives."""

    login: Login | None = None
    """For the registry of the image, not for its mirrors."""
    keyrings: tuple[Keyring, ...] = ()
    only: bool = True
    """The host's own files are not looked at."""

    @classmethod
    def parse(cls, value: Mapping[str, object]) -> "Auth":
        """Read ``{"username": …, "password": …}`` or ``{"auth_file": PATH}``, as front ends send it."""
        given = {key: item for key, item in value.items() if item is not None}
        if not all(isinstance(item, str) and item for item in given.values()):
            raise ImageError("auth: every value must be a string, and not empty", field="auth")
        if given.keys() == {"auth_file"}:
            return cls(keyrings=(Keyring.read(str(given["auth_file"])),))
        if given.keys() == {"username", "password"}:
            return cls(Login(str(given["username"]), str(given["password"])))
        keys = ", ".join(sorted(given)) or "nothing"
        raise ImageError(f"auth has {keys}, but must have username and password, or auth_file alone", field="auth")

    @classmethod
    def of_secrets(cls, secrets: Iterable[tuple[str, str, bytes]]) -> "Auth":
        """Take a pod's imagePullSecrets: each one's name, type (SECRET_TYPES), data; the host's logins come after."""
        keyrings = []
        for name, kind, data in secrets:
            if kind not in SECRET_TYPES:
                raise ImageError(f"the Secret {name} has the type {kind!r}, but must have {' or '.join(SECRET_TYPES)}")
            keyrings.append(Keyring(data, f"the Secret {name}", legacy=kind == SECRET_TYPES[1]))
        return cls(keyrings=tuple(keyrings), only=False)

    def of_mirror(self) -> "Auth | None":
        """Return what of it may be shown to a mirror."""
        return self if self.keyrings else None


def find_login(
    host: str, repository: str, auth: Auth | None, auth_file: str, environ: Mapping[str, str] = os.environ
) -> Login | None:
    """Return the login for a repository: the first that is found in what the caller gave, or on the host.

    On the host count ``$REGISTRY_AUTH_FILE``, else ``auth_file``, else the files that podman and docker write.
    """
    if auth and auth.login:
        return auth.login
    for keyring in auth.keyrings if auth else ():
        if login := keyring.find(host, repository):
            return login
    if auth and auth.only:
        return None
    if named := environ.get("REGISTRY_AUTH_FILE") or auth_file:
        return Keyring.read(named).find(host, repository)
    for path in default_files(environ):
        if os.path.exists(path):
            keyring = Keyring.read(path, legacy=path.endswith(".dockercfg"))
            if login := keyring.find(host, repository):
                return login
    return None


def default_files(environ: Mapping[str, str]) -> list[str]:
    """Return where logins are looked for, in this order (containers-auth.json(5))."""
    home = environ.get("HOME") or os.path.expanduser("~")
    run = environ.get("XDG_RUNTIME_DIR")
    settings = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return [
        f"{run}/containers/auth.json" if run else f"/run/containers/{os.getuid()}/auth.json",
        f"{settings}/containers/auth.json",
        f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json",
        f"{home}/.dockercfg",
    ]


def _place(key: str) -> str:
    """Return a file's key as host[/namespace]: of one with a scheme, which is Docker's way, only the host counts."""
    scheme, separator, rest = key.partition("://")
    place = rest.partition("/")[0] if separator else scheme.rstrip("/")
    host, slash, path = place.partition("/")
    if host in _HUB_NAMES:
        host, path = DEFAULT_REGISTRY, "" if path in ("v1", "v2") else path
    return f"{host}/{path}" if slash and path else host


def _matches(pattern: str, place: str) -> bool:
    """Match a key with ``*`` in it as the kubelet does: each label of the host's name by itself."""
    wanted, given = pattern.partition("/"), place.partition("/")
    labels, names = wanted[0].split("."), given[0].split(".")
    if wanted[2] != given[2] or len(labels) != len(names):
        return False
    return all(fnmatch.fnmatchcase(name, label) for name, label in zip(names, labels, strict=True))
