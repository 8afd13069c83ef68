# SPDX-License-Identifier: Apache-2.0
"""Registries for tests: Debian's real one, and one that lies.

with Registry() as registry:
    push(layout, f"{registry.address}/busybox:1")

with LyingRegistry(layout, lie="wrong-bytes") as registry:
    store.pull(registry.reference)
"""

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any


class Registry:
    """Debian's docker-registry on a free loopback port, its storage in a temporary folder. ``address`` is host:port."""

    def __init__(self) -> None:
        self.address = ""

    def __enter__(self) -> "Registry":
        self._folder = Path(tempfile.mkdtemp(prefix="podwright-registry-"))
        for _ in range(5):  # another process may take the port between our look and the registry's bind
            self._start(_free_port())
            if self._is_up():
                return self
            self._stop()
        shutil.rmtree(self._folder)
        raise RuntimeError(f"docker-registry did not start: {self._log()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        shutil.rmtree(self._folder)

    def _start(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        config = self._folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: warn}}\nhttp: {{addr: '{self.address}', secret: tests}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self._folder}/data}}, delete: {{enabled: true}}}}\n"
        )
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)

    def _is_up(self) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"http://{self.address}/v2/", timeout=10).close()
            except OSError:
                time.sleep(0.05)
            else:
                return True
        return False

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text() if log.exists() else ""


class LyingRegistry:
    """A small registry in a thread, which serves the image of an OCI layout as ``reference``, and may lie about it.

    ``lie``: "" for none, "wrong-bytes" (one byte of each layer is another), "truncated" (the connection ends in the
    middle of a layer), "wrong-size" (the layers have a byte more than promised).

    For other lies: ``manifests`` maps "NAME/REFERENCE" (a tag or a digest) to (media type, bytes), ``blobs`` a digest
    to the bytes that are served for it, ``cut`` holds digests whose body breaks off, blobs in ``stall`` stop
    in the middle until they are taken out of it (``stalled`` says when), ``failures`` counts down requests that get
    status 503 first. ``requests`` records "METHOD PATH".
    """

    def __init__(self, layout: Path | str | None = None, lie: str = "") -> None:
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.stall: set[str] = set()
        self.stalled = threading.Event()
        self.failures = 0
        self.requests: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.reference = f"{self.address}/image:1"
        if layout:
            self._lie(self.add_layout(layout, "image", "1"), lie)

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

    def _lie(self, manifest: dict[str, Any], lie: str) -> None:
        for layer in manifest["layers"]:
            digest, honest = layer["digest"], self.blobs[layer["digest"]]
            if lie == "wrong-bytes":
                self.blobs[digest] = honest[:-1] + bytes([honest[-1] ^ 1])
            elif lie == "wrong-size":
                self.blobs[digest] = honest + b"x"
            elif lie == "truncated":
                self.cut.add(digest)


def _handler(registry: LyingRegistry) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            registry.requests.append(f"{self.command} {self.path}")
            if registry.failures:
                registry.failures -= 1
                self._answer(503, "text/plain", b"")
                return
            parts = self.path.strip("/").split("/")
            kind, last = parts[-2], parts[-1]
            name = "/".join(parts[1:-2])
            if kind == "manifests" and f"{name}/{last}" in registry.manifests:
                self._answer(200, *registry.manifests[f"{name}/{last}"])
            elif kind == "blobs" and last in registry.blobs:
                self._blob(last, registry.blobs[last])
            else:
                self._answer(404, "application/json", b"{}")

        def _blob(self, digest: str, body: bytes) -> None:
            half = len(body) // 2
            self._head(200, "application/octet-stream", len(body))
            with contextlib.suppress(ConnectionError):  # whoever asked was killed
                self.wfile.write(body[:half])
                if digest in registry.cut:
                    self.close_connection = True
                    return
                while digest in registry.stall:
                    registry.stalled.set()
                    time.sleep(0.05)
                self.wfile.write(body[half:])

        def _answer(self, status: int, media_type: str, body: bytes) -> None:
            self._head(status, media_type, len(body))
            if self.command == "GET":
                self.wfile.write(body)

        def _head(self, status: int, media_type: str, size: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(size))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Requests are recorded, not printed."""

    return Handler


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
