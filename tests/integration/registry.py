# SPDX-License-Identifier: Apache-2.0
"""Debian's registry for tests; one that lies is in lying_registry.py.

with Registry() as registry:
    push(layout, f"{registry.address}/busybox:1")
"""

import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
