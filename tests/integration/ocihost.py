# SPDX-License-Identifier: Apache-2.0
"""podwright-oci in a test's own installation: bundles, commands, and what they leave on the host."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hosttools import BIN, Host, HostState
from podwright.oci.default_spec import default_spec

Spec = dict[str, Any]
Change = Callable[[Spec], object]

PROGRAMS = (
    "sh",
    "sleep",
    "cat",
    "echo",
    "true",
    "id",
    "dd",
    "test",
    "ls",
    "kill",
    "stat",
    "readlink",
    "ln",
    "cut",
    "mkdir",
)
MOUNT_POINTS = ("dev", "etc", "proc", "sys", "tmp")


class OciHost:
    """Runs podwright-oci. The containers' cgroups, state and roots all carry the mark of ``host``."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.root = host.run_dir / "run/oci"
        self.bundles = host.root / "bundles"
        self.rootfs = make_rootfs(host.root / "rootfs")
        host.root.chmod(0o711)  # a container's own user may pass to its root

    def spec(self, container_id: str, *args: str) -> Spec:
        """Return a configuration that is right: the default one with a program, without a terminal."""
        spec = default_spec()
        spec["process"] |= {"args": list(args), "terminal": False, "env": ["PATH=/bin"]}
        del spec["process"]["rlimits"]
        spec["root"] = {"path": str(self.rootfs)}
        spec["linux"]["cgroupsPath"] = f"{self.host.cgroup}/{container_id}"
        return spec

    def bundle(self, container_id: str, *args: str, change: Change | None = None) -> str:
        """Write a bundle and return its path."""
        spec = self.spec(container_id, *args)
        if change:
            change(spec)
        folder = self.bundles / container_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(spec))
        return str(folder)

    def __call__(self, *words: str, code: int = 0, **options: Any) -> str:
        """Run a command to its end; return what it printed, or with another ``code`` what it said on stderr."""
        done = self.run(*words, **options)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command. A container keeps its streams, so what makes one has files for them, not pipes."""
        with (self.host.root / "out").open("w+") as out, (self.host.root / "err").open("w+") as err:
            # not a pipe, as which a container that is made here would keep it
            given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "timeout": 120}
            if "input" in options:
                del given["stdin"]
            done = subprocess.run(self.words(*words), text=True, **(given | {"env": self.host.env} | options))
            for file in (out, err):
                file.seek(0)
            done.stdout, done.stderr = done.stdout or out.read(), done.stderr or err.read()
        for name in ("out", "err"):
            (self.host.root / name).unlink()
        return done

    def quiet(self, *words: str, **options: Any) -> int:
        """Run a command whose streams are the null device; return its exit code."""
        null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.run(
            self.words(*words), **(null | {"env": self.host.env, "timeout": 120} | options)
        ).returncode

    def words(self, *words: str) -> list[str]:
        return [str(BIN / "podwright-oci"), *words]

    def create(self, container_id: str, *args: str, change: Change | None = None, options: tuple[str, ...] = ()) -> int:
        """Make a container and return its first process."""
        self("create", "-b", self.bundle(container_id, *args, change=change), *options, container_id)
        return int(self.state(container_id)["pid"])

    def begin(self, container_id: str, *args: str, change: Change | None = None) -> int:
        """Make and start a container; return its first process."""
        pid = self.create(container_id, *args, change=change)
        self("start", container_id)
        return pid

    def end_of(self, container_id: str, *args: str, change: Change | None = None) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        return self.run("run", "-b", self.bundle(container_id, *args, change=change), container_id)

    def state(self, container_id: str) -> dict[str, Any]:
        return json.loads(self("state", container_id))

    def snapshot(self) -> HostState:
        """Return what of this is on the host, once what is on its way out is gone."""
        deadline = time.monotonic() + 10
        while self.host.processes() and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.host.snapshot()

    def close(self) -> None:
        """Delete all containers."""
        for container_id in os.listdir(self.root) if self.root.is_dir() else []:
            self("delete", "--force", container_id)
        assert not self.root.is_dir() or os.listdir(self.root) == []


@contextlib.contextmanager
def oci_host() -> Iterator[OciHost]:
    """An installation of its own; at its end nothing of it may be left."""
    host = Host()
    try:
        made = OciHost(host)
        yield made
        made.close()
    finally:
        host.close()


def make_rootfs(folder: Path) -> Path:
    """Make a root of busybox with every mount point that the default configuration has."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin")
    for name in PROGRAMS:
        (folder / "bin" / name).symlink_to("busybox")
    for name in MOUNT_POINTS:
        (folder / name).mkdir()
    return folder


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
