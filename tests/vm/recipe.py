#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide the disk of a Debian guest with systemd and unified cgroups; the last line printed is its directory.

debootstrap makes it, once for each state of this file, in the cache that tools/recipes.py names: two minutes, 1 GB.
Beside the disk are the kernel, the initial RAM disk and the private key of the guest's root.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from recipes import cached, log  # noqa: E402 - tools/ is no package

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "openssh-server", "iproute2", "nftables", "python3", "python3-venv",
    "busybox-static", "linux-image-cloud-amd64",
)  # fmt: skip
FILES = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost guest\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 0\n",
    "etc/systemd/network/wired.network": "[Match]\nName=en*\n[Network]\nDHCP=yes\n",
    # emulation is slow: no lookups of names, and no limit on how long a key exchange takes
    "etc/ssh/sshd_config.d/guest.conf": "UseDNS no\nLoginGraceTime 0\nMaxSessions 100\n",
    # only what this machine needs, so that there is less to load and to try
    "etc/initramfs-tools/conf.d/guest": "MODULES=list\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
}
IDLE = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "getty@tty1.service", "serial-getty@ttyS0.service", "systemd-networkd-wait-online.service",
    "systemd-timesyncd.service",
)  # fmt: skip
"""Units that would only take time from an emulated processor."""


def guest_files() -> Path:
    """Return the directory with disk.img, vmlinuz, initrd.img and key."""
    return cached("guest", [Path(__file__).resolve()], build)


def build(work: Path, result: Path) -> None:
    """Make the guest's files in ``result``; the root file system is put together below ``work``."""
    root = work / "root"
    log(f"debootstrap of {root}")
    # debootstrap and the packages' scripts mount and start things: all that ends with these namespaces
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    include = f"--include={','.join(PACKAGES)}"
    _run(*alone, "debootstrap", "--variant=minbase", include, "bookworm", root)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    _run(*alone, "chroot", root, "sh", "-ec", _inside())
    _authorise(root, result / "key")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(root / name, result / name)
    for name in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / name, ignore_errors=True)
    _run("mkfs.ext4", "-q", "-d", root, result / "disk.img", "3G")


def _inside() -> str:
    """Return the commands that finish the root file system from inside it."""
    return f"""
        mount -t proc proc /proc
        passwd -d root
        systemctl enable systemd-networkd ssh
        systemctl mask {" ".join(IDLE)}
        update-initramfs -u
    """


def _authorise(root: Path, key: Path) -> None:
    """Make a key in the cache, which only its owner may read, and let it in as root."""
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", key)
    folder = root / "root/.ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    key.with_suffix(".pub").rename(folder / "authorized_keys")


def _run(*command: str | Path) -> None:
    """Run a command; what it says goes to the person who waits."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=True)


if __name__ == "__main__":
    try:
        print(guest_files(), flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"guest: {error}")
