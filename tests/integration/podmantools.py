# SPDX-License-Identifier: Apache-2.0
"""podman with podwright-oci as its runtime, and with storage and networks of a test's own.

The runtime's records are where they always are: podman 4.3 forgets ``--runtime-flag root=…`` when a container ends.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OCI = Path(sys.executable).parent / "podwright-oci"
IMAGE = "localhost/busybox:1"
# podman gives each container limits that it takes from the kernel's maximum. A root without CAP_SYS_RESOURCE may not
# raise its own, so these are low ones.
CONTAINERS_CONF = """\
[network]
network_backend = "netavark"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman:
    """One podman. ``run`` is its command line."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pwpodman-", dir="/var/tmp"))
        conf = self.folder / "containers.conf"
        conf.write_text(CONTAINERS_CONF)
        self.env = os.environ | {"CONTAINERS_CONF": str(conf)}
        folders = {name: self.folder / name for name in ("root", "runroot", "tmpdir", "network-config-dir")}
        for path in folders.values():
            path.mkdir()
        own = [part for name, path in folders.items() for part in (f"--{name}", str(path))]
        self._command = ["podman", *own, "--runtime", str(OCI)]
        self._import()

    def run(self, *words: str | Path, check: bool = True, stdin: str = "", **options: Any) -> str:
        """Run ``podman WORDS`` and return what it printed, without the last newline."""
        done = self.call(*words, stdin=stdin, **options)
        assert done.returncode == 0 or not check, f"podman {words} ended with {done.returncode}: {done.stderr}"
        return done.stdout.removesuffix("\n")

    def call(self, *words: str | Path, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``podman WORDS`` and return it with its text."""
        command = [*self._command, *words]
        return subprocess.run(
            command, env=self.env, input=stdin, text=True, capture_output=True, timeout=120, **options
        )

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what podman knows about a container."""
        found: list[dict[str, Any]] = json.loads(self.run("inspect", "--type", "container", name))
        return found[0]

    def listed(self) -> dict[str, str]:
        """Return the status of each of its containers by ID, as ``podwright-oci list`` tells."""
        said = subprocess.run([OCI, "list", "--format", "json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return {item["id"]: item["status"] for item in json.loads(said) or [] if str(self.folder) in item["bundle"]}

    def close(self) -> None:
        """Remove every container and pod, and the mounts that podman leaves for its next run."""
        self.run("pod", "rm", "-a", "-f", "-t", "0")
        self.run("rm", "-a", "-f", "-t", "0")
        left = self.listed()
        for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if mount.split()[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", mount.split()[1]], check=True)
        shutil.rmtree(self.folder)
        assert not left, f"containers that podman removed: {left}"

    def _import(self) -> None:
        """Make an image of busybox alone."""
        root = self.folder / "image"
        (root / "bin").mkdir(parents=True)
        busybox = shutil.which("busybox")
        assert busybox, "busybox-static is installed"
        shutil.copy(busybox, root / "bin/busybox")
        for name in subprocess.run([busybox, "--list"], check=True, text=True, stdout=subprocess.PIPE).stdout.split():
            if name != "busybox":
                (root / "bin" / name).symlink_to("busybox")
        archive = self.folder / "image.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        self.run("import", "-q", "--change", "ENV PATH=/bin", archive, IMAGE)
