# SPDX-License-Identifier: Apache-2.0
"""The configuration to start a bundle from, which `spec` writes: a shell in a container that may do little."""

from __future__ import annotations

import os

from podwright.oci.features import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
_READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_CLOSED = ("nosuid", "noexec", "nodev")


def default_spec(*, rootless: bool = False) -> dict[str, Any]:
    """Return a ``config.json``; ``rootless``: for a user who is not root, and root only in the container."""
    kinds = ("pid", "ipc", "uts", "mount", "cgroup", "user" if rootless else "network")
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in kinds],
        "maskedPaths": list(_MASKED_PATHS),
        "readonlyPaths": list(_READONLY_PATHS),
    }
    if rootless:
        # One ID each is what everybody may map (user_namespaces(7)). Limits need cgroups of one's own.
        linux["uidMappings"] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
    else:
        linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "podwright",
        "mounts": _mounts(rootless),
        "linux": linux,
    }


def _mounts(rootless: bool) -> list[dict[str, Any]]:  # noqa: FBT001  # private, with one caller
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if not rootless:
        terminals.append("gid=5")
    mounts = [
        _mount("/proc", "proc", "proc"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *terminals),
        _mount("/dev/shm", "tmpfs", "shm", *_CLOSED, "mode=1777", "size=65536k"),  # noqa: S108  # a mount's target
        _mount("/dev/mqueue", "mqueue", "mqueue", *_CLOSED),
    ]
    if rootless:
        # A sysfs shows the network namespace it is mounted in, and takes privileges over that.
        mounts.append(_mount("/sys", "none", "/sys", "rbind", *_CLOSED, "ro"))
    else:
        mounts.append(_mount("/sys", "sysfs", "sysfs", *_CLOSED, "ro"))
    return [*mounts, _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_CLOSED, "relatime", "ro")]


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    return {**mount, "options": list(options)} if options else mount
