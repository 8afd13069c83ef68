# SPDX-License-Identifier: Apache-2.0
"""A cgroup file system in an ordinary directory: for tests of v2 on a host that has v1, and without root.

``add_v1`` mounts hierarchies of v1 in it, as a host with v1, or with both, has them.
"""

import errno
import os

from podwright.cgroups.cgroupfs import Cgroupfs

_V2_FILES = {
    "cgroup.procs": "",
    "cgroup.kill": "",
    "cgroup.freeze": "0",
    "cgroup.events": "populated 0\nfrozen 0",
    "cgroup.subtree_control": "",
    "cpu.max": "max 100000",
    "cpu.max.burst": "0",
    "cpu.weight": "100",
    "cpu.idle": "0",
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "hugetlb.2MB.max": "max",
    "io.max": "",
    "io.weight": "default 100",
    "memory.current": "4096",
    "memory.high": "max",
    "memory.low": "0",
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.events": "oom_kill 0",
    "pids.max": "max",
    "rdma.max": "",
}
_V1_FILES = {
    "cgroup.procs": "",
    "blkio.bfq.weight": "100",
    "blkio.leaf_weight": "500",
    "blkio.throttle.read_bps_device": "",
    "blkio.throttle.write_bps_device": "",
    "blkio.throttle.read_iops_device": "",
    "blkio.throttle.write_iops_device": "",
    "cpu.cfs_burst_us": "0",
    "cpu.cfs_period_us": "100000",
    "cpu.cfs_quota_us": "-1",
    "cpu.idle": "0",
    "cpu.shares": "1024",
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "devices.allow": "",
    "devices.deny": "",
    "devices.list": "a *:* rwm",
    "freezer.state": "THAWED",
    "hugetlb.2MB.limit_in_bytes": "9223372036854771712",
    "memory.kmem.tcp.limit_in_bytes": "9223372036854771712",
    "memory.limit_in_bytes": "9223372036854771712",
    "memory.memsw.limit_in_bytes": "9223372036854771712",
    "memory.oom_control": "0",
    "memory.soft_limit_in_bytes": "9223372036854771712",
    "memory.swappiness": "60",
    "memory.usage_in_bytes": "4096",
    "net_cls.classid": "0",
    "net_prio.ifpriomap": "",
    "pids.max": "max",
    "rdma.max": "",
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
        self._v1: dict[str, set[str]] = {}
        self._put(mount, "cgroup.controllers", controllers)
        self._put(mount, "cgroup.subtree_control", "")

    def add_v1(self, name: str, controllers: str) -> str:
        """Mount a hierarchy of v1 on a directory of this name; return its line of mountinfo."""
        path = f"{self.mount}/{name}"
        self._v1[path] = set(controllers.split(","))
        os.mkdir(path)
        self._put_all(path, _V1_FILES, {"cgroup", *self._v1[path]})
        for file in ("cpus", "mems") if "cpuset" in self._v1[path] else ():
            self._put(path, f"cpuset.{file}", "0-1")
        return f"32 31 0:29 / {path} rw,nosuid shared:9 - cgroup cgroup rw,{controllers}\n"

    def add_v2(self) -> str:
        """Return the line of mountinfo for the hierarchy of v2, which is always there."""
        return f"41 31 0:38 / {self.mount} rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"

    def make(self, path: str) -> bool:
        """Make the directory and the kernel's files in it."""
        mount = next((mount for mount in self._v1 if path.startswith(f"{mount}/")), None)
        fresh = super().make(path)
        if fresh:
            self.log.append(f"mkdir {self._relative(path)}")
            if mount is not None:
                self._put_all(path, _V1_FILES, {"cgroup", *self._v1[mount]})
                return True
            enabled = {"cgroup", *self.read(f"{os.path.dirname(path)}/cgroup.subtree_control").split()}
            self._put(path, "cgroup.controllers", " ".join(sorted(enabled - {"cgroup"})))
            self._put_all(path, _V2_FILES, enabled)
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
        elif name == "cgroup.freeze":
            self._put(directory, name, text)
            self._put(directory, "cgroup.events", f"populated 1\nfrozen {text}")
        elif name in ("devices.allow", "devices.deny"):
            self._devices(directory, name, text)
        elif name == "cgroup.subtree_control":
            enabled = {*self.read(path).split(), *(word.lstrip("+") for word in text.split())}
            self._put(directory, name, " ".join(sorted(enabled)))
        else:
            self._put(directory, name, text)

    def write_each(self, path: str, texts: list[str]) -> None:
        """Give each order as ``write`` does."""
        for text in texts:
            self.write(path, text)

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

    def _devices(self, directory: str, name: str, text: str) -> None:
        lines = self.read(f"{directory}/devices.list").splitlines()
        if text == "a":
            lines = ["a *:* rwm"] if name == "devices.allow" else []
        elif (name == "devices.allow") != ("a *:* rwm" in lines):
            lines.append(text)
        self._put(directory, "devices.list", "\n".join(lines))

    def _put_all(self, directory: str, files: dict[str, str], controllers: set[str]) -> None:
        for name, content in files.items():
            if name.split(".")[0] in controllers and name not in self._without:
                self._put(directory, name, content)

    def _put(self, directory: str, name: str, content: str) -> None:
        with open(f"{directory}/{name}", "w") as file:
            file.write(content + "\n")

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.mount)
