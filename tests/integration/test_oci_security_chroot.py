# SPDX-License-Identifier: Apache-2.0
"""Podwright in a chroot, as build machines have them: the host outside it is as far away as ever."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ocihost import OciHost

CHROOT = 'mount --make-rprivate / && mount --rbind / "$0" && exec chroot "$0" "$@"'


class ChrootHost(OciHost):
    """Runs podwright-oci in a chroot, which holds what the host's root holds and is another mount."""

    def words(self, *words: str) -> list[str]:
        """See OciHost."""
        place = self.host.root / "chroot"
        place.mkdir(exist_ok=True)
        return ["unshare", "-m", "sh", "-c", CHROOT, str(place), *super().words(*words)]


@pytest.fixture
def oci(host):
    return ChrootHost(host)


def test_exec_sees_the_container_and_not_the_host(oci: ChrootHost) -> None:
    pid = oci.begin("c1", "sleep", "600")
    mine = sorted(os.listdir(oci.rootfs))
    assert sorted(oci("exec", "c1", "ls", "/").split()) == mine
    assert sorted(os.listdir(f"/proc/{pid}/root")) == mine
    assert os.readlink(f"/proc/{pid}/exe") == "/bin/busybox"
    oci("delete", "--force", "c1")


def test_the_root_of_the_containers_mount_namespace_is_the_containers(oci: ChrootHost) -> None:
    """Whoever may chroot(2) can leave a chroot, but not the root of a mount namespace."""
    pid = oci.begin("c1", "sleep", "600")
    seen = subprocess.run(["nsenter", "-t", str(pid), "-m", "/bin/ls", "/"], capture_output=True, text=True, check=True)
    assert sorted(seen.stdout.split()) == sorted(os.listdir(oci.rootfs))
    table = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    assert next(line.split()[4] for line in table) == "/"
    assert len([line for line in table if line.split()[4] == "/"]) == 1
    oci("delete", "--force", "c1")


def test_a_user_namespace_is_refused_with_the_reason(oci: ChrootHost) -> None:
    def mapped(spec: dict) -> None:
        spec["linux"]["namespaces"].append({"type": "user"})
        spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = [
            {"containerID": 0, "hostID": 100000, "size": 65536}
        ]

    oci.bundle("c1", "true", change=mapped)
    said = oci("create", "-b", str(oci.bundles / "c1"), "c1", code=1)
    assert "Operation not permitted (in a chroot the kernel makes no user namespace)" in said
    assert json.loads(oci("list", "-f", "json") or "[]") in ([], None)
