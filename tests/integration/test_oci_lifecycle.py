# SPDX-License-Identifier: Apache-2.0
"""podwright-oci with the real podinit and the host's cgroups."""

import glob
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from podwright.containers import process
from podwright.containers.lifecycle import Containers
from podwright.errors import HostError
from podwright.oci.default_spec import default_spec

OCI = str(Path(sys.executable).parent / "podwright-oci")


class Oci:
    """An installation of its own; its containers are in cgroups of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.mark = f"podwright-oci-test-{os.urandom(4).hex()}"
        self.rootfs = folder / "rootfs"
        (self.rootfs / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", self.rootfs / "bin")
        for name in ("sh", "sleep", "cat", "echo", "true", "id", "dd", "test", "ls", "kill", "stty"):
            (self.rootfs / "bin" / name).symlink_to("busybox")

    def bundle(self, container_id, *args, change=None):
        spec = default_spec()
        spec["process"] |= {"args": list(args), "terminal": False, "env": ["PATH=/bin"]}
        spec["process"].pop("rlimits", None)
        spec["root"] = {"path": str(self.rootfs)}
        spec["linux"]["cgroupsPath"] = f"/{self.mark}/{container_id}"
        if change:
            change(spec)
        bundle = self.folder / "bundles" / container_id
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_text(json.dumps(spec))
        return str(bundle)

    def __call__(self, *words, code=0, **options):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, **options)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def words(self, *words):
        return [OCI, "--root", str(self.folder / "root"), *words]

    def create(self, container_id, *args, change=None):
        # no pipe: the container would keep it
        bundle = self.bundle(container_id, *args, change=change)
        subprocess.run(self.words("create", "-b", bundle, container_id), stdin=subprocess.DEVNULL, check=True)

    def begin(self, container_id, *args, change=None):
        self.create(container_id, *args, change=change)
        self("start", container_id)
        return self.state(container_id)["pid"]

    def state(self, container_id):
        return json.loads(self("state", container_id))

    def groups(self):
        return [path for path in glob.glob(f"/sys/fs/cgroup/*/{self.mark}/*") if os.path.isdir(path)]

    def clean(self):
        for container_id in os.listdir(self.folder / "root") if (self.folder / "root").is_dir() else []:
            self("delete", "--force", container_id)
        left = self.groups(), os.listdir(self.folder / "root") if (self.folder / "root").is_dir() else []
        for path in glob.glob(f"/sys/fs/cgroup/*/{self.mark}") + glob.glob(f"/sys/fs/cgroup/{self.mark}"):
            os.rmdir(path)
        assert left == ([], [])


@pytest.fixture
def oci(tmp_path):
    made = Oci(tmp_path)
    yield made
    made.clean()


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_container_from_create_to_delete(oci):
    mounts = Path("/proc/self/mountinfo").read_text()
    oci.create("c1", "sleep", "600")
    assert oci.state("c1")["status"] == "created"
    oci("start", "c1")
    state = oci.state("c1")
    assert (state["status"], os.readlink(f"/proc/{state['pid']}/exe")) == ("running", "/bin/busybox")
    assert f"/{oci.mark}/c1" in Path(f"/proc/{state['pid']}/cgroup").read_text()
    assert "c1 is running" in oci("start", "c1", code=1)
    assert "c1 is running" in oci("delete", "c1", code=1)
    oci("kill", "c1", "KILL")
    until(lambda: oci.state("c1")["status"] == "stopped")
    oci("delete", "c1")
    assert "does not exist" in oci("state", "c1", code=1)
    assert oci.groups() == []
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_run_has_the_exit_code_and_the_output(oci):
    done = subprocess.run(
        oci.words("run", "-b", oci.bundle("c1", "sh", "-c", "echo out; exit 7"), "c1"), capture_output=True
    )
    assert (done.returncode, done.stdout) == (7, b"out\n")
    done = subprocess.run(oci.words("run", "-b", oci.bundle("c1", "/bin/none"), "c1"), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("podwright-oci: ")
    assert "/bin/none" in done.stderr


def test_exec_joins_the_container(oci):
    oci.begin("c1", "sleep", "600")
    done = subprocess.run(
        oci.words("exec", "-u", "7:8", "-e", "A=b", "c1", "sh", "-c", "echo $$ $A $(id -u):$(id -g); exit 9"),
        capture_output=True,
        text=True,
    )
    pid, *rest = done.stdout.split()
    assert (done.returncode, rest) == (9, ["b", "7:8"])
    assert int(pid) < 20  # as the container counts
    status = subprocess.run(oci.words("exec", "c1", "cat", "/proc/self/status"), capture_output=True, text=True).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["CapInh"] == "0000000000000000"
    assert oci("exec", "c1", "/bin/none", code=1).startswith("podwright-oci: ")


def test_pause_and_resume(oci):
    oci.begin("c1", "sleep", "600")
    oci("pause", "c1")
    assert oci.state("c1")["status"] == "paused"
    assert "is paused" in oci("exec", "c1", "true", code=1)
    oci("resume", "c1")
    assert oci.state("c1")["status"] == "running"
    assert "not paused" in oci("resume", "c1", code=1)
    oci("pause", "c1")
    oci("kill", "c1", "KILL")
    until(lambda: oci.state("c1")["status"] == "stopped")


def test_a_paused_container_is_deleted_by_force(oci):
    oci.begin("c1", "sleep", "600")
    oci("pause", "c1")
    oci("delete", "-f", "c1")
    assert oci.groups() == []


def test_limits_change_while_it_runs(oci):
    def limits(spec):
        spec["linux"]["resources"] = {"pids": {"limit": 50}, "memory": {"limit": 64 << 20}}

    oci.begin("c1", "sleep", "600", change=limits)
    stats = json.loads(oci("events", "--stats", "c1"))
    assert (stats["type"], stats["id"], stats["data"]["pids"]["limit"]) == ("stats", "c1", 50)
    oci("update", "--pids-limit", "20", "c1")
    oci("update", "--resources", "-", "c1", input=json.dumps({"memory": {"limit": 32 << 20}}))
    data = json.loads(oci("events", "--stats", "c1"))["data"]
    assert (data["pids"]["limit"], data["memory"]["usage"]["limit"]) == (20, 32 << 20)


def test_processes_are_listed_and_killed_together(oci):
    pid = oci.begin("c1", "sh", "-c", "sleep 600 & sleep 601 & wait")
    until(lambda: len(json.loads(oci("ps", "--format", "json", "c1"))) == 3)
    assert pid in json.loads(oci("ps", "-f", "json", "c1"))
    oci("kill", "--all", "c1", "KILL")
    until(lambda: oci.state("c1")["status"] == "stopped")


def test_without_a_pid_namespace_delete_kills_the_rest(oci):
    def share(spec):
        spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "pid"]
        spec["mounts"] = [one for one in spec["mounts"] if one["type"] != "proc"]
        spec["linux"].pop("maskedPaths", None), spec["linux"].pop("readonlyPaths", None)

    oci.begin("c1", "sh", "-c", "sleep 600 & exit 0", change=share)
    until(lambda: oci.state("c1")["status"] == "stopped")
    procs = [path for group in oci.groups() for path in Path(group, "cgroup.procs").read_text().split()]
    assert procs
    oci("delete", "c1")
    until(lambda: process.start_time(int(procs[0])) is None)
    assert oci.groups() == []


def test_want_of_memory_at_create_is_told(oci):
    def starve(spec):
        spec["linux"]["resources"] = {"memory": {"limit": 8 << 20, "swap": 8 << 20}}
        # in the container's cgroup, as all that comes before its start
        hook = {"path": "/bin/dd", "args": ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]}
        spec["hooks"] = {"createContainer": [hook]}

    bundle = oci.bundle("c1", "true", change=starve)
    log = oci.folder / "log"  # no pipe, which a container would keep
    done = subprocess.run(oci.words("--log", str(log), "create", "-b", bundle, "c1"), stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "linux.resources.memory.limit is too low" in log.read_text()
    assert oci.groups() == []


def test_hooks_have_their_order(oci):
    log = oci.folder / "log"

    def hooks(spec):
        kinds = ("createRuntime", "poststart", "poststop")
        spec["hooks"] = {
            kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} $(cat) >> {log}"]}] for kind in kinds
        }

    oci.begin("c1", "sleep", "600", change=hooks)
    oci("delete", "-f", "c1")
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert [(kind, json.loads(state)["status"]) for kind, state in lines] == [
        ("createRuntime", "created"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ]


def test_a_failing_hook_undoes_the_container(oci):
    def hook(spec):
        spec["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo why >&2; exit 3"]}]}

    bundle = oci.bundle("c1", "true", change=hook)
    done = subprocess.run(oci.words("create", "-b", bundle, "c1"), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"createRuntime" in done.stderr
    assert os.listdir(oci.folder / "root") == []


def test_delete_cleans_after_a_kill_at_any_moment(oci):
    """kill -9 of the creator at random points, then delete --force: no process, no cgroup, no directory is left."""
    bundle = oci.bundle("c1", "sleep", "600")
    before = _sleepers()
    for _ in range(25):
        child = subprocess.Popen(
            oci.words("run", "-d", "-b", bundle, "c1"), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(random.uniform(0.0, 0.12))
        child.kill()
        child.wait()
        deadline = time.monotonic() + 20
        while True:  # podinit itself may still be at work for a moment
            done = subprocess.run(oci.words("delete", "--force", "c1"), capture_output=True)
            if done.returncode == 0 and not oci.groups():
                break
            assert time.monotonic() < deadline, done.stderr
        assert not os.path.exists(oci.folder / "root" / "c1")
    until(lambda: _sleepers() <= before)


def _sleepers():
    found = set()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if Path(path).read_bytes() == b"sleep\x00600\x00":
                found.add(path)
        except OSError:
            pass
    return found


def test_threads_may_create_at_once(oci):
    """One library, eight threads, containers each with a life of its own."""
    containers = Containers(str(oci.folder / "root"), store=str(oci.folder / "store"))
    bundles = {f"t{number}": oci.bundle(f"t{number}", "sh", "-c", f"exit {number}") for number in range(16)}
    names, codes = list(bundles), {}

    def work():
        while names:
            name = names.pop()
            codes[name] = containers.run(name, bundles[name], stdio=(900, 900, 900))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {f"t{number}": number for number in range(16)}


def test_a_cgroup_in_use_is_not_taken(oci):
    oci.begin("c1", "sleep", "600")

    def same(spec):
        spec["linux"]["cgroupsPath"] = f"/{oci.mark}/c1"

    containers = Containers(str(oci.folder / "root"), store=str(oci.folder / "store"))
    with pytest.raises(HostError, match="is there already"):
        containers.create("c2", oci.bundle("c2", "true", change=same))
    assert oci.state("c1")["status"] == "running"


def test_a_process_without_record_and_cgroup_is_found_by_its_socket(oci):
    bundle = oci.bundle("c1", "sleep", "600")
    words = oci.words("--cgroup-manager", "disabled", "create", "-b", bundle, "c1")
    subprocess.run(words, stdin=subprocess.DEVNULL, check=True)
    pid = oci.state("c1")["pid"]
    os.unlink(oci.folder / "root/c1/state.json")
    oci("delete", "--force", "c1")
    until(lambda: process.start_time(pid) is None)


def test_exec_enters_a_cgroup_below(oci):
    pid = oci.begin("c1", "sleep", "600")
    parents = [path for path in oci.groups() if "/pids/" in path or path.startswith(f"/sys/fs/cgroup/{oci.mark}")]
    for path in parents:
        os.mkdir(f"{path}/deeper")
    words = [
        "exec",
        "--cgroup",
        "pids:deeper" if "/pids/" in parents[0] else "deeper",
        "c1",
        "cat",
        "/proc/self/cgroup",
    ]
    out = oci(*words)
    assert "/deeper" in out
    assert "/deeper" not in Path(f"/proc/{pid}/cgroup").read_text()
    assert "must be a path below the container's own" in oci("exec", "--cgroup", "../..", "c1", "true", code=1)


def test_a_container_without_a_process_cannot_be_started(oci):
    oci.create("c1", change=lambda spec: spec.pop("process"))
    assert oci.state("c1")["status"] == "created"
    oci("start", "c1", code=1)
