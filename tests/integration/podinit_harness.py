# SPDX-License-Identifier: Apache-2.0
"""Drives the real podinit with handwritten plans: folders, a busybox image, the ready pipe, the agent's socket.

The environment variable PODINIT names the binary (for example the one of `make asan`).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

BINARY = Path(__file__).parents[2] / "runtime_core/podwright/_bin/podinit"
BUSYBOX = Path("/bin/busybox")
DEADLINE = 30.0  # seconds: generous, for a loaded machine
UID = "11111111-2222-3333-4444-555555555555"

RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8  # MOUNT_ATTR_*
MS_REC, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x4000, 1 << 17, 1 << 18, 1 << 19, 1 << 20
NO_CAPABILITIES = dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), "0")
FOURTEEN = "a80425fb"  # the default capabilities of a container
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # BPF_RET | BPF_K, SECCOMP_RET_ALLOW

MOUNTS: list[list[Any]] = [
    ["mount", "proc", "proc", "/proc", NOSUID | NODEV | NOEXEC, [], {}],
    ["mount", "tmpfs", "tmpfs", "/dev", NOSUID, ["mode=755", "size=65536k"], {}],
    ["device", "c", "/dev/null", 1, 3, 0o666, 0, 0],
    ["device", "c", "/dev/zero", 1, 5, 0o666, 0, 0],
    ["symlink", "/proc/self/fd", "/dev/fd"],
    ["symlink", "/proc/self/fd/1", "/dev/stdout"],
]
SETS = {**dict.fromkeys(("bounding", "effective", "permitted"), FOURTEEN), "inheritable": "0", "ambient": "0"}
EXEC_STEPS: list[Any] = [["umask", 0o22], ["capabilities", SETS], ["user", 0, 0, []], ["no_new_privileges"]]


T = TypeVar("T")


def until(question: Callable[[], T], what: str) -> T:
    """Poll until the answer is true, and return it."""
    end = time.monotonic() + DEADLINE
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def default_steps(*, before: Sequence[Any] = (), after: Sequence[Any] = (), user: list[Any] | None = None) -> list[Any]:
    """Return a whole plan's steps: `before` go in front of pivot_root, `after` behind it."""
    return [
        ["overlay"],
        *MOUNTS,
        *before,
        ["pivot_root"],
        *after,
        ["umask", 0o22],
        ["capabilities", SETS],
        ["user", *(user or [0, 0, []])],
        ["no_new_privileges"],
    ]


def tmpfs(target: str, *parameters: str, attributes: int = 0, **options: Any) -> list[Any]:
    return ["mount", "tmpfs", "tmpfs", target, attributes, list(parameters), options]


def bind(source: Path | str, target: str, attributes: int = 0, clear: int = 0, **options: Any) -> list[Any]:
    return ["bind", str(source), target, attributes, clear, options]


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def build_image(folder: Path) -> Path:
    """Make an image's only layer from the static busybox."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, folder / "bin/busybox")
    for applet in (
        "sh",
        "cat",
        "dd",
        "grep",
        "hostname",
        "id",
        "ls",
        "mkdir",
        "readlink",
        "sleep",
        "stat",
        "touch",
        "yes",
    ):
        (folder / "bin" / applet).symlink_to("busybox")
    return folder


def processes_under(root: str) -> list[int]:
    """PIDs of processes whose command line names the folder."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            if root.encode() in Path(f"/proc/{int(entry)}/cmdline").read_bytes():
                found.append(int(entry))
    return found


class Agent:
    """A connection to agent.sock."""

    def __init__(self, run_dir: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY)
        try:  # by the folder's fd, for a socket's path has room for 107 bytes only
            until(lambda: self.connected(f"/proc/self/fd/{folder}/agent.sock"), "no room in the queue of connections")
        except OSError:
            self.socket.close()
            raise
        finally:
            os.close(folder)
        self.pending = b""

    def connected(self, path: str) -> bool:
        try:
            self.socket.connect(path)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> dict[str, Any]:
        while b"\n" not in self.pending:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.pending)
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        self.send(json.dumps({"id": 7, "action": action, **fields}).encode() + b"\n")
        answer = self.receive()
        assert answer["id"] == 7
        return answer


class Pod:
    """One pod's folders and, once started, its supervisor."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.pod_dir, self.run_dir, self.image = folder / "pod", folder / "run", image
        self.binary = os.environ.get("PODINIT", str(BINARY))
        self.pid = 0  # of the supervisor, until it is reaped
        self.containers: list[dict[str, Any]] = []
        self.restart_policy = "Never"  # of a container that is added without one
        self.sandbox: dict[str, Any] = {
            "version": 3,
            "uid": UID,
            "name": "web",
            "namespace": "default",
            "hostname": "web-host",
            "backOff": {"first": 10_000, "last": 300_000, "forgiven": 600_000},
            "gracePeriod": 30,
            "cgroups": [],
            "shmSize": 1 << 20,
            "memoryVolumes": [],
            "sysctls": [],
            "imageVolumes": [],
            "sharedVolumes": [],
            "activeDeadline": 0,
            "storage": {"period": 10_000, "paths": [], "bounds": []},
            "network": None,
            "containers": self.containers,
            "runtime": None,
        }
        (self.pod_dir / "shm").mkdir(parents=True)
        self.run_dir.mkdir()

    def container(
        self,
        name: str,
        args: list[str],
        *,
        member: dict[str, Any] | None = None,
        probes: Sequence[dict[str, Any]] = (),
        message: str = "None",
        post_start: list[Any] | None = None,
        pre_stop: list[Any] | None = None,
        **fields: Any,
    ) -> None:
        """Write (or replace) a container's plans; ``member`` says when it starts."""
        folder = self.pod_dir / "containers" / name
        (folder / "rootfs").mkdir(parents=True, exist_ok=True)
        plan = {
            "version": 2,
            "name": name,
            "hash": "0" * 64,
            "args": args,
            "env": ["PATH=/usr/bin:/bin", "GREETING=hello"],
            "cwd": "/",
            "stopSignal": int(signal.SIGTERM),
            "cgroups": [],
            "oomEvents": None,
            "lower": [str(self.image)],
            "namespaces": [["pid", ""], ["mount", ""], ["cgroup", ""]],
            "uidMappings": [],
            "gidMappings": [],
            "timeOffsets": [],
            "terminal": None,
            "hooks": {"prestart": [], "createRuntime": [], "createContainer": [], "startContainer": []},
            "state": "",
            "keyring": True,
            "netDevices": [],
            "subPaths": [],
            "steps": default_steps(),
            **fields,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        life = {
            "version": 1,
            "probes": list(probes),
            "postStart": post_start,
            "preStop": pre_stop,
            "terminationMessage": message,
        }
        (folder / "life.json").write_text(json.dumps(life))
        joined = {key: plan[key] for key in ("version", "env", "cwd", "cgroups", "terminal", "keyring")}
        joined |= {"affinity": ["", ""], "steps": EXEC_STEPS}
        (folder / "exec.json").write_text(json.dumps(joined))
        if name not in [known["name"] for known in self.containers]:
            entry = {"name": name, "role": "main", "restart": self.restart_policy, "rules": [], **(member or {})}
            self.containers.append(entry)

    def write_sandbox(self) -> None:
        """Write the plan of the sandbox."""
        (self.pod_dir / "sandbox.json").write_text(json.dumps(self.sandbox))

    def spawn(self) -> int:
        """Start the supervisor and return the end of the ready pipe to read from."""
        self.write_sandbox()
        ours, theirs = os.pipe()
        log = str(self.pod_dir / "supervisor.log")
        spawned = os.posix_spawn(
            self.binary,
            [self.binary, "supervise", str(self.pod_dir), str(self.run_dir)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_RDWR, 0),
                (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, theirs, 3),
            ],
        )
        os.close(theirs)
        assert os.waitstatus_to_exitcode(os.waitpid(spawned, 0)[1]) == 0  # it goes into the background
        return ours

    def start(self) -> dict[str, Any]:
        """Start the supervisor and return what it writes into the ready pipe."""
        with open(self.spawn(), "rb") as ready:
            assert select.select([ready], [], [], DEADLINE)[0], "the supervisor does not get ready"
            line = ready.readline()
        assert line, f"no word from the supervisor: {self.supervisor_log()}"
        answer: dict[str, Any] = json.loads(line)
        if answer["status"] == "ok":
            self.pid = self.state()["supervisorPid"]
        return answer

    def agent(self) -> Agent:
        return Agent(self.run_dir)

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        with self.agent() as agent:
            return agent.ask(action, **fields)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.run_dir / "state.json").read_text())
        return state

    def status(self, name: str) -> dict[str, Any]:
        entries: list[dict[str, Any]] = self.state()["containers"]
        return next(entry for entry in entries if entry["name"] == name)

    def terminated(self, name: str) -> dict[str, Any]:
        """Wait until the container ended for good and return how."""
        return dict(until(lambda: self.status(name)["state"].get("terminated"), f"{name} does not end: {self.state()}"))

    def running(self, name: str) -> int:
        """Wait until the container runs and return its PID."""
        until(lambda: "running" in self.status(name)["state"], f"{name} does not run: {self.state()}")
        return int(self.status(name)["pid"])

    def log_lines(self, name: str, number: int = 0) -> list[tuple[str, str, str]]:
        """Return (stream, tag, text) of each line of a log."""
        path = self.pod_dir / "containers" / name / "logs" / f"{number}.log"
        whole, _, _ = path.read_text().rpartition("\n")  # a reader may see half of what is being written
        parts = (line.split(" ", 3) for line in whole.splitlines())
        return [(stream, tag, text) for _, stream, tag, text in parts]

    def output(self, name: str, number: int = 0) -> str:
        return "\n".join(text for stream, _, text in self.log_lines(name, number) if stream == "stdout")

    def events(self) -> list[dict[str, Any]]:
        path = self.pod_dir / "events.log"
        whole, _, _ = path.read_text().rpartition("\n") if path.exists() else ("", "", "")
        return [json.loads(line) for line in whole.splitlines()]

    def messages(self, reason: str) -> list[str]:
        """Return what the events of a kind say, in their order."""
        return [event["message"] for event in self.events() if event["reason"] == reason]

    def supervisor_log(self) -> str:
        return (self.pod_dir / "supervisor.log").read_text()

    def wait_for_output(self, name: str, last: str, number: int = 0) -> None:
        until(lambda: self.output(name, number).endswith(last), f"{name} does not say {last}")

    def run(self, *args: str, **fields: Any) -> tuple[dict[str, Any], str]:
        """Run one container to its end; return how it ended, and its output."""
        self.container("app", list(args), **fields)
        assert self.start() == {"status": "ok"}
        end = self.terminated("app")
        return end, self.output("app")

    def wait(self) -> int:
        """Wait for the supervisor's end and return its exit code, negative for a signal."""
        _, status = until(lambda: [found for found in [os.waitpid(self.pid, os.WNOHANG)] if found[0]], "it lives on")[0]
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def stop(self, grace: int = 0) -> int:
        """Stop the pod and return the supervisor's exit code."""
        assert self.ask("stop", grace=grace)["status"] == "ok"
        return self.wait()

    def clean_up(self) -> None:
        """End whatever of this pod still lives: all of it became this process' child."""
        for pid in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(no_child_left, "children of the pod do not end")


def run_with(pod: Pod, *before: Any, script: str = "exit 0", after: Sequence[Any] = ()) -> str:
    """Run a script in a container with these steps before (and after) the pivot; return what it prints."""
    end, output = pod.run(*shell(script), steps=default_steps(before=before, after=after))
    assert end["reason"] == "Completed", end
    return output


def error_of(pod: Pod, *before: Any, after: Sequence[Any] = ()) -> str:
    """Return why a container with these steps does not start."""
    end, _ = pod.run("ls", steps=default_steps(before=before, after=after))
    assert end["reason"] == "StartError", end
    return str(end["message"])


def mountinfo(output: str, target: str) -> tuple[set[str], set[str], set[str]]:
    """Return the options of the mount at a target, its propagation, and the options of its file system."""
    line = [line for line in output.splitlines() if line.split(" ")[4:5] == [target]][-1]
    ours, _, theirs = line.partition(" - ")
    return set(ours.split(" ")[5].split(",")), set(ours.split(" ")[6:]), set(theirs.split(" ")[2].split(","))


def children(parent: int | None = None) -> list[int]:
    """Return the children of a process, the test's own unless given, the oldest first."""
    pid = parent or os.getpid()
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def no_child_left() -> bool:
    """Reap; new orphans appear while their parents die, so it kills them too."""
    for pid in children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Make this process the parent of what its children leave behind (PR_SET_CHILD_SUBREAPER)."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(36, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        assert libc.prctl(36, 0, 0, 0, 0) == 0


@contextlib.contextmanager
def fresh_pod(folder: Path) -> Iterator[Pod]:
    """Yield a pod without containers; afterwards nothing of it lives."""
    assert children() == []  # whatever is a child later belongs to the test
    pod = Pod(folder, build_image(folder / "image"))
    with adopting_orphans():
        yield pod
        pod.clean_up()


@contextlib.contextmanager
def cgroup(controller: str, name: str) -> Iterator[Path]:
    """Make a cgroup of our own in a v1 hierarchy, and remove it afterwards."""
    path = Path("/sys/fs/cgroup") / controller / f"pwtest-{os.getpid()}-{name}"
    path.mkdir()
    try:
        yield path
    finally:

        def remove() -> bool:
            try:
                path.rmdir()
            except OSError:
                return False
            return True

        until(remove, f"{path} stays busy")
