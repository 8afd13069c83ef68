# SPDX-License-Identifier: Apache-2.0
"""A cgroup file system in an ordinary directory: for tests of v2 on a host that has v1, and without root."""

import errno
import os

from podwright.cgroups.cgroupfs import Cgroupfs

_V2_FILES = {
    "cgroup.procs": "",
    "cgroup.kill": "",
    "cgroup.freeze": "0",
    "cgroup.subtree_control": "",
    "cpu.max": "max 100000",
    "cpu.weight": "100",
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.events": "oom_kill 0",
    "pids.max": "max",
}


class FakeCgroupfs(Cgroupfs):
    """The same interface; each group made gets the files of v2 that its parent enables. ``log`` records every order.

    ``without`` names files that this kernel lacks; ``refuse`` maps a file's name to the errno that writing it gives.
    ``cgroup.kill`` empties the group, and so do the signals that ``kill`` only records.
    """

    def __init__(self, mount: str, controllers: str = "cpu memory pids", *, without: tuple[str, ...] = ()) -> None:
        self.log: list[str] = []
        self.refuse: dict[str, int] = {}
        self.mount = mount
        self._without = without
        self._put(mount, "cgroup.controllers", controllers)
        self._put(mount, "cgroup.subtree_control", "")

    def make(self, path: str) -> bool:
        """Make the directory and the kernel's files in it."""
        fresh = super().make(path)
        if fresh:
            self.log.append(f"mkdir {self._relative(path)}")
            enabled = {"cgroup", *self.read(f"{os.path.dirname(path)}/cgroup.subtree_control").split()}
            self._put(path, "cgroup.controllers", " ".join(sorted(enabled - {"cgroup"})))
            for name, content in _V2_FILES.items():
                if name.split(".")[0] in enabled and name not in self._without:
                    self._put(path, name, content)
        return fresh

    def remove(self, path: str) -> None:
        """Remove it as the kernel does: busy with a process or a group in it, its files no hindrance."""
        if self.children(path) or (self.exists(path) and self.read(f"{path}/cgroup.procs")):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        super().remove(path)
        self.log.append(f"rmdir {self._relative(path)}")

    def write(self, path: str, text: str) -> None:
        """Record the order, and do what the kernel would do with it."""
        name = os.path.basename(path)
        if name in self.refuse:
            raise OSError(self.refuse[name], os.strerror(self.refuse[name]), path)
        if not self.exists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.log.append(f"{self._relative(path)} = {text}")
        directory = os.path.dirname(path)
        if name == "cgroup.kill":
            for inner, _, _ in os.walk(directory):
                self._put(inner, "cgroup.procs", "")
        elif name == "cgroup.subtree_control":
            enabled = {*self.read(path).split(), *(word.lstrip("+") for word in text.split())}
            self._put(directory, name, " ".join(sorted(enabled)))
        else:
            self._put(directory, name, text)

    def attach_device_program(self, directory: str, program: bytes) -> None:
        """Record it; the kernel, too, takes whole instructions only."""
        if len(program) % 8:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self.log.append(f"{self._relative(directory)}: device program")
        self._put(directory, "fake.devices", "")

    def has_device_program(self, directory: str) -> bool:
        """Tell what was recorded."""
        return self.exists(f"{directory}/fake.devices")

    def kill(self, pid: int) -> None:
        """Record the signal, and let the process vanish."""
        self.log.append(f"kill {pid}")
        for inner, _, _ in os.walk(self.mount):
            if self.exists(f"{inner}/cgroup.procs"):
                rest = [word for word in self.read(f"{inner}/cgroup.procs").split() if word != str(pid)]
                self._put(inner, "cgroup.procs", " ".join(rest))

    def _put(self, directory: str, name: str, content: str) -> None:
        with open(f"{directory}/{name}", "w") as file:
            file.write(content + "\n")

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.mount)
