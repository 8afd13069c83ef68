# SPDX-License-Identifier: Apache-2.0
"""containerd's shim runs its containers with podwright-oci."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagetools import make_busybox_image
from podtools import eventually

OCI = Path(sys.executable).parent / "podwright-oci"
IMAGE = "localhost/busybox:latest"
CONFIG = """\
version = 2
root = "{folder}/root"
state = "{run}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{run}/sock"
[ttrpc]
address = "{run}/ttrpc"
"""


class Containerd:
    """A containerd of a test's own. ``ctr`` is its command line, in a namespace of the same name as its cgroup."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pwcontainerd-", dir="/var/tmp"))
        self.run = Path(tempfile.mkdtemp(prefix="pwctr-", dir="/run"))
        self.namespace = f"pwctr-{secrets.token_hex(4)}"  # the folder's name may end with "_", which is no name there
        config = self.folder / "config.toml"
        config.write_text(CONFIG.format(folder=self.folder, run=self.run))
        with (self.folder / "log").open("wb") as log:
            command = ["containerd", "-c", config]
            self._daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def prepare(self) -> None:
        """Wait for the daemon and give it an image."""
        eventually(lambda: self.call("version").returncode == 0, "containerd")
        layout, archive = self.folder / "layout", self.folder / "image.tar"
        make_busybox_image(layout)
        subprocess.run(["tar", "-C", layout, "-cf", archive, "."], check=True)
        self.ctr("images", "import", "--base-name", IMAGE.partition(":")[0], archive)

    def call(self, *words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``ctr WORDS`` and return it with its text."""
        command = ["ctr", "--address", self.run / "sock", "--namespace", self.namespace, *words]
        return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=60)

    def ctr(self, *words: str | Path, **options: Any) -> str:
        """Run ``ctr WORDS`` and return what it printed, without the last newline."""
        done = self.call(*words, **options)
        assert done.returncode == 0, f"ctr {words} ended with {done.returncode}: {done.stderr}"
        return done.stdout.removesuffix("\n")

    def status(self, name: str) -> str:
        """Return the status of a container's task."""
        lines = (line.split() for line in self.ctr("task", "list").splitlines())
        return next((line[2] for line in lines if line[0] == name), "")

    def close(self) -> None:
        """End the daemon and remove all that it made."""
        self._daemon.terminate()
        self._daemon.wait(20)
        for path in Path("/sys/fs/cgroup").glob(f"**/{self.namespace}"):
            path.rmdir()
        shutil.rmtree(self.folder)
        shutil.rmtree(self.run)
        shutil.rmtree(f"/run/containerd/runc/{self.namespace}", ignore_errors=True)


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    daemon = Containerd()
    try:
        daemon.prepare()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def sleeper(containerd: Containerd) -> Iterator[str]:
    """A container that sleeps, by its name."""
    name = f"sleeper-{os.urandom(4).hex()}"
    containerd.ctr("run", "--detach", *_ours(), "--memory-limit", str(64 << 20), IMAGE, name, "sleep", "1000")
    yield name
    containerd.call("task", "kill", "--signal", "KILL", name)
    eventually(lambda: containerd.status(name) in ("", "STOPPED"), "the end of the task")
    containerd.call("task", "delete", name)
    containerd.ctr("container", "delete", name)


def test_run_prints_and_returns_the_exit_code(containerd: Containerd) -> None:
    done = containerd.call("run", "--rm", *_ours(), IMAGE, "once", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_command_that_is_not_there(containerd: Containerd) -> None:
    done = containerd.call("run", "--rm", *_ours(), IMAGE, "never", "/no/such")
    assert done.returncode != 0
    assert "/no/such" in done.stderr
    assert "podwright-oci" in done.stderr or "no such file" in done.stderr.lower()


def test_exec(containerd: Containerd, sleeper: str) -> None:
    done = containerd.call("task", "exec", "--exec-id", "second", sleeper, "sh", "-c", "echo inside; exit 3")
    assert (done.returncode, done.stdout) == (3, "inside\n")


def test_pause_and_resume(containerd: Containerd, sleeper: str) -> None:
    containerd.ctr("task", "pause", sleeper)
    assert containerd.status(sleeper) == "PAUSED"
    containerd.ctr("task", "resume", sleeper)
    assert containerd.status(sleeper) == "RUNNING"


def test_processes_and_limits(containerd: Containerd, sleeper: str) -> None:
    assert len(containerd.ctr("task", "ps", sleeper).splitlines()) == 2, "a heading and a process"
    assert str(64 << 20) in containerd.ctr("task", "metrics", sleeper)


def test_kill(containerd: Containerd, sleeper: str) -> None:
    containerd.ctr("task", "kill", "--signal", "KILL", sleeper)
    eventually(lambda: containerd.status(sleeper) == "STOPPED", "the end of the task")


def _ours() -> tuple[str, ...]:
    return ("--runc-binary", str(OCI))
