# SPDX-License-Identifier: Apache-2.0
"""A registry in a thread of the test, which serves what it is told and lies as it is told.

with LyingRegistry(layout) as registry:
    registry.lie("/blobs/", cut(1000), times=1)   # lies.py has what there is to say
    store.pull(registry.reference)
"""

import fcntl
import http.server
import json
import os
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from lies import Answer, Content, Exchange, Lie, cut, honest

FOREVER = 1 << 62


class LyingRegistry:
    """Serves the image of an OCI layout as ``reference``, and may lie about it.

    ``lie``: "" for none, "wrong-bytes" (one byte of each layer is another), "truncated" (the connection ends in the
    middle of a layer), "wrong-size" (the layers have a byte more than promised). For all other lies see ``lie()``.

    ``manifests`` maps "NAME/REFERENCE" (a tag or a digest) to (media type, bytes), ``blobs`` a digest to the bytes that
    are served for it. ``log`` has every exchange.
    """

    def __init__(self, layout: Path | str | None = None, lie: str = "") -> None:
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.log: list[Exchange] = []
        self._lies: list[tuple[str, Lie, Iterator[int]]] = []
        self._progress = threading.Condition()
        self._served = 0
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.reference = f"{self.address}/image:1"
        if layout:
            self._misrepresent(self.add_layout(layout, "image", "1"), lie)

    def __enter__(self) -> "LyingRegistry":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # What there is, and what is said of it

    def add_layout(self, layout: Path | str, name: str, tag: str) -> dict[str, Any]:
        """Serve an OCI layout's image, so far honestly, and return its manifest."""
        index = json.loads((Path(layout) / "index.json").read_text())
        for blob in (Path(layout) / "blobs" / "sha256").iterdir():
            self.blobs[f"sha256:{blob.name}"] = blob.read_bytes()
        top = index["manifests"][0]
        for reference in (tag, top["digest"]):
            self.manifests[f"{name}/{reference}"] = (top["mediaType"], self.blobs[top["digest"]])
        manifest: dict[str, Any] = json.loads(self.blobs[top["digest"]])
        return manifest

    def lie(self, about: str, lie: Lie, *, times: int = FOREVER) -> None:
        """Answer with this lie the next ``times`` requests whose path has ``about`` in it.

        Lies that were told to it first go first; when none is left, the registry says the truth.
        """
        self._lies.append((about, lie, iter(range(times))))

    def honest(self) -> None:
        """Forget all lies; answers on their way are still told to their end."""
        self._lies = []

    # What was asked

    def asked(self, about: str) -> list[Exchange]:
        """Return the exchanges, HEAD aside, whose path has ``about`` in it."""
        return [exchange for exchange in self.log if exchange.method != "HEAD" and about in exchange.path]

    def wait_until_served(self, size: int, seconds: float = 60) -> bool:
        """Wait until so many bytes of blobs have gone out; False when that takes too long."""
        with self._progress:
            return self._progress.wait_for(lambda: self._served >= size, seconds)

    def settle(self, seconds: float = 60) -> bool:
        """Wait until no connection is open; False when that takes too long.

        A client that was killed may have asked just before, and its request be read and recorded only now.
        """
        with socket.create_connection(self._server.server_address) as last:  # accepted after all before it
            return self._server.wait_until_alone(last.getsockname(), seconds)

    # For the handler

    def answer(self, exchange: Exchange) -> Answer:
        """Choose what to say."""
        self.log.append(exchange)
        content = self._content(exchange.path)
        for about, lie, times in self._lies:
            if about in exchange.path and next(times, None) is not None:
                return lie(exchange, content)
        return honest(exchange, content)

    def count(self, exchange: Exchange, size: int) -> None:
        """Take note of what went out."""
        exchange.sent += size
        if "/blobs/" in exchange.path:
            with self._progress:
                self._served += size
                self._progress.notify_all()

    def _content(self, path: str) -> Content:
        *_, kind, last = ["", *path.partition("?")[0].strip("/").split("/")]
        name = path.removeprefix("/v2/").partition(f"/{kind}/")[0]
        if kind == "manifests" and f"{name}/{last}" in self.manifests:
            return Content(200, *self.manifests[f"{name}/{last}"])
        if kind == "blobs" and last in self.blobs:
            return Content(200, "application/octet-stream", self.blobs[last])
        return Content(404, "application/json", b"{}")

    def _misrepresent(self, manifest: dict[str, Any], lie: str) -> None:
        for layer in manifest["layers"]:
            digest, true = layer["digest"], self.blobs[layer["digest"]]
            if lie == "wrong-bytes":
                self.blobs[digest] = true[:-1] + bytes([true[-1] ^ 1])
            elif lie == "wrong-size":
                self.blobs[digest] = true + b"x"
            elif lie == "truncated":
                self.lie(digest, cut(len(true) // 2))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a dropped SYN costs a client a second

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[Any] = set()
        self._changed = threading.Condition()

    def wait_until_alone(self, address: Any, seconds: float) -> bool:
        """Wait until the client at this address has the only connection."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == {address}, seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        """See socketserver; a connection is open from here on."""
        with self._changed:
            self._open.add(client_address)
            self._changed.notify_all()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See socketserver."""
        super().process_request_thread(request, client_address)
        with self._changed:
            self._open.discard(client_address)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up or were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(registry: LyingRegistry) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            exchange = Exchange(self.command, self.path, headers)
            answer = registry.answer(exchange)
            exchange.status, exchange.start = answer.status, answer.start
            self._head(answer)
            if self.command == "GET":
                self._body(exchange, answer)

        def _head(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.length is None:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(answer.length))
            self.end_headers()

        def _body(self, exchange: Exchange, answer: Answer) -> None:
            for piece in answer.body:
                if answer.length is None:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                else:
                    self.wfile.write(piece)
                registry.count(exchange, len(piece))
            if answer.end == "reset":
                _reset(self.connection)
            self.close_connection = self.close_connection or answer.end != ""

        def log_message(self, *_: object) -> None:
            """Requests are recorded, not printed."""

    return Handler


def _reset(connection: socket.socket) -> None:
    """Break a connection (RST) once the other side has all that was sent: how much it got is then known."""
    while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]:
        time.sleep(0.005)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
