# SPDX-License-Identifier: Apache-2.0
"""podman runs its containers with podwright-oci."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podmantools import IMAGE, Podman
from podtools import eventually

ALONE = ("--network", "none")


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    engine = Podman()
    yield engine
    engine.close()


@pytest.fixture
def sleeper(podman: Podman) -> Iterator[str]:
    """A container that counts in a file, by its ID."""
    count = "i=0; while :; do i=$((i+1)); echo $i >/count; usleep 10000; done"
    identifier = podman.run("run", "-d", *ALONE, IMAGE, "sh", "-c", count)
    yield identifier
    podman.run("rm", "-f", "-t", "0", identifier)


def test_run_prints_and_returns_the_exit_code(podman: Podman) -> None:
    done = podman.call("run", "--rm", *ALONE, IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_run_with_input(podman: Podman) -> None:
    assert podman.run("run", "--rm", "-i", *ALONE, IMAGE, "cat", stdin="given") == "given"


def test_run_with_a_terminal(podman: Podman) -> None:
    assert podman.run("run", "--rm", "-t", *ALONE, IMAGE, "tty") == "/dev/pts/0"


def test_command_that_is_not_there(podman: Podman) -> None:
    done = podman.call("run", "--rm", *ALONE, IMAGE, "/no/such")
    assert done.returncode == 127, done.stderr
    assert "/no/such" in done.stderr


def test_command_that_cannot_be_run(podman: Podman) -> None:
    done = podman.call("run", "--rm", *ALONE, IMAGE, "/etc")
    assert done.returncode == 126, done.stderr


def test_container_is_listed_from_run_to_rm(podman: Podman, sleeper: str) -> None:
    assert podman.listed()[sleeper] == "running"
    podman.run("stop", "-t", "0", sleeper)
    assert sleeper not in podman.listed()
    podman.run("start", sleeper)
    assert podman.listed()[sleeper] == "running"


def test_exec(podman: Podman, sleeper: str) -> None:
    done = podman.call(
        "exec", "-i", "--env", "A=b", "-w", "/bin", sleeper, "sh", "-c", "pwd; echo $A; cat; exit 3", stdin="in"
    )
    assert (done.returncode, done.stdout) == (3, "/bin\nb\nin")


def test_exec_with_a_terminal(podman: Podman, sleeper: str) -> None:
    assert podman.run("exec", "-t", sleeper, "tty").startswith("/dev/pts/")


def test_exec_as_another_user(podman: Podman, sleeper: str) -> None:
    assert podman.run("exec", "--user", "1000:1000", sleeper, "id", "-u") == "1000"


def test_exec_of_a_missing_command(podman: Podman, sleeper: str) -> None:
    assert podman.call("exec", sleeper, "/no/such").returncode == 127


def test_pause_stops_progress_until_unpause(podman: Podman, sleeper: str) -> None:
    def count() -> int:
        return int(Path(f"/proc/{podman.inspect(sleeper)['State']['Pid']}/root/count").read_text() or 0)

    eventually(lambda: count() > 0, "the first count")
    podman.run("pause", sleeper)
    assert podman.listed()[sleeper] == "paused"
    paused = count()
    time.sleep(0.3)
    assert count() == paused
    podman.run("unpause", sleeper)
    assert podman.listed()[sleeper] == "running"
    eventually(lambda: count() > paused, "progress")


def test_stop_sends_the_stop_signal_first(podman: Podman) -> None:
    script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do usleep 10000; done"
    identifier = podman.run("run", "-d", *ALONE, IMAGE, "sh", "-c", script)
    eventually(lambda: "ready" in podman.run("logs", identifier), "the trap")
    podman.run("stop", "-t", "20", identifier)
    assert podman.run("logs", identifier) == "ready\nbye"
    assert podman.run("wait", identifier) == "4"
    podman.run("rm", identifier)


def test_kill(podman: Podman, sleeper: str) -> None:
    podman.run("kill", "--signal", "KILL", sleeper)
    assert podman.run("wait", sleeper) == "137"


def test_limits_are_set_and_updated(podman: Podman) -> None:
    limits = ("--memory", "64m", "--pids-limit", "30", "--cpus", "0.5")
    identifier = podman.run("run", "-d", *ALONE, *limits, IMAGE, "sleep", "1000")
    pid = podman.inspect(identifier)["State"]["Pid"]
    assert _limit(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert _limit(pid, "pids", "pids.max", "pids.max") == "30"
    assert _limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    podman.run("update", "--memory", "96m", identifier)
    assert _limit(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(96 << 20)
    podman.run("rm", "-f", "-t", "0", identifier)


def test_what_a_process_may_do(podman: Podman) -> None:
    options = ("--user", "1000:1001", "--cap-drop", "all", "--ulimit", "nofile=512:512", "--ulimit", "nproc=256:256")
    more = (
        "--read-only",
        "--security-opt",
        "no-new-privileges",
        "--hostname",
        "inside",
        "--sysctl",
        "kernel.msgmax=4096",
    )
    script = """
        id -u; id -g; hostname; ulimit -n; cat /proc/sys/kernel/msgmax; touch /x
        grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t' ' '
    """
    done = podman.call("run", "--rm", *ALONE, *options, *more, IMAGE, "sh", "-c", script)
    assert done.stderr == "touch: /x: Read-only file system\n"
    nothing = "0" * 16
    status = [f"CapPrm: {nothing}", f"CapBnd: {nothing}", "NoNewPrivs: 1", "Seccomp: 2"]
    assert done.stdout.splitlines() == ["1000", "1001", "inside", "512", "4096", *status]


def test_volumes(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host")
    options = ("-v", f"{tmp_path}:/volume:ro", "--tmpfs", "/scratch:size=64k,mode=1777")
    script = "cat /volume/file; touch /volume/x 2>/dev/null || echo ' refused'; stat -c %a /scratch"
    assert podman.run("run", "--rm", *ALONE, *options, IMAGE, "sh", "-c", script) == "from the host refused\n1777"


def test_init_as_the_first_process(podman: Podman) -> None:
    assert podman.run("run", "--rm", "--init", *ALONE, IMAGE, "cat", "/proc/1/cmdline").startswith(
        "/run/podman-init\0--\0"
    )


def test_descriptor_of_the_caller(podman: Podman) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"by descriptor")
    os.close(writer)
    os.dup2(reader, 3)
    words = ("run", "--rm", "--preserve-fds", "1", *ALONE, IMAGE, "sh", "-c", "cat <&3")
    assert podman.run(*words, pass_fds=(3,)) == "by descriptor"
    os.close(reader)


def test_pod_shares_the_network_of_a_bridge(podman: Podman) -> None:
    podman.run("pod", "create", "--name", "pair")
    podman.run("run", "-d", "--pod", "pair", IMAGE, "sh", "-c", "while :; do echo served | nc -l -p 8080; done")
    script = "until nc 127.0.0.1 8080 </dev/null; do usleep 100000; done; ip -o -4 addr show dev eth0"
    said = podman.run("run", "--rm", "--pod", "pair", IMAGE, "sh", "-c", script, check=True)
    assert said.startswith("served\n")
    assert "inet 10.88." in said
    podman.run("pod", "rm", "-f", "-t", "0", "pair")
    assert podman.listed() == {}


def test_kube_play(podman: Podman, tmp_path: Path) -> None:
    def container(name: str, script: str) -> dict[str, object]:
        resources = {"limits": {"memory": "64Mi"}}
        return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], "resources": resources}

    containers = [container("one", "echo one; sleep 1000"), container("two", "echo two; sleep 1000")]
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "played"}, "spec": {"containers": containers}}
    path = tmp_path / "pod.yaml"
    path.write_text(json.dumps(manifest))
    podman.run("kube", "play", path)
    eventually(lambda: podman.run("logs", "played-one") == "one", "the log of one")
    assert sorted(podman.listed().values()) == ["running"] * 3
    podman.run("kube", "down", path)
    assert podman.listed() == {}


def _limit(pid: int, controller: str, old: str, unified: str) -> str:
    """Return a limit of a process's cgroup, from the file of the hierarchy that this host has."""
    groups = [line.split(":") for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    for _, controllers, path in groups:
        if controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}/{old}").read_text().strip()
    return Path(f"/sys/fs/cgroup{groups[0][2]}/{unified}").read_text().strip()
