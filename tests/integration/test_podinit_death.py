# SPDX-License-Identifier: Apache-2.0
"""What stands for a supervisor's life and for the lives that it watches, when callers and signals mean no good."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podinit_harness import Pod, cgroup, children, fresh_pod, shell, until
from podwright.files import is_locked


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


def test_a_container_that_is_being_started_does_not_stand_for_a_dead_supervisor(pod: Pod, tmp_path: Path) -> None:
    """Its first process is a clone of the supervisor: with its lock and socket the pod would seem to have one."""
    with cgroup("freezer", "start") as frozen:
        (tmp_path / "gate").mkdir()
        os.mkfifo(tmp_path / "gate/cgroup.procs")  # the supervisor waits here, with its word for the process to go on
        pod.container("app", ["sleep", "1000"], cgroups=[str(tmp_path / "gate")])
        os.close(pod.spawn())
        supervisor = until(children, "there is no supervisor")[0]
        first = until(lambda: children(supervisor)[1:], "the container has no process")[0]
        until(lambda: descriptors(first) == 3 + 4, "it has more than its streams, and those that it needs to start")
        (frozen / "cgroup.procs").write_text(str(first))
        (frozen / "freezer.state").write_text("FROZEN")
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: not is_locked(str(pod.run_dir / "lock")), "the lock is still held")
        with pytest.raises(ConnectionRefusedError):
            pod.agent()
        os.kill(first, signal.SIGKILL)
        (frozen / "freezer.state").write_text("THAWED")
        until(lambda: not (frozen / "cgroup.procs").read_text(), "the container's process lives on")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_who_asks_whether_a_supervisor_lives_does_not_keep_it_from_starting(pod: Pod) -> None:
    """To ask, one takes the lock for a moment."""
    pod.container("app", ["sleep", "1000"])
    (pod.run_dir / "lock").touch()
    with (pod.run_dir / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        ready = pod.spawn()
        until(lambda: any(map(has_opened_a_lock, children())), "no supervisor wants the lock")
        fcntl.flock(lock, fcntl.LOCK_UN)
    with open(ready, "rb") as answer:
        assert answer.read() == b'{"status":"ok"}\n'


def has_opened_a_lock(pid: int) -> bool:
    return any(os.readlink(path).endswith("/lock") for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink())


def test_a_caller_that_ignores_the_end_of_children_does_not_pass_that_on(pod: Pod, tmp_path: Path) -> None:
    """SIG_IGN is inherited, and with it the kernel would reap the containers without a word to the supervisor."""
    pod.container("app", shell("exit 3"))
    caller = tmp_path / "caller"
    caller.write_text(f'#!/bin/sh\nexec env --ignore-signal=CHLD {pod.binary} "$@"\n')
    caller.chmod(0o700)
    pod.binary = str(caller)
    assert pod.start() == {"status": "ok"}
    assert pod.terminated("app")["exitCode"] == 3


TRACED = r"""
#include <signal.h>
#include <sys/ptrace.h>
#include <unistd.h>
int main(void)
{
	if (fork() == 0)
		for (;;)
			pause();
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGUSR1);
	for (;;)
		pause();
}
"""


def test_a_container_that_makes_the_supervisor_its_tracer_is_not_taken_for_dead(pod: Pod, tmp_path: Path) -> None:
    """wait(2) reports the stops of a tracee unasked; taken for its end, the container would live on unseen."""
    source = tmp_path / "traced.c"
    source.write_text(TRACED)
    subprocess.run(["gcc", "-static", "-o", pod.image / "bin/traced", source], check=True)
    pod.container("app", ["traced"])
    assert pod.start() == {"status": "ok"}
    pid = pod.running("app")
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "t", "it is not stopped")
    assert pod.ask("status")["pod"]["containers"][0]["pid"] == pid
    assert pod.stop(grace=0) == 0
    assert not Path(f"/proc/{pid}").exists()


def test_the_limits_of_the_callers_shell_are_not_the_pods(pod: Pod, tmp_path: Path) -> None:
    """With the caller's RLIMIT_FSIZE, a container that says much would end its supervisor by SIGXFSZ."""
    caller = tmp_path / "caller"
    caller.write_text(f'#!/bin/sh\nulimit -f 200; ulimit -St 100\nexec {pod.binary} "$@"\n')
    caller.chmod(0o700)
    pod.binary = str(caller)
    pod.container("app", shell("ulimit -t; yes x | dd bs=1000 count=1000"))
    assert pod.start() == {"status": "ok"}
    assert pod.terminated("app")["exitCode"] == 0
    assert pod.output("app").splitlines()[:1] == ["unlimited"]
    assert pod.stop() == 0
