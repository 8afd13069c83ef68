# SPDX-License-Identifier: Apache-2.0
"""Debian's registry with TLS and logins, an authority that signs its certificates, and a service that hands out tokens.

authority = Authority(folder)
with SecureRegistry(tls=authority, users=True) as registry: ...
with TokenService(authority) as service, SecureRegistry(tokens=service) as registry: ...
"""

import base64
import http.server
import json
import secrets
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from registry import Registry

USER, PASSWORD = "tester", "open sesame"
_HTPASSWD = "tester:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"  # PASSWORD, by bcrypt
IDENTITY_TOKEN = "a refresh token"
LEEWAY = 60  # seconds for which docker-registry still takes a token that has expired


class Authority:
    """A certificate authority in a folder: ``ca`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        _openssl("req", "-x509", *_new_key(self._key), "-subj", "/CN=test authority", *extensions, "-out", self.ca)

    def sign(self, name: str, *, client: bool = False, host: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """Make a certificate for a server, or for a client, and its key."""
        key, request, certificate = (self._folder / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
        _openssl("req", "-new", *_new_key(key), "-subj", f"/CN={name}", "-out", request)
        purpose = "extendedKeyUsage=clientAuth" if client else f"extendedKeyUsage=serverAuth\nsubjectAltName={host}"
        extensions = self._folder / f"{name}.cnf"
        extensions.write_text(purpose)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", "2"),
            *("-extfile", extensions, "-out", certificate),
        )
        return certificate, key


class SecureRegistry(Registry):
    """docker-registry with ``tls`` certified by an authority (for clients too with ``clients``), with USER and PASSWORD
    when ``users`` is set, or with the tokens of a service."""

    def __init__(
        self,
        *,
        tls: Authority | None = None,
        clients: bool = False,
        users: bool = False,
        tokens: "TokenService | None" = None,
        host: str = "IP:127.0.0.1",
    ) -> None:
        super().__init__()
        self._http: dict[str, Any] = {"secret": "tests"}
        self._auth: dict[str, Any] = {"token": tokens.settings()} if tokens else {}
        self._users = users
        if tls:
            certificate, key = tls.sign(f"registry-{secrets.token_hex(4)}", host=host)
            self._http["tls"] = {"certificate": str(certificate), "key": str(key)}
            if clients:
                self._http["tls"]["clientcas"] = [str(tls.ca)]

    def _start(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        if self._users:
            (self._folder / "htpasswd").write_text(_HTPASSWD)
            self._auth = {"htpasswd": {"realm": "tests", "path": f"{self._folder}/htpasswd"}}
        config = {
            "version": "0.1",
            "log": {"level": "warn"},
            "http": {"addr": self.address, **self._http},
            "storage": {"filesystem": {"rootdirectory": f"{self._folder}/data"}},
        }
        config |= {"auth": self._auth} if self._auth else {}
        (self._folder / "config.yml").write_text(json.dumps(config))
        command = ["docker-registry", "serve", f"{self._folder}/config.yml"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def _is_up(self) -> bool:
        """Tell whether somebody listens: a request would need a certificate and a password."""
        host, _, port = self.address.rpartition(":")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection((host, int(port)), 10).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self._process.poll() is None
        return False


class TokenService:
    """A token service (distribution's spec/auth) in a thread.

    It knows USER, and IDENTITY_TOKEN; everybody may pull what is below ``public/``. ``requests`` has what was asked
    for, as "METHOD SCOPES"; a token lives for ``lifetime`` seconds, and its holder is told ``told``.
    """

    def __init__(self, authority: Authority) -> None:
        self._certificate, self._key = authority.sign(f"tokens-{secrets.token_hex(4)}", client=True)
        self._ca = authority.ca
        self.lifetime = self.told = 300
        self.requests: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _token_handler(self))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "TokenService":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def settings(self) -> dict[str, str]:
        """What docker-registry must know of it."""
        realm = f"http://{self.address}/token"
        return {"realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": str(self._ca)}

    def token(self, user: str, scopes: list[str]) -> str:
        """Return a signed token (RFC 7519) with the rights that the user has among the scopes."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            wanted = actions.split(",")
            granted = (
                wanted if user else [action for action in wanted if action == "pull" and name.startswith("public/")]
            )
            access.append({"type": kind, "name": name, "actions": granted})
        der = subprocess.run(
            ["openssl", "x509", "-in", self._certificate, "-outform", "der"], check=True, stdout=subprocess.PIPE
        ).stdout
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {"iss": "tests", "sub": user, "aud": "tests", "exp": now + self.lifetime, "nbf": now - 600, "iat": now}
        claims |= {"jti": secrets.token_hex(8), "access": access}
        message = b".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        sign = ["openssl", "dgst", "-sha256", "-sign", self._key]
        signature = subprocess.run(sign, input=message, check=True, stdout=subprocess.PIPE).stdout
        return (message + b"." + _base64url(signature)).decode()


def _token_handler(service: TokenService) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
            given = self.headers.get("Authorization", "")
            known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            self._hand_out(scopes, USER if given else "", refused=given not in ("", known))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._hand_out(form["scope"][0].split(), USER, refused=form["refresh_token"] != [IDENTITY_TOKEN])

        def _hand_out(self, scopes: list[str], user: str, *, refused: bool) -> None:
            service.requests.append(f"{self.command} {' '.join(scopes)}")
            key = "token" if self.command == "GET" else "access_token"
            answer = {key: service.token(user, scopes), "expires_in": service.told}
            body = json.dumps({"details": "incorrect username or password"} if refused else answer).encode()
            self.send_response(401 if refused else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Requests are recorded, not printed."""

    return Handler


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, stderr=subprocess.DEVNULL)


def _new_key(path: Path) -> list[str | Path]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", path]


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
