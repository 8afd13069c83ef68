# SPDX-License-Identifier: Apache-2.0
"""Containers that start before the others: one after another to their end, or as sidecars."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, shell, until


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        fresh.sandbox["backOff"] = {"first": 20, "last": 80, "forgiven": 600_000}
        (fresh.pod_dir / "shared").mkdir()
        yield fresh


def add(pod: Pod, name: str, role: str, script: str, restart: str = "") -> None:
    """Add a container that has /shared, and writes its name into /shared/log before its script."""
    chosen = restart or {"init": "OnFailure", "sidecar": "Always", "main": "Never"}[role]
    pod.container(
        name,
        shell(f"echo {name} >> /shared/log; {script}"),
        member={"role": role, "restart": chosen},
        steps=default_steps(before=[bind(pod.pod_dir / "shared", "/shared")]),
    )


def log(pod: Pod) -> list[str]:
    path = pod.pod_dir / "shared/log"
    return path.read_text().split() if path.exists() else []


def reason(pod: Pod, name: str) -> str:
    state: dict[str, Any] = pod.status(name)["state"]
    return str(next(iter(state.values())).get("reason", ""))


def test_they_run_one_after_another_to_their_end(pod: Pod) -> None:
    add(pod, "one", "init", "sleep 0.1; echo one-ended >> /shared/log")
    add(pod, "two", "init", "echo two-ended >> /shared/log")
    add(pod, "app", "main", "exec sleep 1000")
    assert pod.start() == {"status": "ok"}
    pod.running("app")
    until(lambda: len(log(pod)) == 5, "the app says nothing")
    assert log(pod) == ["one", "one-ended", "two", "two-ended", "app"]
    assert pod.terminated("one")["exitCode"] == pod.terminated("two")["exitCode"] == 0
    assert pod.stop() == 0


def test_the_supervisor_is_up_before_they_are_done(pod: Pod) -> None:
    add(pod, "long", "init", "exec sleep 1000")
    add(pod, "app", "main", "exec sleep 1000")
    assert pod.start() == {"status": "ok"}
    pod.running("long")
    assert pod.status("app")["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert pod.status("app")["pid"] == 0
    assert pod.stop() == 0
    assert pod.status("app")["restartCount"] == 0


def test_one_that_fails_is_tried_again(pod: Pod) -> None:
    add(pod, "init", "init", "[ $(grep -c init /shared/log) = 4 ]")
    add(pod, "app", "main", "exec sleep 1000")
    pod.start()
    pod.running("app")
    assert pod.status("init")["restartCount"] == 3
    assert pod.status("init")["lastState"]["terminated"]["exitCode"] == 1
    assert pod.stop() == 0


def test_while_it_waits_it_is_in_a_crash_loop(pod: Pod) -> None:
    pod.sandbox["backOff"] = {"first": 600_000, "last": 600_000, "forgiven": 600_000}
    add(pod, "init", "init", "exit 3")
    add(pod, "app", "main", "exec sleep 1000")
    pod.start()
    until(lambda: reason(pod, "init") == "CrashLoopBackOff", "no back-off")
    assert reason(pod, "app") == "PodInitializing"
    assert pod.stop() == 0


def test_one_that_must_not_be_tried_again_fails_the_pod(pod: Pod) -> None:
    add(pod, "proxy", "sidecar", "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
    add(pod, "init", "init", "until grep up /shared/log; do sleep 0.01; done; exit 3", "Never")
    add(pod, "app", "main", "exec sleep 1000")
    assert pod.start() == {"status": "ok"}
    pod.wait_for_output("proxy", "up")
    (pod.pod_dir / "shared/log").write_text("up\n")
    assert pod.terminated("init")["exitCode"] == 3
    assert pod.terminated("proxy")["exitCode"] == 0  # it is ended, and not restarted
    assert reason(pod, "app") == "PodInitializing"
    assert pod.ask("hello")["status"] == "ok"
    assert pod.stop() == 0
    assert "app" not in log(pod)


def test_a_success_is_not_repeated_whatever_the_rules_say(pod: Pod) -> None:
    member = {"role": "init", "restart": "Always", "rules": [[True, 0]]}
    pod.container("init", shell("exit 0"), member=member)
    add(pod, "app", "main", "exec sleep 1000")
    pod.start()
    pod.running("app")
    assert pod.status("init")["restartCount"] == 0
    assert pod.stop() == 0


def test_the_next_one_starts_once_a_sidecar_has_started(pod: Pod) -> None:
    add(pod, "proxy", "sidecar", "exec sleep 1000")
    add(pod, "init", "init", "exit 0")
    add(pod, "app", "main", "exec sleep 1000")
    pod.start()
    pod.running("app")
    pod.running("proxy")
    assert pod.stop() == 0


def test_a_sidecar_that_cannot_start_holds_up_the_others(pod: Pod) -> None:
    pod.container("proxy", ["nothing-here"], member={"role": "sidecar", "restart": "Always"})
    add(pod, "app", "main", "exec sleep 1000")
    assert pod.start() == {"status": "ok"}
    until(lambda: pod.status("proxy")["restartCount"] >= 2, "it is not tried again")
    assert reason(pod, "app") == "PodInitializing"
    pod.container("proxy", ["sleep", "1000"])
    pod.running("app")
    assert pod.stop() == 0


def test_a_sidecar_is_restarted_after_a_success_too(pod: Pod) -> None:
    add(pod, "proxy", "sidecar", "exit 0")
    add(pod, "app", "main", "exec sleep 1000")
    pod.start()
    until(lambda: pod.status("proxy")["restartCount"] >= 3, "it is not restarted")
    pod.running("app")
    assert pod.stop() == 0


def test_sidecars_end_when_the_others_have_done_their_work(pod: Pod) -> None:
    add(pod, "proxy", "sidecar", "trap 'exit 0' TERM; while :; do sleep 0.01; done")
    add(pod, "app", "main", "exit 0")
    add(pod, "other", "main", "sleep 0.1; exit 1")
    pod.start()
    assert pod.terminated("other")["exitCode"] == 1
    assert pod.terminated("proxy")["reason"] == "Completed" or pod.terminated("proxy")["signal"] == 9
    assert pod.stop() == 0


def test_an_update_of_a_pod_that_has_done_its_work_brings_its_sidecars_back(pod: Pod) -> None:
    add(pod, "proxy", "sidecar", "exec sleep 1000")
    add(pod, "app", "main", "exit 0")
    pod.sandbox["gracePeriod"] = 0
    pod.start()
    pod.terminated("proxy")
    add(pod, "app", "main", "exec sleep 1000")
    assert pod.ask("update", containers=["app"], grace=0)["status"] == "ok"
    pod.running("app")
    pod.running("proxy")
    assert pod.stop() == 0


def test_an_update_of_one_that_has_yet_to_start_does_not_wait(pod: Pod) -> None:
    add(pod, "init", "init", "until grep go /shared/log; do sleep 0.01; done")
    add(pod, "app", "main", "exec sleep 1000")
    pod.start()
    began = time.monotonic()
    add(pod, "app", "main", "echo new >> /shared/log; exec sleep 1000")
    assert pod.ask("update", containers=["app"], grace=20)["status"] == "ok"
    assert time.monotonic() - began < 15
    (pod.pod_dir / "shared/log").write_text("go\n")
    until(lambda: "new" in log(pod), "the new plan does not run")
    assert pod.status("app")["restartCount"] == 0
    assert pod.stop() == 0
