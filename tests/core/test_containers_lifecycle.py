# SPDX-License-Identifier: Apache-2.0
"""The orders on a container, with a podinit that makes a real process and nothing around it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import bundletools
from podwright.containers import process
from podwright.containers.lifecycle import Containers
from podwright.errors import ContainerError, HostError, NotFound


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def containers(tmp_path, warnings):
    made = Containers(
        str(tmp_path / "root"),
        store=str(tmp_path / "store"),
        cgroup_manager="disabled",
        podinit=bundletools.fake_podinit(tmp_path),
        warn=warnings.append,
    )
    yield made
    for container in made.list():
        made.delete(container["id"], force=True)


@pytest.fixture
def bundle(tmp_path):
    def make(*args, hooks=None, version="1.3.0", **fields):
        config = bundletools.configuration(*args, **fields) | {"ociVersion": version}
        if hooks:
            config["hooks"] = hooks
        config["annotations"] = {"org.example": "yes"}
        return bundletools.bundle(tmp_path / "bundle", config)

    return make


def shell(script, **fields):
    return {"path": "/bin/sh", "args": ["hook", "-c", script], **fields}


def test_a_container_goes_through_its_states(containers, bundle, tmp_path):
    path = bundle("sleep", "600")
    pid = containers.create("c1", path, pid_file=str(tmp_path / "pid"))
    state = containers.state("c1")
    assert (state["status"], state["pid"], state["bundle"]) == ("created", pid, path)
    assert state["annotations"] == {"org.example": "yes"}
    assert (state["rootfs"], state["owner"]) == (f"{path}/rootfs", "root")
    assert (tmp_path / "pid").read_text() == str(pid)
    containers.start("c1")
    assert containers.state("c1")["status"] == "running"
    assert os.readlink(f"/proc/{pid}/exe").endswith("sleep")
    assert [one["id"] for one in containers.list()] == ["c1"]
    containers.kill("c1", signal.SIGTERM)
    assert containers.wait("c1") == 128 + signal.SIGTERM
    assert containers.state("c1")["status"] == "stopped"
    containers.delete("c1")
    assert os.listdir(containers.root) == []
    with pytest.raises(NotFound, match="container c1 does not exist"):
        containers.state("c1")


def test_a_directory_holds_only_what_the_container_needs(containers, bundle):
    containers.create("c1", bundle("sleep", "600"))
    assert sorted(os.listdir(f"{containers.root}/c1")) == ["config.json", "plan.json", "start.sock", "state.json"]
    containers.start("c1")
    assert sorted(os.listdir(f"{containers.root}/c1")) == ["config.json", "plan.json", "state.json"]


def test_run_returns_the_exit_code_and_leaves_nothing(containers, bundle):
    assert containers.run("c1", bundle("sh", "-c", "exit 7")) == 7
    assert os.listdir(containers.root) == []


@pytest.mark.parametrize("order", ["start", "delete"])
def test_a_second_start_and_a_delete_of_what_runs_have_no_effect(containers, bundle, order):
    pid = containers.create("c1", bundle("sleep", "600"))
    if order == "delete":
        with pytest.raises(ContainerError, match="c1 is created: stop it before it is deleted"):
            containers.delete("c1")
    containers.start("c1")
    with pytest.raises(ContainerError, match="container c1 is running"):
        getattr(containers, order)("c1")
    assert process.start_time(pid)
    assert containers.state("c1")["status"] == "running"


def test_a_stopped_container_takes_no_order_but_delete(containers, bundle):
    containers.create("c1", bundle("true"))
    containers.start("c1")
    containers.wait("c1")
    for order in (
        lambda: containers.start("c1"),
        lambda: containers.kill("c1", 15),
        lambda: containers.pids("c1"),
        lambda: containers.exec("c1", {}),
    ):
        with pytest.raises(ContainerError, match="stopped"):
            order()
    containers.delete("c1")


def test_kill_says_what_engines_look_for(containers, bundle):
    """containerd reads these words from the error (its process/utils.go)."""
    with pytest.raises(NotFound, match="does not exist"):
        containers.kill("c1", 9)
    containers.create("c1", bundle("true"))
    containers.kill("c1", 9)
    containers.wait("c1")
    with pytest.raises(ContainerError, match="container not running"):
        containers.kill("c1", 9)


def test_the_number_of_a_foreign_process_is_not_killed(containers, bundle):
    containers.create("c1", bundle("sleep", "600"))
    time.sleep(0.05)  # start times count hundredths of a second
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        path = f"{containers.root}/c1/state.json"
        with open(path) as file:
            record = json.load(file)
        pid, start = record["pid"], record["start"]
        with open(path, "w") as file:
            json.dump(record | {"pid": bystander.pid}, file)
        with pytest.raises(ContainerError, match="container not running"):
            containers.kill("c1", 9)
        assert bystander.poll() is None
        process.end(pid, start)
    finally:
        bystander.kill()
        bystander.wait()


def test_a_failed_create_is_undone(containers, bundle):
    with pytest.raises(HostError, match=r"^mounts\[0\] cannot be mounted$"):
        containers.create("c1", bundle("true", env=["FAKE_FAULT=create"]))
    assert os.listdir(containers.root) == []


def test_a_create_that_cannot_be_told_is_undone(containers, bundle):
    before = _children()
    with pytest.raises(HostError, match="--pid-file is '/none/pid', which cannot be written"):
        containers.create("c1", bundle("sleep", "600"), pid_file="/none/pid")
    assert os.listdir(containers.root) == []
    assert not [pid for pid in _children() if pid not in before]


def test_when_the_undoing_fails_too_both_are_told(containers, bundle, monkeypatch):
    def refuse(_folder, _record):
        raise HostError("cgroup /x is busy")

    with monkeypatch.context() as patched:
        patched.setattr(containers, "destroy", refuse)
        with pytest.raises(HostError, match=r"mounts\[0\] .* undoing it failed too: cgroup /x is busy.*--force"):
            containers.create("c1", bundle("true", env=["FAKE_FAULT=create"]))
    containers.delete("c1", force=True)


def test_a_program_that_cannot_be_executed_is_told_at_start(containers, bundle):
    containers.create("c1", bundle("/none/program"))
    with pytest.raises(HostError, match="container c1 cannot be started: cannot execute /none/program: No such file"):
        containers.start("c1")
    assert containers.state("c1")["status"] == "stopped"


def test_later_changes_of_the_bundle_have_no_effect(containers, bundle, tmp_path):
    containers.create("c1", bundle("sleep", "600"))
    (tmp_path / "bundle/config.json").write_text("{}")
    assert containers.configuration("c1")["process"]["args"] == ["sleep", "600"]
    containers.start("c1")


def test_hooks_run_after_start_and_after_delete(containers, bundle, tmp_path):
    hooks = {
        "poststart": [shell(f"cat > {tmp_path}/poststart")],
        "poststop": [shell("exit 3"), shell(f"cat > {tmp_path}/poststop; ls {containers.root} > {tmp_path}/left")],
    }
    pid = containers.create("c1", bundle("sleep", "600", hooks=hooks))
    assert not (tmp_path / "poststart").exists()
    containers.start("c1")
    state = json.loads((tmp_path / "poststart").read_text())
    assert (state["id"], state["status"], state["pid"]) == ("c1", "running", pid)
    containers.delete("c1", force=True)
    assert json.loads((tmp_path / "poststop").read_text())["status"] == "stopped"
    assert (tmp_path / "left").read_text() == ""


def test_a_failing_poststop_hook_only_warns(containers, bundle, warnings):
    containers.run("c1", bundle("true", hooks={"poststop": [shell("echo why >&2; exit 3")]}))
    assert [one for one in warnings if "poststop" in one] == [
        "container c1: hooks.poststop[0] (/bin/sh) ended with 3: why"
    ]


def test_a_failing_poststart_hook_ends_the_container(containers, bundle, tmp_path):
    hooks = {"poststart": [shell("exit 3")], "poststop": [shell(f"touch {tmp_path}/poststop")]}
    pid = containers.create("c1", bundle("sleep", "600", hooks=hooks))
    with pytest.raises(HostError, match=r"hooks\.poststart\[0\] \(/bin/sh\) ended with 3"):
        containers.start("c1")
    assert process.start_time(pid, zombies=True) is None
    assert (tmp_path / "poststop").exists()
    assert os.listdir(containers.root) == []


def test_before_version_1_3_a_failing_poststart_hook_only_warns(containers, bundle, warnings, tmp_path):
    """runtime.md of 1.0.2: the remaining hooks and the lifecycle continue as if it had succeeded."""
    hooks = {"poststart": [shell("exit 3"), shell(f"touch {tmp_path}/second")]}
    containers.create("c1", bundle("sleep", "600", hooks=hooks, version="1.2.1"))
    containers.start("c1")
    assert containers.state("c1")["status"] == "running"
    assert [one for one in warnings if "poststart" in one] == [
        "container c1: hooks.poststart[0] (/bin/sh) ended with 3"
    ]
    assert (tmp_path / "second").exists()


def test_descriptors_are_preserved(containers, bundle, tmp_path):
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    code = subprocess.run(
        [
            sys.executable,
            "-c",
            _PRESERVE,
            containers.root,
            containers.podinit,
            bundle("sh", "-c", "echo kept >&4"),
            str(out),
        ],
        pass_fds=(out,),
    ).returncode
    os.close(out)
    assert code == 0
    assert (tmp_path / "out").read_text() == "kept\n"


_PRESERVE = """
import os, sys
root, podinit, bundle, out = sys.argv[1:]
os.dup2(int(out), 4), os.dup2(int(out), 3)
from podwright.containers.lifecycle import Containers
made = Containers(root, store=root + "-store", cgroup_manager="disabled", podinit=podinit)
sys.exit(made.run("p1", bundle, preserve_fds=2))
"""


def test_the_terminal_goes_to_the_socket(containers, bundle, tmp_path):
    path = bundle("sh", "-c", "echo hello", terminal=True)
    with pytest.raises(HostError, match=r"process\.terminal is true, but nobody takes the terminal"):
        containers.create("c1", path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "console"))
        server.listen()
        containers.create("c1", path, console_socket=str(tmp_path / "console"))
        connection, _ = server.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 100, 2)
    containers.start("c1")
    assert os.read(fds[0], 100) == b"hello\r\n"
    os.close(fds[0])
    containers.delete("c1", force=True)
    with pytest.raises(HostError, match="--console-socket is given, but"):
        containers.create("c1", bundle("true"), console_socket=str(tmp_path / "console"))
    with pytest.raises(HostError, match="'/none', which cannot be connected to: No such file"):
        containers.create("c1", bundle("true", terminal=True), console_socket="/none")


def test_exec_runs_beside_the_container(containers, bundle, tmp_path):
    containers.create("c1", bundle("sleep", "600"))
    containers.start("c1")
    asked = bundletools.configuration("sh", "-c", f"echo $A > {tmp_path}/out; exit 5", env=["A=b", "PATH=/bin"])[
        "process"
    ]
    launched = containers.exec("c1", asked, pid_file=str(tmp_path / "pid"))
    with process.find(launched.pid, launched.start, zombies=True) as handle:
        assert handle.exit_code() == 5
    assert (tmp_path / "out").read_text() == "b\n"
    assert (tmp_path / "pid").read_text() == str(launched.pid)
    assert not [name for name in os.listdir(f"{containers.root}/c1") if name.startswith("exec")]


def test_half_made_containers_can_be_deleted(containers):
    for content in (None, "{", '{"id": "other"}'):
        os.makedirs(f"{containers.root}/c1")
        if content is not None:
            with open(f"{containers.root}/c1/state.json", "w") as file:
                file.write(content)
        assert [(one["id"], one["status"]) for one in containers.list()] == [("c1", "unknown")]
        with pytest.raises(ContainerError, match="delete it with --force"):
            containers.delete("c1")
        containers.delete("c1", force=True)
        assert os.listdir(containers.root) == []
    containers.delete("c1", force=True)  # none is no error


def test_what_a_killed_create_leaves_is_deleted(containers, bundle):
    """The creator dies while podinit works, and after the process was made but before it was recorded."""
    path = bundle("true", env=["FAKE_FAULT=hang"])
    child = subprocess.Popen([sys.executable, "-c", _CREATE, containers.root, containers.podinit, path])
    _until(lambda: os.path.exists(f"{containers.root}/c1/start.sock"))
    assert containers.state("c1")["status"] == "creating"
    child.kill()
    child.wait()
    assert containers.state("c1")["status"] == "stopped"
    containers.delete("c1", force=True)
    assert os.listdir(containers.root) == []


def test_a_process_that_was_never_recorded_is_found_by_its_socket(containers, bundle):
    pid = containers.create("c1", bundle("sleep", "600"))
    os.unlink(f"{containers.root}/c1/state.json")
    containers.delete("c1", force=True)
    assert process.start_time(pid, zombies=True) is None


_CREATE = """
import sys
from podwright.containers.lifecycle import Containers
root, podinit, bundle = sys.argv[1:]
Containers(root, store=root + "-store", cgroup_manager="disabled", podinit=podinit).create("c1", bundle)
"""


def test_a_start_that_was_killed_before_it_was_recorded_is_seen(containers, bundle):
    containers.create("c1", bundle("sleep", "600"))
    path = f"{containers.root}/c1/state.json"
    with open(path) as file:
        before = file.read()
    containers.start("c1")
    with open(path, "w") as file:
        file.write(before)
    assert json.loads(before)["phase"] == "created"
    assert containers.state("c1")["status"] == "running"
    with pytest.raises(ContainerError, match="c1 is running"):
        containers.start("c1")


def _children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def _until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
