# SPDX-License-Identifier: Apache-2.0
"""OCI containers of busybox in the guest, and what the guest's kernel says of them."""

import json
import os
import shlex
import time
from collections.abc import Callable
from typing import Any

from guest import OCI, Guest

ROOT = "/root/rootfs"
CAPABILITIES = ["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_KILL"]
DEVICES = [{"allow": False, "access": "rwm"}]
"""Nothing but the devices that every container has."""


class Container:
    """A container that runs a shell script, from create to delete (a context manager)."""

    def __init__(
        self, guest: Guest, script: str, resources: dict[str, Any], *, manager: str = "cgroupfs", **linux: Any
    ):
        self.guest = guest
        self.name = f"test-{os.urandom(4).hex()}"
        self.bundle = f"/root/{self.name}"
        self.systemd = manager == "systemd"
        self.scope = f"podwright-{self.name}.scope"
        self.group = f"/system.slice/{self.scope}/container" if self.systemd else f"/{self.name}"
        self.oci = f"{OCI} --cgroup-manager {manager}"
        self.config = self._make_config(script, resources, linux)

    def __enter__(self) -> "Container":
        self.guest.write(f"{self.bundle}/config.json", json.dumps(self.config).encode())
        self.guest.sh(f"""
            [ -d {ROOT}/bin ] || {{ mkdir -p {ROOT}/bin {ROOT}/proc {ROOT}/dev {ROOT}/tmp; cp /bin/busybox {ROOT}/bin/
            chroot {ROOT} /bin/busybox --install -s /bin; }}
            cd {self.bundle} && {{ {self.oci} create {self.name} >said 2>&1 </dev/null || {{ cat said; exit 1; }}; }} &&
            {self.oci} start {self.name}
        """)
        return self

    def __exit__(self, *_: object) -> None:
        outermost = self.group.removesuffix("/container")
        said = self.guest.run(f"{self.oci} delete --force {self.name}; ls -d /sys/fs/cgroup{outermost}")
        assert b"No such file" in said.stdout, f"the cgroup is left, or delete said something: {said.stdout!r}"

    def cgroup(self, name: str) -> str:
        """Return the content of one of the cgroup's files."""
        return self.guest.sh(f"cat /sys/fs/cgroup{self.group}/{name}")

    def count(self, name: str, key: str) -> int:
        """Return a number of one of the cgroup's files with a key in each line."""
        return int(dict(line.split() for line in self.cgroup(name).splitlines())[key])

    def said(self) -> str:
        """Return what the script printed so far."""
        return self.guest.sh(f"cat {self.bundle}/said")

    def order(self, words: str) -> str:
        """Run a command of podwright-oci on the container."""
        return self.guest.sh(f"{self.oci} {words} {self.name}")

    def exec(self, script: str) -> str:
        """Run a script beside the first one."""
        return self.guest.sh(f"{self.oci} exec {self.name} sh -c {shlex.quote(script)}")

    def _make_config(self, script: str, resources: dict[str, Any], linux: dict[str, Any]) -> dict[str, Any]:
        sets = ("bounding", "effective", "permitted")
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["sh", "-c", script],
                "env": ["PATH=/bin"],
                "cwd": "/",
                "capabilities": dict.fromkeys(sets, CAPABILITIES),
            },
            "root": {"path": ROOT},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "size=64k"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")],
                "cgroupsPath": f"system.slice:podwright:{self.name}" if self.systemd else self.group,
                "resources": {"devices": DEVICES, **resources},
                **linux,
            },
        }


def eventually(probe: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Return the first truthy value of ``probe``; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)
    return value
