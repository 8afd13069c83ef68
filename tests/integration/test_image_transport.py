# SPDX-License-Identifier: Apache-2.0
"""HTTP over real sockets: what is kept open, what is given up, and the way through a proxy."""

import base64
import contextlib
import http.server
import re
import select
import socket
import ssl
import threading
import time
import tracemalloc

import pytest

from podwright.config import RegistryHost
from podwright.errors import ImageError
from podwright.images.distribution import connections, retry
from podwright.images.distribution import http as http_module
from podwright.images.distribution.credentials import Auth, Login
from podwright.images.distribution.endpoints import tls_settings
from podwright.images.distribution.http import NetworkTransport, TransientError
from podwright.images.distribution.proxies import Proxies
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.registry import Registry as Client
from podwright.images.distribution.repository import Repository
from podwright.images.documents import Descriptor
from podwright.images.reference import parse
from secure_registry import Authority, SecureRegistry

BLOB = Descriptor("", "sha256:" + "0" * 64, 1 << 20)


class Server:
    """Answers each connection on loopback by a function that gets its socket; counts connections and bytes sent."""

    def __init__(self, answer, tls=None):
        self._answer = answer
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads = []
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections = 0
        self.sent = 0
        self.heads = []

    def __enter__(self):
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._socket.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection):
        with contextlib.suppress(OSError), self._secured(connection) as connection:
            connection.settimeout(15)
            while head := self._head(connection):
                self.heads.append(head)
                for piece in self._answer(head):
                    if not piece:
                        return
                    connection.sendall(piece)
                    self.sent += len(piece)

    def _secured(self, connection):
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection

    @staticmethod
    def _head(connection):
        """Read a request with its body, byte by byte: nobody waits for it here."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return ""
            data += byte
        length = re.search(rb"content-length: (\d+)", data, re.I)
        for _ in range(int(length[1]) if length else 0):
            data += connection.recv(1)
        if b"transfer-encoding: chunked" in data.lower():
            while not data.endswith(b"\r\n0\r\n\r\n"):
                data += connection.recv(1)
        return data.decode()


def status(code, body=b"", *headers):
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def repository(server, **options):
    return Repository(parse(f"{server.address}/a/b:1"), attempts=1, **options)


def get(repository, method="GET", path="manifests/1", **options):
    with repository.exchange(method, path, **options) as answer:
        return b"".join(answer.chunks)


def test_a_connection_is_kept():
    def answer(head):
        if "Authorization" not in head:
            yield status(
                401, b"who?", 'WWW-Authenticate: Negotiate, Digest realm="x"', "WWW-Authenticate: Basic realm=x"
            )
        elif "/there" not in head:
            yield status(307, b"there", "Location: /there")
        elif head.startswith("HEAD"):
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
        elif "/there" in head:
            yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    with Server(answer) as server:
        client = repository(server, auth=Auth(Login("me", "x")))
        assert [get(client), get(client), get(client, "HEAD"), get(client)] == [b"abc", b"abc", b"", b"abc"]
        with client.exchange("HEAD", "manifests/1"):
            pass  # nothing is read
        assert get(client) == b"abc"
        assert (server.connections, len(server.heads)) == (1, 13)
        client.close()


def test_what_is_sent():
    def answer(head):
        yield status(201)

    with Server(answer) as server:
        client = repository(server)
        for body, headers in [
            (b"abc", {}),
            (lambda: iter([b"a", b"bc"]), {}),
            (lambda: iter([b"a", b"bc"]), {"Content-Length": "3"}),
            (b"", {}),
        ]:
            get(client, "PUT", "blobs/uploads/1", body=body, headers=headers, expect=(201,))
        whole, chunked, measured, empty = server.heads
        client.close()
    assert whole.endswith("\r\n\r\nabc")
    assert chunked.endswith("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
    assert measured.endswith("\r\n\r\nabc")
    assert "transfer-encoding" not in measured.lower()
    assert "content-length: 0" in empty.lower()
    assert all(head.startswith("PUT /v2/a/b/blobs/uploads/1 HTTP/1.1") for head in server.heads)


def chunked(size):
    """A body without an end."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"%x\r\n" % size + bytes(size) + b"\r\n"


def test_an_endless_blob_is_ended():
    with Server(lambda head: chunked(1 << 16)) as server:
        client = Client(parse(f"{server.address}/a/b:1"))
        with pytest.raises(ImageError, match="comes with more bytes, and must have 1048576"):
            for chunk in client.blob(BLOB):
                assert len(chunk) <= http_module.CHUNK
        client.close()
    assert server.connections == 1
    assert server.sent < 16 << 20, "and what the sockets buffer"


@pytest.mark.parametrize("told", [True, False])
def test_an_endless_manifest_is_ended_in_little_memory(told):
    def answer(head):
        if told:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"
            for _ in range(100):
                yield bytes(1 << 20)
        yield from chunked(1 << 16)

    with Server(answer) as server:
        client = Client(parse(f"{server.address}/a/b:1"))
        get_nothing = parse(f"{server.address}/a/b:2")  # urllib3 is imported before it is measured
        with pytest.raises(ImageError):
            Client(get_nothing).top()
        tracemalloc.start()
        with pytest.raises(ImageError, match="sent a manifest of more than 4194304 bytes"):
            client.top()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        client.close()
    assert peak < 12 << 20


def test_a_slow_drip_is_given_up(monkeypatch):
    monkeypatch.setattr(retry, "WINDOW", 0.5)

    def answer(head):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"
        while True:
            time.sleep(0.02)
            yield b"x"

    with Server(answer) as server:
        client = repository(server)
        start = time.monotonic()
        with pytest.raises(TransientError, match=f"what {server.address} sends comes at less than 1024 bytes a second"):
            get(client)
        assert time.monotonic() - start < 10
        client.close()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_who_stands_still_is_given_up(monkeypatch, start):
    monkeypatch.setattr(http_module, "READ_TIMEOUT", 0.3)
    over = threading.Event()

    def answer(head):
        if start:
            yield start
        over.wait(15)
        yield b""

    with Server(answer) as server:
        client = repository(server)
        with pytest.raises(TransientError, match=f"{server.address}: it did not answer in time"):
            get(client)
        over.set()
        client.close()


@pytest.mark.parametrize("endless", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP"])
def test_a_head_that_drips_is_given_up(monkeypatch, endless):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.5)

    def answer(head):
        yield endless
        while True:
            time.sleep(0.02)
            yield b"x"

    with Server(answer) as server:
        client = repository(server)
        with pytest.raises(TransientError, match=f"cannot reach {server.address}: it did not answer in time"):
            get(client)
        client.close()


def test_a_head_that_drips_over_tls_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.5)
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("dripping"))

    def answer(head):
        while True:
            time.sleep(0.02)
            yield b"x"

    with Server(answer, context) as server:
        known = Registries(hosts=(RegistryHost(server.address, ca=str(authority.ca)),))
        client = repository(server, registries=known)
        with pytest.raises(TransientError, match=f"cannot reach {server.address}: it did not answer in time"):
            get(client)
        client.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nq\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99999 + b"\r\n\r\n",
    ],
    ids=range(8),
)
def test_what_is_no_answer_is_one_error(answer):
    def answers(head):
        if answer:
            yield answer
        yield b""

    with Server(answers) as server:
        client = repository(server)
        with pytest.raises(
            TransientError, match=f"(cannot reach|lost the connection to) {server.address}: ."
        ) as caught:
            get(client)
        assert "\n" not in str(caught.value)
        assert "object at" not in str(caught.value)
        client.close()


def test_a_blob_over_a_line_that_breaks_again_and_again(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    content = bytes(range(256)) * 4096

    def answer(head):
        match = re.search(r"range: bytes=(\d+)-", head, re.I)
        start = int(match[1]) if match else 0
        code = f"206 X\r\nContent-Range: bytes {start}-{len(content) - 1}/{len(content)}" if match else "200 OK"
        yield f"HTTP/1.1 {code}\r\nContent-Length: {len(content) - start}\r\n\r\n".encode()
        yield content[start : start + 70000]
        yield b""

    with Server(answer) as server:
        client = Client(parse(f"{server.address}/a/b:1"))
        assert b"".join(client.blob(BLOB)) == content
        assert len(server.heads) == 15
        client.close()


def test_who_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    client = Repository(parse(f"{place}/a:1"), attempts=1)
    with pytest.raises(TransientError, match=f"cannot reach {place}: Connection refused"):
        get(client)


def test_a_name_that_nobody_has():
    client = Repository(parse("registry.invalid/a:1"), attempts=1)
    with pytest.raises(TransientError, match=r"cannot reach registry\.invalid: .*[Nn]ame"):
        get(client)


# ---- proxies ----


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy that takes every place for ``target``, from whoever says me:secret; ``asked`` has its requests."""

    daemon_threads = True

    def __init__(self, target):
        self.target = target
        self.asked = []
        super().__init__(("127.0.0.1", 0), ProxyHandler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def url(self, login="me:secret@"):
        return f"http://{login}127.0.0.1:{self.server_address[1]}"


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def is_known(self):
        known = self.headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
        if not known:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return known

    def do_CONNECT(self):
        self.server.asked.append(f"CONNECT {self.path}")
        if not self.is_known():
            return
        host, _, port = self.server.target.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            while ready := select.select([self.connection, far], [], [], 20)[0]:
                for side in ready:
                    data = side.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    (far if side is self.connection else self.connection).sendall(data)

    def do_GET(self):
        self.server.asked.append(f"GET {self.path}")
        if self.is_known():
            self.send_response(200)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"abc")

    def log_message(self, *_):
        pass


def test_https_through_a_proxy(tmp_path):
    authority = Authority(tmp_path)
    known = Registries(hosts=(RegistryHost("registry.test", ca=str(authority.ca)),))
    with SecureRegistry(tls=authority, host="DNS:registry.test") as registry, Proxy(registry.address) as proxy:
        transport = NetworkTransport(tls_settings(known), Proxies.of_environment({"HTTPS_PROXY": proxy.url()}))
        client = Client(parse("registry.test/a:1"), known, transport=transport)
        with pytest.raises(ImageError, match=r"registry\.test has no such manifest: manifest unknown"):
            client.top()
        client.close()
        assert proxy.asked == ["CONNECT registry.test:443"]


def test_http_through_a_proxy():
    with Proxy("") as proxy:
        transport = NetworkTransport(proxies=Proxies(http=proxy.url()))
        client = Repository(parse("registry.test/a:1"), Registries(insecure=("registry.test",)), transport=transport)
        assert get(client) == b"abc"
        client.close()
        assert proxy.asked == ["GET http://registry.test/v2/a/manifests/1"]


@pytest.mark.parametrize("insecure", [(), ("registry.test",)])
def test_a_proxy_that_wants_a_password(insecure):
    with Proxy("") as proxy:
        transport = NetworkTransport(proxies=Proxies(proxy.url("me:wrong@"), proxy.url("me:wrong@")))
        client = Repository(parse("registry.test/a:1"), Registries(insecure), attempts=1, transport=transport)
        with pytest.raises(ImageError, match="407") as caught:
            get(client)
        assert "wrong" not in str(caught.value)
        client.close()


def test_a_proxy_that_is_not_there():
    transport = NetworkTransport(proxies=Proxies(https="http://127.0.0.1:1"))
    client = Repository(parse("registry.test/a:1"), attempts=1, transport=transport)
    with pytest.raises(
        TransientError, match=r"cannot reach registry\.test through the proxy 127\.0\.0\.1:1: Connection refused"
    ):
        get(client)
