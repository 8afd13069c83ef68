#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make this checkout ready: what the system lacks, .venv with both distributions, podinit, the collection linked in.

Needs nothing but Python's standard library. Each step looks first and does only what is missing, so a second run
changes nothing; it prints one line for each thing that it does. ``--peers`` also wants the programs that tests and
benchmarks compare with, ``--recorder`` what a Kubernetes API server needs to answer for the tests.
"""

from __future__ import annotations  # an older Python must get as far as the sentence in main()

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
DISTRIBUTIONS = ("runtime_core", "pulumi_provider")
STAMP = VENV / ".podwright-setup"


class Need(NamedTuple):
    """A program: its Debian package, and the command that shows elsewhere that it is there."""

    package: str
    command: str


BASE = (
    Need("musl-tools", "musl-gcc"),
    Need("gcc", "gcc"),
    Need("libc6-dev", "gcc"),
    Need("linux-libc-dev", "gcc"),
    Need("make", "make"),
    Need("python3-venv", "python3"),
    Need("nftables", "nft"),
)
PEERS = (
    Need("busybox-static", "busybox"),
    Need("docker-registry", "docker-registry"),
    Need("skopeo", "skopeo"),
    Need("umoci", "umoci"),
    Need("podman", "podman"),
    Need("runc", "runc"),
    Need("conmon", "conmon"),
    Need("catatonit", "catatonit"),
    Need("netavark", "podman"),
    Need("aardvark-dns", "podman"),
    Need("iptables", "iptables"),
    Need("iproute2", "ip"),
    Need("procps", "ps"),
    Need("util-linux", "unshare"),
    Need("git", "git"),
    Need("strace", "strace"),
    Need("zstd", "zstd"),
    Need("crun", "crun"),
    Need("containerd", "ctr"),
    Need("debootstrap", "debootstrap"),
    Need("e2fsprogs", "mkfs.ext4"),
    Need("openssh-client", "ssh"),
    Need("openssl", "openssl"),
    Need("qemu-system-x86", "qemu-system-x86_64"),
)
RECORDER = (
    Need("etcd-server", "etcd"),
    Need("openssl", "openssl"),
)


def say(text: str) -> None:
    """Print one step."""
    print(f"setup: {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End with one sentence."""
    sys.exit(f"setup: {text}")


def run(command: list[str | Path], **environment: str) -> None:
    """Run a command quietly; when it fails, show all that it said and stop."""
    child = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
    )
    if child.returncode:
        sys.stdout.write(child.stdout.decode(errors="replace"))
        fail(f"{' '.join(map(str, command))} ended with {child.returncode}")


# What the system lacks


def missing(needs: tuple[Need, ...]) -> list[Need]:
    """Return the needs that are not met: by dpkg's word where there is dpkg, else by the commands on PATH."""
    if not shutil.which("dpkg-query"):
        return [need for need in needs if not shutil.which(need.command)]
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *(need.package for need in needs)]
    answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # 1 when a package is unknown
    installed = {line.split()[0] for line in answer.stdout.decode().splitlines() if line.endswith(" installed")}
    return [need for need in needs if need.package not in installed]


def install(needs: list[Need]) -> None:
    """Install Debian packages, without starting a service that one of them brings."""
    packages = [need.package for need in needs]
    advice = f"apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get"):
        commands = ", ".join(sorted({need.command for need in needs}))
        fail(f"this machine lacks {commands}: install them (Debian: {advice})")
    if os.geteuid() != 0:
        fail(f"this machine lacks {', '.join(packages)}: run `{advice}` as root, or run this as root")
    say(f"apt-get install {' '.join(packages)}")
    apt: list[str | Path] = ["apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
    with _services_stay_down():
        run([*apt, "update"])
        run([*apt, "install", *packages], DEBIAN_FRONTEND="noninteractive")


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Forbid invoke-rc.d to start services (docker-registry would listen on port 5000), unless a policy is there."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


# The virtual environment


def wanted_stamp() -> str:
    """Return a digest of everything that decides what .venv holds."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    files = [ROOT / "requirements/ci.txt", Path(__file__), *(ROOT / name / "pyproject.toml" for name in DISTRIBUTIONS)]
    for file in [*files, ROOT / "runtime_core/setup.py", *sorted((ROOT / "runtime_core/bin").iterdir())]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def virtual_environment() -> None:
    """Make .venv, with the locked versions and both distributions in editable form, unless it is as wanted."""
    stamp = wanted_stamp()
    if STAMP.is_file() and STAMP.read_text() == stamp and _python_runs():
        return
    pip: list[str | Path] = [VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q"]
    STAMP.unlink(missing_ok=True)
    if not _python_runs():
        say("python3 -m venv .venv")
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", VENV])
    say("pip install -r requirements/ci.txt")
    run([*pip, "install", "--no-deps", "-r", ROOT / "requirements/ci.txt"])
    say(f"pip install -e {' -e '.join(DISTRIBUTIONS)}")
    editable = [part for name in DISTRIBUTIONS for part in ("-e", ROOT / name)]
    # compat: a path in a .pth file, where setuptools would put an import hook that costs each start 10 ms
    mode = ["--config-settings", "editable_mode=compat"]
    run([*pip, "install", "--no-build-isolation", "--no-deps", *mode, *editable])
    run([*pip, "check"])
    STAMP.write_text(stamp)


def _python_runs() -> bool:
    wanted = f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    try:
        return subprocess.run([VENV / "bin/python", "-c", wanted], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def podinit() -> None:
    """Compile podinit when one of its sources is newer than the binary."""
    target = ROOT / "runtime_core/podwright/_bin/podinit"
    target.parent.mkdir(exist_ok=True)
    before = target.stat().st_mtime_ns if target.exists() else 0
    run(["make", "-s", "-C", ROOT / "runtime_core/podinit", f"OUT={target}"])
    if before and target.stat().st_mtime_ns != before:
        say("compiled podinit anew")


def link_collection() -> None:
    """Let Ansible find the collection podwright.runtime in .venv: this directory under the name that it wants."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    link = VENV / "lib" / version / "site-packages/ansible_collections/podwright/runtime"
    target = os.path.relpath(ROOT, link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    say("link the collection podwright.runtime into .venv")
    link.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=link.parent) as folder:  # rename replaces a wrong link in one step
        new = Path(folder, "link")
        new.symlink_to(target)
        new.rename(link)


def main() -> int:
    """Do every step in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", action="store_true", help="also what tests and benchmarks compare with")
    parser.add_argument("--recorder", action="store_true", help="also what a Kubernetes API server needs")
    wanted = parser.parse_args()
    needs = BASE + (PEERS if wanted.peers else ()) + (RECORDER if wanted.recorder else ())
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python may run this file
        fail(f"Podwright needs Python 3.11 or newer, and this is {sys.version.split()[0]}: set PYTHON=python3.11")
    if sys.platform != "linux":
        fail(f"pods run on Linux, and this is {sys.platform}")
    start = time.monotonic()
    lacking = missing(needs)
    if lacking:
        install(lacking)
    virtual_environment()
    podinit()
    link_collection()
    if time.monotonic() - start > 5:
        say(f"ready after {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
