# SPDX-License-Identifier: Apache-2.0
"""The guest is what the other tests of this folder take it for."""

from guest import OCI, Guest


def test_cgroups_are_unified_with_every_controller(guest: Guest) -> None:
    assert guest.sh("stat -f -c %T /sys/fs/cgroup") == "cgroup2fs"
    assert {"cpuset", "cpu", "io", "memory", "pids"} <= set(guest.sh("cat /sys/fs/cgroup/cgroup.controllers").split())


def test_systemd_is_its_init(guest: Guest) -> None:
    assert guest.sh("cat /proc/1/comm") == "systemd"
    assert guest.sh("systemctl is-system-running") == "running"


def test_podwright_is_installed(guest: Guest) -> None:
    assert guest.sh(f"{OCI} --version").startswith("podwright-oci version ")
