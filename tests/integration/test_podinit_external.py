# SPDX-License-Identifier: Apache-2.0
"""The supervisor with runtimes that do not do what they should: shell scripts in a runtime's place."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podinit_harness import Pod, fresh_pod, until

# What a runtime's process is given: options, --root R --log L --log-format json VERB … NAME
VERB = (
    "for word; do case $last in --root) root=$word;; --log) log=$word;; --pid-file) file=$word;; esac; last=$word;"
    "case $word in create|start|delete) verb=$word;; esac; done; root=$root/$last; "
)
PROGRAM = "mkdir $root; (trap '' HUP; exec setsid sleep 1000) & echo $! > $file;"


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


def use(pod: Pod, create: str, start: str = "true") -> None:
    """Let this script be the runtime."""
    program = pod.pod_dir.parent / "fake"
    program.write_text(f"#!/bin/sh\n{VERB}\ncase $verb in create) {create}\n;; start) {start}\n;; esac\n")
    program.chmod(0o755)
    root = f"{pod.run_dir}/runtime"
    pod.sandbox["runtime"] = {"path": str(program), "root": root, "options": [], "hidden": [], "cgroups": "join"}
    pod.container("app", ["sleep", "1000"])


def failure(pod: Pod, create: str, start: str = "true") -> str:
    """Start a container under this script and return why it failed."""
    use(pod, create, start)
    assert pod.start() == {"status": "ok"}
    end = pod.terminated("app")
    assert (end["reason"], end["exitCode"]) == ("StartError", 128)
    return str(end["message"])


def test_its_process_is_taken_over(pod: Pod) -> None:
    use(pod, PROGRAM)
    assert pod.start() == {"status": "ok"}
    pid = pod.running("app")
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "the program does not start")
    assert pod.ask("signal", container="app", signal=9)["status"] == "ok"
    end = pod.terminated("app")
    assert (end["reason"], end["exitCode"], end["signal"]) == ("Error", 137, 9)
    assert sorted(path.name for path in pod.run_dir.iterdir() if path.name.startswith("runtime")) == ["runtime"]
    assert pod.stop() == 0


def test_what_an_earlier_start_left_is_forgotten(pod: Pod) -> None:
    (pod.run_dir / "runtime/app/deep").mkdir(parents=True)
    use(pod, PROGRAM)
    assert pod.start() == {"status": "ok"}
    pod.running("app")
    assert not (pod.run_dir / "runtime/app/deep").exists()
    assert pod.stop() == 0


@pytest.mark.parametrize(
    ("create", "message"),
    [
        ("exit 3", "fake create ended with exit code 3 and gave no reason"),
        ("kill -9 $$", "fake create was killed by signal 9"),
        ("echo first > $log; echo second >> $log; exit 1", "fake create: second"),
        ('echo \'{"level":"error","msg":"no luck"}\' > $log; exit 1', "fake create: no luck"),
        ('echo \'{"level":"ERROR","message":"no luck"}\' > $log; exit 1', "fake create: no luck"),
        ('echo \'{"fields":{"message":"no luck"}}\' > $log; exit 1', "fake create: no luck"),
        ("echo '{\"msg\":1}' > $log; exit 1", 'fake create: {"msg":1}'),
        ("true", "fake wrote no PID of the container"),
        ("echo nothing > $file", "fake wrote no PID of the container"),
        ("echo -5 > $file", "fake wrote no PID of the container"),
        ("echo 1 > $file", "the container's first process ended before the container was started"),  # not ours
        ("sleep 0 & echo $! > $file; wait", "the container's first process ended before the container was started"),
    ],
)
def test_a_create_that_fails(pod: Pod, create: str, message: str) -> None:
    assert failure(pod, create) == message
    assert pod.stop() == 0


def test_a_runtime_that_is_gone(pod: Pod) -> None:
    use(pod, "true")
    pod.sandbox["runtime"]["path"] = "/nowhere/runtime"
    assert pod.start() == {"status": "ok"}
    assert pod.terminated("app")["message"] == "runtime create: execute /nowhere/runtime: No such file or directory"
    assert pod.stop() == 0


def test_a_start_that_fails_ends_the_container(pod: Pod) -> None:
    assert failure(pod, PROGRAM, "echo not today > $log; exit 1") == "fake start: not today"
    assert pod.stop() == 0


def test_a_program_that_ends_before_its_start_returns(pod: Pod) -> None:
    use(pod, "(exec sh -c 'while [ ! -e go ]; do sleep 0.05; done; exit 5') & echo $! > $file", "touch go; sleep 0.5")
    assert pod.start() == {"status": "ok"}
    end = pod.terminated("app")
    assert (end["reason"], end["exitCode"]) == ("Error", 5)
    assert pod.stop() == 0


def test_a_runtime_that_hangs_does_not_keep_the_pod(pod: Pod) -> None:
    use(pod, "sleep 1000")
    pod.spawn()
    deadline = time.monotonic() + 5
    while not (pod.run_dir / "agent.sock").exists() or "pid" not in (pod.run_dir / "state.json").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pod.pid = pod.state()["supervisorPid"]
    started = time.monotonic()
    assert pod.stop() == 0
    assert time.monotonic() - started < 10


def test_a_stop_while_it_is_created_kills_what_comes_of_it(pod: Pod) -> None:
    use(pod, f"sleep 1; {PROGRAM}", "touch started")
    pod.spawn()
    time.sleep(0.5)
    pod.pid = pod.state()["supervisorPid"]
    assert pod.stop() == 0
    assert not (pod.pod_dir / "started").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cgroups", "both", "field runtime.cgroups is neither inherit nor join"),
        ("path", "crun", "fields path and root of runtime must be absolute paths"),
        ("other", 1, "unknown field other"),
    ],
)
def test_a_wrong_runtime_in_the_plan(pod: Pod, field: str, value: object, message: str) -> None:
    use(pod, "true")
    pod.sandbox["runtime"][field] = value
    answer = pod.start()
    assert answer["status"] == "error" and message in answer["message"]
