# SPDX-License-Identifier: Apache-2.0
"""The program that asks what podinit cannot: TLS, redirections, gRPC's health service."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from podwright.pods import prober

HEADERS = [["Host", "a.example"], ["User-Agent", "kube-probe/1.36"], ["Accept", "*/*"]]


class Handler(BaseHTTPRequestHandler):
    """Answers by the path: /<status> or /to/<where>."""

    seen: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.seen.append((self.path, dict(self.headers.items())))
        _, first, *rest = self.path.split("/", 2)
        self.send_response(302 if first == "to" else int(first))
        if first == "to":
            self.send_header("Location", rest[0])
        self.end_headers()
        self.wfile.write(b"the body")

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    seen: list[tuple[str, dict[str, str]]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Fresh", (Handler,), {"seen": seen}))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Return a server's context with a certificate that nobody has reason to trust."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=other.example",
         "-keyout", folder / "key", "-out", folder / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def ask(kind: str, *arguments: str) -> tuple[int, str]:
    """Run it as podinit does."""
    command = [sys.executable, "-I", "-S", str(Path(prober.__file__)), kind, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def get(url: str, kind: str = "http") -> tuple[int, str]:
    return ask(kind, url, json.dumps(HEADERS), "5")


def test_any_certificate_is_good(tls: ssl.SSLContext) -> None:
    with serving(tls) as (base, seen):
        assert get(f"{base}/200/?a=b") == (0, "")
        assert get(f"{base}/500") == (1, "HTTP probe failed with statuscode: 500")
        assert get(f"{base}/500", "send") == (0, "")
    path, headers = seen[0]
    assert path == "/200/?a=b"
    assert headers == {
        "Host": "a.example", "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close",
    }  # fmt: skip


def test_a_redirection_on_the_same_host_is_followed(tls: ssl.SSLContext) -> None:
    with serving() as (base, seen), serving(tls) as (secure, beyond):
        assert get(f"{base}/to//200") == (0, "")
        assert [path for path, _ in seen] == ["/to//200", "/200"]
        assert seen[1][1]["Host"] == "a.example"
        assert get(f"{base}/to/{secure}/404") == (1, "HTTP probe failed with statuscode: 404")
        assert beyond[0][1]["Host"] == secure.removeprefix("https://")


def test_a_redirection_to_another_host_is_a_warning() -> None:
    with serving() as (base, _):
        assert get(f"{base}/to/http://other.example/x") == (
            3,
            "Probe terminated redirects, Response body: the body",
        )


def test_nobody_goes_round_for_ever() -> None:
    with serving() as (base, seen):
        assert get(f"{base}/to/.") == (1, "stopped after 10 redirects")  # /to/. leads to /to/, which leads to itself
        assert len(seen) == 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_listens(tls: ssl.SSLContext) -> None:
    assert get(f"https://127.0.0.1:{free_port()}/") == (1, "[Errno 111] Connection refused")
    with serving() as (base, seen):  # no TLS
        code, words = get(base.replace("http", "https") + "/200")
        assert (code, "SSL" in words, seen) == (1, True, [])
        assert get(base.replace("http", "https") + "/200", "send") == (0, "")  # a hook is content with it
        assert [path for path, _ in seen] == ["/200"]


def test_a_connection_to_a_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ask("tcp", "localhost", str(listener.getsockname()[1]), "5") == (0, "")
    assert ask("tcp", "localhost", str(free_port()), "5") == (1, "[Errno 111] Connection refused")
    code, words = ask("tcp", "none.invalid", "1", "5")
    assert (code, words.startswith("[Errno -")) == (1, True)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def health(number: int | None) -> bytes:
    """Return the frames of an answer with a status; its headers are one byte of HPACK, :status 200."""
    message = b"" if number is None else bytes((8, number))
    body = frame(0, 0, 1, b"\0" + struct.pack(">I", len(message)) + message)
    return frame(4, 0, 0, b"") + frame(6, 0, 0, b"12345678") + frame(1, 4, 1, b"\x88") + body + frame(1, 5, 1, b"")


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection of gRPC: read the call, give this answer."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                said.append(connection.recv(65536))
                connection.sendall(answer)
                while more := connection.recv(65536):
                    said.append(more)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], said
        thread.join()


def call(answer: bytes, service: str = "") -> tuple[int, str]:
    with answering(answer) as (port, _):
        return ask("grpc", "127.0.0.1", str(port), service, "5")


def test_grpc_asks_for_its_service() -> None:
    with answering(health(1)) as (port, said):
        assert ask("grpc", "127.0.0.1", str(port), "shop.Cart", "5") == (0, "")
    whole = b"".join(said)
    assert whole.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/grpc.health.v1.Health/Check" in whole
    assert b"\x0a\x09shop.Cart" in whole
    assert frame(6, 1, 0, b"12345678") in whole  # the answer to a ping
    assert frame(4, 1, 0, b"") in whole


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: health(2), 'service unhealthy (responded with "NOT_SERVING")'),
        (lambda: health(None), 'service unhealthy (responded with "UNKNOWN")'),
        (lambda: health(99), 'service unhealthy (responded with "99")'),
        (lambda: frame(1, 5, 1, b""), "error: health rpc probe failed: the server has no such service"),
        (lambda: frame(7, 0, 0, b"\0" * 8), "error: health rpc probe failed: the server broke it off"),
        (lambda: b"HTTP/1.1 400 Bad Request\r\n\r\n", "error: health rpc probe failed: the server does not speak"),
        (lambda: b"", "error: health rpc probe failed: the server closed the connection"),
    ],
)
def test_what_grpc_does_not_answer_with_serving_is_bad(answer: Callable[[], bytes], words: str) -> None:
    given = answer()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(given)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        code, said = ask("grpc", "127.0.0.1", str(listener.getsockname()[1]), "", "5")
        thread.join()
    assert (code, said[: len(words)]) == (1, words)


def test_grpc_without_a_server() -> None:
    port = free_port()
    code, words = ask("grpc", "127.0.0.1", str(port), "", "5")
    assert (code, words.startswith(f'error: failed to connect service at "127.0.0.1:{port}"')) == (1, True)
