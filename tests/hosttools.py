# SPDX-License-Identifier: Apache-2.0
"""A Podwright installation of a test's own, and what of it is left on the host.

Each has its own folders, bridge, subnet and cgroup, so that tests run beside each other and beside a real one.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

BIN = Path(sys.executable).parent
CGROUPS = Path("/sys/fs/cgroup")
ALONE = "CI" in os.environ
"""Whether nobody else uses this host: then all of it is compared, else only what carries the installation's marks."""

Manifest = dict[str, Any]


class HostState(NamedTuple):
    """What the kernel and the file system hold, each as a set of readable lines."""

    processes: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    rules: frozenset[str]
    cgroups: frozenset[str]
    leases: frozenset[str]
    files: frozenset[str]

    def new_since(self, before: "HostState") -> dict[str, list[str]]:
        """Return what is there now and was not before; {} when nothing is."""
        pairs = zip(self._fields, before, self, strict=True)
        return {field: sorted(now - then) for field, then, now in pairs if now - then}

    def __repr__(self) -> str:
        """Return how much there is of each: in full it is thousands of lines."""
        return f"HostState({', '.join(f'{field}={len(lines)}' for field, lines in self._asdict().items())})"


class Host:
    """One installation. ``run`` and ``apply`` use the command line, ``runtime`` is the Python API."""

    def __init__(self, **settings: object) -> None:
        self.mark = os.urandom(4).hex()
        self.bridge = f"pwt{self.mark}"
        self.cgroup = f"/podwright-test-{self.mark}"
        self.subnet = _free_subnet(self.mark)
        # short names: a socket's path has at most 107 bytes (unix(7))
        self.root = Path(tempfile.mkdtemp(prefix=f"pwt{self.mark}-", dir="/var/tmp"))
        self.run_dir = Path(tempfile.mkdtemp(prefix=f"pwt{self.mark}-", dir="/run"))
        self.config_path = self.root / "podwright.toml"
        self.config_path.write_text(self._toml(settings))
        self.env = os.environ | {"PODWRIGHT_CONFIG": str(self.config_path)}

    def _toml(self, settings: dict[str, object]) -> str:
        own: dict[str, object] = {
            "root": f"{self.root}/lib",
            "run": f"{self.run_dir}/run",
            "network.bridge": self.bridge,
            "network.subnet": self.subnet,
            "cgroups.parent": self.cgroup,
        }
        # JSON's strings, numbers and lists are TOML's too; a dotted key needs no section
        return "".join(f"{key} = {json.dumps(value)}\n" for key, value in (own | settings).items())

    @property
    def config(self) -> Any:
        """Return the podwright.config.Config of this installation."""
        from podwright.config import load

        return load(str(self.config_path))

    @property
    def runtime(self) -> Any:
        """Return a new podwright.Runtime of this installation."""
        from podwright import Runtime

        return Runtime(self.config)

    def run(
        self, *args: str | Path, check: bool = True, stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run ``podwright ARGS`` and return it with its text; ``check`` fails with what it said on stderr."""
        command = [BIN / "podwright", *args]
        done = subprocess.run(command, env=self.env, input=stdin or "", text=True, capture_output=True, timeout=timeout)
        assert done.returncode == 0 or not check, f"{command} ended with {done.returncode}: {done.stderr}{done.stdout}"
        return done

    def apply(self, manifest: Manifest, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``podwright apply -f -`` with a manifest."""
        return self.run("apply", "-f", "-", *options, stdin=json.dumps(manifest), check=check)

    def pods(self, namespace: str = "default") -> list[Manifest]:
        """Return the pods of a namespace, as ``podwright get pods -o json`` shows them."""
        return json.loads(self.run("get", "pods", "-n", namespace, "-o", "json").stdout)["items"]

    def pod(self, name: str, namespace: str = "default") -> Manifest:
        """Return one pod with its status."""
        return json.loads(self.run("get", "pod", name, "-n", namespace, "-o", "json").stdout)

    def container(self, name: str, namespace: str = "default") -> Manifest:
        """Return one container alone with its status."""
        return json.loads(self.run("get", "container", name, "-n", namespace, "-o", "json").stdout)

    def delete(self, name: str, namespace: str = "default", *, grace: int = 0, kind: str = "pod") -> None:
        """Delete a pod, or a container alone, at once unless ``grace`` says otherwise."""
        self.run("delete", kind, name, "-n", namespace, "--grace-period", str(grace))

    # What is there

    def snapshot(self) -> HostState:
        """Return what of this installation (of the whole host, when alone) is there now."""
        owners = self.processes()
        return HostState(
            processes=frozenset(f"{pid} {name}" for pid, name in owners.items()),
            mounts=frozenset(line for line in _mounts("self") if ALONE or self._is_ours(line)),
            namespaces=frozenset().union(*(_namespaces(pid) for pid in (_pids() if ALONE else owners))),
            links=frozenset(self._links()),
            rules=frozenset(self._rules()),
            cgroups=frozenset(str(path) for path in self.cgroup_dirs()),
            leases=frozenset(self._leases()),
            files=frozenset(self._files()),
        )

    def processes(self) -> dict[int, str]:
        """Return the processes of this installation: by cgroup, command line, or a mount that is not the host's."""
        self._wait_until_layers_are_settled()
        public = set(_mounts("self"))
        found = {}
        for pid in filter(_lives, _pids()):
            private = [line for line in _mounts(pid) if line not in public]
            if self._started(pid) or any(map(self._is_ours, private)):
                found[pid] = _read(f"/proc/{pid}/comm").strip()
        return found

    def _wait_until_layers_are_settled(self) -> None:
        """Wait for the process that brings layers to the disk after a pull: it is meant to outlive its command."""
        deadline = time.monotonic() + 60
        while settling := [pid for pid in _pids() if "podinit\0settle\0" in _read(f"/proc/{pid}/cmdline")]:
            if not any(map(self._started, settling)):
                return
            assert time.monotonic() < deadline, f"processes {settling} do not end"
            time.sleep(0.02)

    def _started(self, pid: int) -> bool:
        """Tell whether a process is surely of this installation, so that a test may kill it."""
        command = _read(f"/proc/{pid}/cmdline")
        return self._is_ours(_read(f"/proc/{pid}/cgroup")) or ("podinit" in command and self._is_ours(command))

    def cgroup_dirs(self) -> list[Path]:
        """Return the cgroup directories of this installation's pods, in every hierarchy, deepest first."""
        inner = [path for top in self._cgroup_tops() for path in top.rglob("*") if path.is_dir()]
        return sorted(inner, key=lambda path: -len(path.parts))

    def _cgroup_tops(self) -> list[Path]:
        hierarchies = [CGROUPS, *(path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink())]
        return [path for top in hierarchies if (path := top / self.cgroup.lstrip("/")).is_dir()]

    def _links(self) -> list[str]:
        shown = json.loads(_output("ip", "-j", "link", "show"))
        return [link["ifname"] for link in shown if ALONE or self.bridge in (link["ifname"], link.get("master"))]

    def _rules(self) -> list[str]:
        ruleset = json.loads(_output("nft", "-j", "list", "ruleset"))["nftables"]
        lines = (json.dumps(_without_counts(item), sort_keys=True) for item in ruleset if "metainfo" not in item)
        network = self.subnet.rsplit(".", 1)[0]
        return [line for line in lines if ALONE or self.bridge in line or network in line or self.mark in line]

    def _leases(self) -> list[str]:
        path = self.root / "lib/network/leases.json"
        try:
            leases = json.loads(path.read_text()).get("leases", {}) if path.exists() else {}
        except ValueError:  # a test has damaged it
            return []
        return [f"{uid} {address}" for uid, address in leases.items()]

    def _files(self) -> list[str]:
        return [str(path) for top in (self.root, self.run_dir) for path in top.rglob("*")]

    def _is_ours(self, text: str) -> bool:
        return self.mark in text

    # The end

    def close(self) -> None:
        """Delete every pod, say what was left of them, and remove the installation itself."""
        try:
            for kind, namespace, name in self._names():
                self.run("delete", kind, name, "-n", namespace, "--grace-period", "0", check=False)
            left = self._left()
        finally:
            self._demolish()
        assert not left, f"left after every pod was deleted: {json.dumps(left, indent=1)}"

    def _names(self) -> list[list[str]]:
        folder = self.root / "lib/names"
        names = sorted(path.name.split("_") for path in folder.iterdir()) if folder.is_dir() else []
        return [name if len(name) == 3 else ["pod", *name] for name in names if len(name) > 1]

    def _left(self) -> dict[str, list[str]]:
        """Return what deleted pods left behind, with some patience for processes that are on their way out."""
        deadline = time.monotonic() + 5
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        state = self.snapshot()
        folders = [self.root / "lib/pods", self.run_dir / "run/pods"]
        left = {
            "processes": sorted(state.processes),
            "mounts": [line for line in state.mounts if self._is_ours(line)],
            "links": self._bridged(),
            "cgroups": sorted(state.cgroups),
            "leases": sorted(state.leases),
            "pods": [str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()],
        }
        return {what: items for what, items in left.items() if items}

    def _bridged(self) -> list[str]:
        shown = json.loads(_output("ip", "-j", "link", "show"))
        return [link["ifname"] for link in shown if link.get("master") == self.bridge]

    def _demolish(self) -> None:
        for pid in filter(self._started, self.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        for name in [*self._bridged(), self.bridge]:
            subprocess.run(["ip", "link", "delete", name], stderr=subprocess.DEVNULL)
        for family, table in self._tables():
            subprocess.run(["nft", "delete", "table", family, table], stderr=subprocess.DEVNULL)
        for path in [*self.cgroup_dirs(), *self._cgroup_tops()]:
            path.rmdir()
        for folder in (self.root, self.run_dir):
            shutil.rmtree(folder)

    def _tables(self) -> list[tuple[str, str]]:
        """Return the nftables tables that are this installation's alone: those that carry its bridge's name."""
        tables = json.loads(_output("nft", "-j", "list", "tables"))["nftables"]
        named = [item["table"] for item in tables if "table" in item]
        return [(table["family"], table["name"]) for table in named if self.mark in table["name"]]


def _free_subnet(mark: str) -> str:
    """Return a /24 of 10.200.0.0/13 that no route of this host names, chosen by the installation's mark."""
    routes = _output("ip", "route", "show", "table", "all")
    start = int.from_bytes(hashlib.sha256(mark.encode()).digest()[:2])
    for step in range(2048):
        index = (start + step) % 2048
        network = f"10.{200 + index // 256}.{index % 256}."
        if network not in routes:
            return f"{network}0/24"
    raise AssertionError("every subnet of 10.200.0.0/13 is taken")


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:  # the process ended meanwhile
        return ""


def _lives(pid: int) -> bool:
    """Tell whether a process is more than an exit code that waits for its parent, which here is the host's init."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def _mounts(pid: int | str) -> list[str]:
    """Return "target type source" of each mount that a process sees; ids and counters change and say nothing."""
    lines = (line.split(" - ") for line in _read(f"/proc/{pid}/mountinfo").splitlines())
    return [f"{left.split()[4]} {' '.join(right.split()[:2])}" for left, right in lines]


def _namespaces(pid: int) -> set[str]:
    found: set[str] = set()
    if _is_dead(pid):  # it holds nothing any more, but waits for init to reap it, which may take its time
        return found
    for kind in ("ipc", "mnt", "net", "pid", "uts"):
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
        except OSError:  # ended meanwhile
            continue
    return found


def _is_dead(pid: int) -> bool:
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] == ["Z"]


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _without_counts(value: object) -> object:
    """Return a rule without its handle and counters, which say when, not what."""
    if isinstance(value, dict):
        return {k: _without_counts(v) for k, v in value.items() if k not in ("handle", "packets", "bytes")}
    return [_without_counts(item) for item in value] if isinstance(value, list) else value
