# SPDX-License-Identifier: Apache-2.0
"""The few things one does to a cgroup file system. ``fake.py`` has the same shape in an ordinary directory.

What keeps an order inside of the file system that it is meant for: a path is a mount point that the kernel said is a
cgroup file system (``mounts.py``), then names that were checked, none of them ``..`` (``hierarchy.py``, ``place.py``),
then a file. Such a file system holds no symbolic link and allows no rename, so a path means the same at each use, and
only who may mount on it can make it lead elsewhere. Python has no openat2(2), which would say the same once more.
"""

import os

from podwright.errors import HostError

_SIGKILL = 9  # on every Linux; the module signal costs more than all the orders to a group


class Cgroupfs:
    """The kernel's own. Errors are OSError: callers know which ones are ordinary."""

    def make(self, path: str) -> bool:
        """Make one group; False when it was there already."""
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove one group, which must hold neither groups nor processes."""
        os.rmdir(path)

    def children(self, path: str) -> list[str]:
        """Return the names of the groups in a group; none when it is not there."""
        try:
            with os.scandir(path) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []

    def names(self, path: str) -> list[str]:
        """Return the names of all that is in a group, its files too; none when it is not there."""
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        """Tell whether a group or one of its files is there."""
        return os.path.exists(path)

    def read(self, path: str) -> str:
        """Return the content of a group's file, stripped."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            parts = []
            while part := os.read(fd, 65536):
                parts.append(part)
        finally:
            os.close(fd)
        return b"".join(parts).decode().strip()

    def write(self, path: str, text: str) -> None:
        """Give one order to a group, in one system call: the kernel takes it whole or refuses it."""
        self.write_each(path, [text])

    def write_each(self, path: str, texts: list[str]) -> None:
        """Give several orders to one file, each in a system call of its own."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            for text in texts:
                os.write(fd, text.encode())
        finally:
            os.close(fd)

    def kill(self, pid: int) -> None:
        """Send SIGKILL to a process that a group listed; one that is gone already is no error.

        A process of an outer PID namespace is listed as 0, and kill(0) would be our own process group.
        """
        if pid <= 0:
            raise HostError("a cgroup holds processes of another PID namespace, which cannot be killed from this one")
        try:  # noqa: SIM105  contextlib costs a command more than the whole group
            os.kill(pid, _SIGKILL)
        except ProcessLookupError:
            pass

    def attach_device_program(self, directory: str, program: bytes) -> None:
        """Put a BPF program on a group of v2. Raises HostError."""
        from podwright.cgroups import bpf  # ctypes, which hosts with v1 need not load

        bpf.attach(directory, program)

    def has_device_program(self, directory: str) -> bool:
        """Tell whether a group of v2 has a device program of its own."""
        from podwright.cgroups import bpf

        return bpf.attached(directory)
