# SPDX-License-Identifier: Apache-2.0
"""A bundle that is broken: one clear error, exit code 1, and nothing is left of it on the host."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hosttools import HostState
from ocihost import OciHost, Spec, oci_host
from ocispecs import changed
from podwright.security.capabilities import NAMES

Change = Callable[[Spec, Path], Any]


class Broken(NamedTuple):
    """One way to be broken: what is changed, the words that the error has, and the command that finds it.

    ``change`` gets the right configuration and the bundle's folder. It returns the wrong configuration, the bytes of
    config.json, or None when there is to be none but what it made itself.
    """

    name: str
    change: Change
    words: tuple[str, ...]
    command: str = "create"
    options: tuple[str, ...] = ()
    id: str = "c1"


def put(path: str, value: Any) -> Change:
    """Set one member."""
    return lambda spec, folder: changed(spec, path, _filled(value, folder))


def without(path: str) -> Change:
    """Remove one member."""

    def change(spec: Spec, folder: Path) -> Spec:
        *way, last = path.split(".")
        parent = spec
        for key in way:
            parent = parent[key]
        del parent[last]
        return spec

    return change


def mounting(destination: str, **mount: Any) -> Change:
    """Add a mount."""

    def change(spec: Spec, folder: Path) -> Spec:
        spec["mounts"].append(_filled({"destination": destination, **mount}, folder))
        return spec

    return change


def in_namespaces(*entries: dict[str, str], **members: Any) -> Change:
    """Set the namespaces, and members of ``linux`` besides."""

    def change(spec: Spec, folder: Path) -> Spec:
        kinds = {entry["type"] for entry in entries}
        kept = [entry for entry in spec["linux"]["namespaces"] if entry["type"] not in kinds]
        spec["linux"] |= {"namespaces": [*kept, *_filled(list(entries), folder)], **members}
        return spec

    return change


def no_namespace(kind: str, path: str = "", value: Any = None) -> Change:
    """Leave out a namespace, and set a member that needs it."""

    def change(spec: Spec, folder: Path) -> Spec:
        spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != kind]
        return changed(spec, path, value) if path else spec

    return change


def hook(kind: str, script: str = "exit 3", **members: Any) -> Change:
    """Add a hook."""
    return put(f"hooks.{kind}", [{"path": "/bin/sh", "args": ["sh", "-c", script], **members}])


def seccomp(**members: Any) -> Change:
    return put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", **members})


def program(name: str, content: bytes) -> Change:
    """Let the container's program be a file of the bundle, mounted into it."""

    def change(spec: Spec, folder: Path) -> Spec:
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o755)
        spec["mounts"].append({"destination": f"/tmp/{name}", "source": name, "options": ["bind"]})
        spec["mounts"].insert(0, {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
        return changed(spec, "process.args", [f"/tmp/{name}"])

    return change


def text(content: bytes) -> Change:
    """Let config.json be these bytes."""
    return lambda spec, folder: content


def made(function: Callable[[Path], object]) -> Change:
    """Let config.json be whatever the function makes there."""

    def change(spec: Spec, folder: Path) -> None:
        function(folder / "config.json")

    return change


def root_of_others(spec: Spec, folder: Path) -> Spec:
    """The container's root is a stranger to its own root directory."""
    (folder / "closed").mkdir(mode=0o700)
    mapping = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    spec["linux"] |= {"uidMappings": mapping, "gidMappings": mapping}
    spec["linux"]["namespaces"].append({"type": "user"})
    return changed(spec, "root.path", "closed")


def _link(spec: Spec, folder: Path) -> Spec:
    (folder / "link").symlink_to(spec["root"]["path"])
    return changed(spec, "root.path", "link")


def _starving(spec: Spec, folder: Path) -> Spec:
    spec["linux"]["resources"] |= {"memory": {"limit": 8 << 20, "swap": 8 << 20}}
    greedy = {"path": "/bin/dd", "args": ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]}
    return spec | {"hooks": {"createContainer": [greedy]}}


def _filled(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return value.replace("{folder}", str(folder))
    if isinstance(value, dict):
        return {key: _filled(item, folder) for key, item in value.items()}
    return [_filled(item, folder) for item in value] if isinstance(value, list) else value


def _missing_capability() -> str:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    held = int(line.split()[1], 16)
    # where the host has all: one that no kernel has
    return next((name for number, name in enumerate(NAMES) if not held >> number & 1), "CAP_NONE")


LACKED = _missing_capability()
MAP = [{"containerID": 0, "hostID": 100000, "size": 10}]
OVERLAP = [*MAP, {"containerID": 5, "hostID": 200000, "size": 10}]
LONG = "x" * 120
ALL_SETS = {kind: [LACKED] for kind in ("bounding", "effective", "permitted")}
ABOVE = {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1 << 40}
FULL_ID = "i" * 256
WARM = {"defaultAction": "SCMP_ACT_ALLOW"}

TABLE = (
    # config.json
    Broken("no config", lambda spec, folder: None, ("cannot read {folder}/config.json", "No such file")),
    Broken("broken JSON", text(b'{"ociVersion": '), ("{folder}/config.json is not JSON",)),
    Broken("bytes that are no text", text(b'{"a": "\xff\xfe"}'), ("{folder}/config.json is not JSON",)),
    Broken("a list", text(b"[]"), ("config.json is []", "object")),
    Broken("nested deeply", text(b"[" * 100_000), ("{folder}/config.json is not JSON", "nested")),
    Broken("huge", text(b" " * (5 << 20)), ("{folder}/config.json has 5242880 bytes", "4194304")),
    Broken("a FIFO", made(os.mkfifo), ("{folder}/config.json is no regular file",)),
    Broken("a directory", made(os.mkdir), ("{folder}/config.json is no regular file",)),
    Broken("a socket", made(lambda path: os.mknod(path, stat.S_IFSOCK)), ("config.json",)),
    Broken("no version", without("ociVersion"), ("ociVersion is missing",)),
    Broken("another version", put("ociVersion", "2.0.0"), ("ociVersion", "'2.0.0'")),
    Broken("a member of another type", put("hostname", 7), ("hostname is 7", "string")),
    Broken("no bundle", lambda spec, folder: spec, ("bundle: /none is no directory",), options=("-b", "/none")),
    # process
    Broken("no args", without("process.args"), ("process.args is empty",)),
    Broken("empty args", put("process.args", []), ("process.args is empty",)),
    Broken("NUL in args", put("process.args", ["a\0b"]), ("process.args[0]", "NUL")),
    Broken("no cwd", without("process.cwd"), ("process.cwd is missing",)),
    Broken("relative cwd", put("process.cwd", "tmp"), ("process.cwd", "'tmp'", "absolute")),
    Broken("cwd is a file", put("process.cwd", "/bin/busybox"), ("working directory /bin/busybox", "Not a directory")),
    Broken("cwd leads out", put("process.cwd", "/proc/self/fd/7"), ("working directory /proc/self/fd/7",)),
    Broken("env without =", put("process.env", ["PATH"]), ("process.env[0]", "'PATH'", "NAME=value")),
    Broken("negative uid", put("process.user.uid", -1), ("process.user.uid is -1",)),
    Broken("uid of nobody", put("process.user.uid", (1 << 32) - 1), ("process.user.uid is 4294967295",)),
    Broken("unknown capability", put("process.capabilities.bounding", ["CAP_X"]), ("bounding", "'CAP_X'")),
    Broken("capability not permitted", put("process.capabilities.effective", ["CAP_CHOWN"]),
           ("effective", "CAP_CHOWN")),
    Broken("capability that the host lacks", put("process.capabilities", ALL_SETS), ("process.capabilities", LACKED)),
    Broken("unknown limit", put("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]), ("RLIMIT_X",)),
    Broken("soft above hard", put("process.rlimits", [ABOVE | {"soft": 1 << 41}]), ("process.rlimits[0]", "above")),
    Broken("limit above the host's", put("process.rlimits", [ABOVE]),
           ("process.rlimits (RLIMIT_NOFILE)", "1099511627776")),
    Broken("limit twice", put("process.rlimits", [ABOVE, ABOVE]), ("process.rlimits[1]", "RLIMIT_NOFILE", "twice")),
    Broken("OOM score", put("process.oomScoreAdj", 5000), ("process.oomScoreAdj is 5000",)),
    Broken("policy", put("process.scheduler", {"policy": "SCHED_X"}), ("process.scheduler.policy", "SCHED_X")),
    Broken("I/O class", put("process.ioPriority", {"class": "X"}), ("process.ioPriority.class", "'X'")),
    Broken("AppArmor", put("process.apparmorProfile", "none-such"), ("process.apparmorProfile", "none-such")),
    Broken("SELinux", put("process.selinuxLabel", "a:b:c"), ("process.selinuxLabel", "a:b:c")),
    Broken("no program", put("process.args", ["/bin/none"]), ("/bin/none", "No such file")),
    Broken("program of two lines", put("process.args", ["/bin/a\n\x1b[1mb"]), ("/bin/a\\n\\x1b[1mb: No such file",)),
    Broken("no program in PATH", put("process.args", ["none"]), ("none", "$PATH")),
    Broken("program is a directory", put("process.args", ["/bin"]), ("exec /bin: ",)),
    Broken("program is no program", program("p", b"\x7fELFnone"), ("exec /tmp/p", "Exec format error"), "run"),
    Broken("interpreter is missing", program("p", b"#!/none\n"), ("exec /tmp/p", "No such file"), "run"),
    # the terminal
    Broken("nobody takes the terminal", put("process.terminal", True),
           ("process.terminal is true", "--console-socket")),
    Broken(
        "socket without a terminal",
        lambda spec, folder: spec,
        ("--console-socket is given", "process.terminal is false"),
        options=("--console-socket", "/none"),
    ),
    Broken(
        "no console socket",
        put("process.terminal", True),
        ("--console-socket is '/none'", "No such file"),
        options=("--console-socket", "/none"),
    ),
    Broken(
        "console socket too long",
        put("process.terminal", True),
        ("--console-socket is '/", "too long"),
        options=("--console-socket", f"/{LONG}"),
    ),
    Broken(
        "console socket is a file",
        put("process.terminal", True),
        ("--console-socket is '/etc/hostname'", "refused"),
        options=("--console-socket", "/etc/hostname"),
    ),
    # root
    Broken("no root", without("root"), ("root is missing",)),
    Broken("root is missing", put("root.path", "none"), ("root.path: {folder}/none is no directory",)),
    Broken("root is a symlink", _link, ("root.path: {folder}/link is a symlink",)),
    Broken("root is a file", put("root.path", "config.json"), ("root.path: {folder}/config.json is no directory",)),
    Broken("root is the host's", put("root.path", "/"), ("root.path is the root of the host",)),
    Broken("root cannot be read", root_of_others, ("Permission denied",)),
    # mounts
    Broken("relative destination", mounting("a/b", type="tmpfs"), ("mounts[7].destination", "'a/b'")),
    Broken("mount over the root", mounting("/tmp/..", type="tmpfs", source="tmpfs"),
           ("mounts[7].destination is '/tmp/..'",)),
    Broken("mount over /proc", mounting("/proc", type="tmpfs", source="tmpfs"), ("mounts[7].destination is '/proc'",)),
    Broken("mount in /proc", mounting("/proc/sys", type="bind", source="/tmp", options=["rbind"]),
           ("mounts[7].destination is '/proc/sys'",)),
    Broken("no mount source", mounting("/tmp", source="/none", options=["bind"]),
           ("mounts (/tmp): source /none", "No such file")),
    Broken("file over a directory", mounting("/tmp", source="/etc/hostname", options=["bind"]), ("/tmp", "directory")),
    Broken("unknown file system", mounting("/tmp", type="nonefs", source="x"), ("mounts (/tmp): ", "nonefs")),
    Broken("tmpfs with a bad size", mounting("/tmp", type="tmpfs", source="x", options=["size=lots"]),
           ("mounts (/tmp): ", "size=lots")),
    Broken("tmpfs with a bad option", mounting("/tmp", type="tmpfs", source="x", options=["frob=1"]),
           ("mounts (/tmp): ", "frob=1")),
    Broken("data for a bind", mounting("/tmp", source="/srv", options=["bind", "frob=1"]),
           ("mounts[7].options", "frob=1")),
    # linux
    Broken("unknown namespace", in_namespaces({"type": "x"}), ("linux.namespaces[6].type", "'x'")),
    Broken("namespace twice", in_namespaces({"type": "pid"}, {"type": "pid"}), ("linux.namespaces[6]", "pid")),
    Broken(
        "namespace of another type",
        in_namespaces({"type": "network", "path": "/proc/self/ns/ipc"}),
        ("linux.namespaces[5].path: /proc/self/ns/ipc is a ipc namespace", "network"),
    ),
    Broken(
        "namespace that is none",
        in_namespaces({"type": "network", "path": "/etc/hostname"}),
        ("linux.namespaces[5].path: /etc/hostname is no namespace",),
    ),
    Broken(
        "no such namespace",
        in_namespaces({"type": "network", "path": "/none"}),
        ("linux.namespaces[5].path: cannot open /none", "No such file"),
    ),
    Broken(
        "mappings overlap",
        in_namespaces({"type": "user"}, uidMappings=OVERLAP, gidMappings=MAP),
        ("linux.uidMappings: containerID 5 is in two mappings",),
    ),
    Broken("no mappings", in_namespaces({"type": "user"}), ("linux.uidMappings is missing",)),
    Broken("mappings of nothing", put("linux.uidMappings", MAP), ("linux.uidMappings needs a user namespace",)),
    Broken("masked path of the host", no_namespace("mount"), ("needs a mount namespace", "linux.namespaces")),
    Broken("hostname of the host", no_namespace("uts"), ("hostname needs a uts namespace",)),
    Broken("sysctl of the host", put("linux.sysctl", {"kernel.core_pattern": "x"}),
           ("linux.sysctl.kernel.core_pattern",)),
    Broken("sysctl that is none", put("linux.sysctl", {"net.none": "1"}), ("net/none", "No such file")),
    Broken("sysctl's value", put("linux.sysctl", {"net.ipv4.ip_forward": "x"}),
           ("net/ipv4/ip_forward", "Invalid argument")),
    Broken(
        "sysctl of the host's network",
        no_namespace("network", "linux.sysctl", {"net.ipv4.ip_forward": "1"}),
        ("linux.sysctl.net.ipv4.ip_forward needs a network namespace",),
    ),
    Broken("device of no type", put("linux.devices", [{"type": "x", "path": "/dev/x"}]),
           ("linux.devices[0].type", "'x'")),
    Broken(
        "device in the way",
        put("linux.devices", [{"type": "c", "path": "/bin/busybox", "major": 1, "minor": 3}]),
        ("/bin/busybox",),
    ),
    Broken(
        "device in /proc",
        put("linux.devices", [{"type": "c", "path": "/proc/x", "major": 1, "minor": 3}]),
        ("/proc/x",),
    ),
    Broken("cgroup above", put("linux.cgroupsPath", "/../x"), ("linux.cgroupsPath is '/../x'", "without ..")),
    Broken("memory limit", put("linux.resources.memory", {"limit": "1G"}), ("linux.resources.memory.limit", "'1G'")),
    Broken("page size", put("linux.resources.hugepageLimits", [{"pageSize": "3MB", "limit": 0}]),
           ("hugepageLimits", "3MB")),
    Broken("processors", put("linux.resources.cpu", {"cpus": "4000"}), ("linux.resources.cpu.cpus", "4000")),
    Broken("RDT", put("linux.intelRdt", {"closID": "x"}), ("linux.intelRdt is not supported",)),
    Broken("no interface", put("linux.netDevices", {"none0": {}}), ("none0",)),
    Broken("personality", put("linux.personality", {"domain": "X"}), ("linux.personality.domain", "'X'")),
    Broken("propagation", put("linux.rootfsPropagation", "x"), ("linux.rootfsPropagation", "'x'")),
    Broken("offsets of nothing", put("linux.timeOffsets", {"monotonic": {"secs": 1}}), ("linux.timeOffsets needs",)),
    # seccomp
    Broken("action", seccomp(defaultAction="SCMP_X"), ("linux.seccomp.defaultAction", "'SCMP_X'")),
    Broken("architecture", seccomp(architectures=["SCMP_X"]), ("linux.seccomp.architectures", "'SCMP_X'")),
    Broken(
        "an agent for write",
        seccomp(syscalls=[{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}], listenerPath="/none"),
        ("linux.seccomp.syscalls[0].names", "'write'"),
    ),
    Broken(
        "no agent",
        seccomp(syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}], listenerPath="/none"),
        ("linux.seccomp.listenerPath /none", "No such file"),
    ),
    # hooks
    Broken("relative hook", put("hooks.prestart", [{"path": "sh"}]), ("hooks.prestart[0].path", "'sh'")),
    Broken("no hook", put("hooks.createRuntime", [{"path": "/none"}]), ("createRuntime", "/none", "No such file")),
    Broken("failing prestart", hook("prestart", "echo why >&2; exit 3"), ("prestart", "/bin/sh ended with 3: why")),
    Broken("failing createRuntime", hook("createRuntime"), ("createRuntime", "/bin/sh ended with 3")),
    Broken("failing createContainer", hook("createContainer"), ("createContainer", "/bin/sh ended with 3")),
    Broken("failing startContainer", hook("startContainer"), ("startContainer", "/bin/sh ended with 3"), "run"),
    Broken("failing poststart", hook("poststart", "echo a >&2; echo b >&2; exit 3"),
           ("hooks.poststart[0] (/bin/sh) ended with 3: a b",), "run"),
    Broken("killed hook", hook("createRuntime", "kill -9 $$"), ("createRuntime", "signal 9")),
    Broken("hanging createRuntime", hook("createRuntime", "sleep 600 & sleep 600", timeout=1),
           ("createRuntime", "timeout of 1 s")),
    Broken("hanging createContainer", hook("createContainer", "sleep 600", timeout=1),
           ("createContainer", "timeout of 1 s")),
    Broken("hanging startContainer", hook("startContainer", "sleep 600", timeout=1),
           ("startContainer", "timeout of 1 s"), "run"),
    Broken("hanging poststart", hook("poststart", "sleep 600", timeout=1), ("poststart", "timeout of 1 s"), "run"),
    Broken("too little memory", _starving, ("linux.resources.memory.limit is too low",)),
    # the command's own
    Broken("ID with a slash", lambda spec, folder: spec, ("ID is 'a/b'",), id="a/b"),
    Broken("ID above", lambda spec, folder: spec, ("ID is '..'",), id=".."),
    Broken("empty ID", lambda spec, folder: spec, ("ID is ''",), id=""),
    Broken("long ID", lambda spec, folder: spec, ("256 characters", "255"), id=FULL_ID),
    Broken(
        "pid file in no directory",
        lambda spec, folder: spec,
        ("--pid-file is '/none/pid'", "No such file"),
        options=("--pid-file", "/none/pid"),
    ),
    Broken(
        "no pidfd socket",
        lambda spec, folder: spec,
        ("--pidfd-socket is '/none'", "No such file"),
        options=("--pidfd-socket", "/none"),
    ),
    Broken(
        "no descriptors to preserve",
        lambda spec, folder: spec,
        ("descriptor", "not open"),
        options=("--preserve-fds", "500"),
    ),
    Broken("unknown option", lambda spec, folder: spec, ("--frob",), options=("--frob",)),
)  # fmt: skip


@pytest.fixture(scope="module")
def oci() -> Iterator[OciHost]:
    with oci_host() as made:
        made.end_of("warm", "true", change=lambda spec: spec["linux"].update(seccomp=WARM))  # makes folders that stay
        yield made


@pytest.fixture(autouse=True)
def clean(oci: OciHost) -> Iterator[None]:
    """What one test leaves behind is that test's failure alone."""
    yield
    oci.close()


def write_bundle(oci: OciHost, broken: Broken, folder: Path) -> None:
    content = broken.change(oci.spec("c1", "sleep", "600"), folder)
    if content is not None:
        (folder / "config.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def state_of(oci: OciHost) -> HostState:
    """Return what is on the host, but for compiled filters: they are kept for the next container that has the same."""
    state = oci.snapshot()
    return state._replace(files=frozenset(path for path in state.files if "/lib/seccomp" not in path))


def files_of(folder: Path) -> list[str]:
    return sorted(f"{path} {stat.S_IFMT(path.lstat().st_mode):o}" for path in folder.rglob("*"))


@pytest.mark.parametrize("broken", TABLE, ids=lambda broken: broken.name.replace(" ", "-"))
def test_a_broken_bundle_is_one_error_and_leaves_nothing(oci: OciHost, tmp_path: Path, broken: Broken) -> None:
    folder, log = tmp_path / "bundle", tmp_path / "log"
    folder.mkdir()
    write_bundle(oci, broken, folder)
    before, files = state_of(oci), files_of(folder)
    words = ("--log", str(log), "--log-format", "json", broken.command, "-b", str(folder), *broken.options, broken.id)
    done = oci.run(*words)
    sentence = _only_line(done.stderr)
    assert done.returncode == 1
    assert done.stdout == ""
    assert [word for word in _filled(list(broken.words), folder) if word not in sentence] == [], sentence
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(entry["level"], entry["msg"]) for entry in entries] == [("error", sentence)]
    assert state_of(oci) == before
    assert files_of(folder) == files


def _only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("podwright-oci: ")
    assert lines[0].isprintable()
    return lines[0].removeprefix("podwright-oci: ")


def test_there_are_more_than_thirty_ways() -> None:
    assert len({broken.name for broken in TABLE}) == len(TABLE) > 100
