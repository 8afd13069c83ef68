# SPDX-License-Identifier: Apache-2.0
"""A Debian guest with systemd and unified cgroups, emulated, with this tree's podwright in it.

guest = Guest(folder); guest.boot(); guest.sh("cat /proc/version"); guest.close()
"""

import contextlib
import io
import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from recipe import guest_files

TREE = Path(__file__).resolve().parents[2]
PROGRAM = "/opt/podwright/bin/podwright"
OCI = f"{PROGRAM}-oci"
BOOT_SECONDS = 600  # half a minute on free cores, and an emulator has to share them
SSH = (
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "ConnectTimeout=60",
    "BatchMode=yes",
)


class Guest:
    """One run of the guest; what it writes to its disk is gone afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start the emulator, wait for ssh, and install podwright."""
        files = guest_files()
        network = f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        command = [
            "qemu-system-x86_64", "-M", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "1G", "-nodefaults",
            "-display", "none", "-serial", f"file:{self.console}",
            "-kernel", files / "vmlinuz", "-initrd", files / "initrd.img",
            "-append", "console=ttyS0 root=/dev/vda rw quiet",
            "-drive", f"file={files}/disk.img,if=virtio,format=raw,cache=unsafe,snapshot=on",
            "-netdev", network, "-device", "virtio-net-pci,netdev=n", "-device", "virtio-rng-pci",
        ]  # fmt: skip
        with (self.folder / "qemu.log").open("wb") as log:
            # what the guest writes is in a file in TMPDIR that has no name
            environment = os.environ | {"TMPDIR": str(self.folder)}
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        self._wait()
        self._install()

    @property
    def console(self) -> Path:
        """What the guest printed on its serial console."""
        return self.folder / "console.log"

    def sh(self, script: str, *, check: bool = True, timeout: float = 120, stdin: bytes = b"") -> str:
        """Run a shell script as root in the guest and return what it printed, without the last newline."""
        done = self.run(script, timeout=timeout, stdin=stdin)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0 or not check, f"{script!r} ended with {done.returncode}: {said}"
        return said.removesuffix("\n")

    def run(self, script: str, *, timeout: float = 120, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a shell script as root in the guest; both of its output streams are one."""
        options = [part for option in SSH for part in ("-o", option)]
        key = ["-i", str(guest_files() / "key"), "-p", str(self.port)]
        # a connection's last process may outlive its shell: then its output is not waited for
        command = ["ssh", *options, *key, "root@127.0.0.1", f"exec 2>&1; {script}"]
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)

    def write(self, path: str, content: bytes) -> None:
        """Write a file in the guest."""
        self.sh(f"mkdir -p $(dirname {shlex.quote(path)}); cat >{shlex.quote(path)}", stdin=content)

    def lose_power(self) -> None:
        """Start anew with nothing but what has reached the disk."""
        boot = "cat /proc/sys/kernel/random/boot_id"
        before = self.sh(boot)
        self.run("(sleep 1; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 </dev/null &")
        time.sleep(2)
        self._wait()
        assert self.sh(boot) != before, "it runs as if nothing had been"

    def close(self) -> None:
        """End the emulator."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait(self) -> None:
        """Wait for ssh, and for systemd to have started everything else."""
        assert self._process
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"QEMU ended: {(self.folder / 'qemu.log').read_text()}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                if self.run("systemctl is-system-running --wait", timeout=120).stdout in (b"running\n", b"degraded\n"):
                    return
            time.sleep(1)
        last = self.console.read_text(errors="replace")[-2000:]
        raise AssertionError(f"the guest did not answer within {BOOT_SECONDS} s; its console ends with:\n{last}")

    def _install(self) -> None:
        """Install the wheel of this tree: by pip of the host, as the guest's own takes a minute and a half."""
        target = self.folder / "install"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-compile"]
        source = self.folder / "source"
        _copy_source(source)
        subprocess.run([*pip, "--target", target, source], check=True, stdout=sys.stderr)
        site = "/opt/podwright/lib/python3.11/site-packages"
        self.sh(f"python3 -m venv --without-pip /opt/podwright && tar -x -C {site}", stdin=_tar(target))
        # the script that pip wrote names the interpreter that ran it; podwright-oci finds its own
        self.sh(f"mv {site}/bin/* /opt/podwright/bin && sed -i '1s|.*|#!/opt/podwright/bin/python3|' {PROGRAM}")
        self.sh(f"python3 -m compileall -q {site}/podwright", timeout=300)


def _copy_source(target: Path) -> None:
    """Copy what the wheel is built from, so that the tree gets no build folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "runtime_core"], cwd=TREE, check=True, stdout=subprocess.PIPE
    ).stdout.decode()
    for name in listed.splitlines():
        if (TREE / name).is_file():
            path = target / name.removeprefix("runtime_core/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((TREE / name).read_bytes())


def _tar(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return stream.getvalue()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
