# SPDX-License-Identifier: Apache-2.0
"""In which order, and how, the containers of a pod are ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, shell


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        (fresh.pod_dir / "shared").mkdir()
        yield fresh


def add(pod: Pod, name: str, role: str, at_end: str = "", *, deaf: bool = False) -> None:
    """Add a container that tells /shared/log of its stop signal, does something, and then of its end."""
    trap = "" if deaf else f"; {at_end or ':'}; echo {name}-end >> /shared/log; exit 0"
    pod.container(
        name,
        shell(f"trap 'echo {name} >> /shared/log{trap}' TERM; echo up; while :; do sleep 0.01; done"),
        member={"role": role, "restart": "Always" if role == "sidecar" else "Never"},
        steps=default_steps(before=[bind(pod.pod_dir / "shared", "/shared")]),
    )


def up(pod: Pod) -> None:
    assert pod.start() == {"status": "ok"}
    for entry in pod.containers:
        pod.wait_for_output(entry["name"], "up")


def log(pod: Pod) -> list[str]:
    path = pod.pod_dir / "shared/log"
    return path.read_text().split() if path.exists() else []


def test_main_containers_end_together_then_sidecars_in_reverse_order(pod: Pod) -> None:
    add(pod, "one", "sidecar")
    add(pod, "two", "sidecar", "sleep 0.1")
    add(pod, "app", "main", "sleep 0.3")
    add(pod, "other", "main", "sleep 0.3")
    up(pod)
    assert pod.stop(grace=30) == 0
    said = log(pod)
    assert set(said[:2]) == {"app", "other"}  # both were told before either ended
    assert set(said[2:4]) == {"app-end", "other-end"}
    assert said[4:] == ["two", "two-end", "one", "one-end"]


def test_sidecars_end_in_that_order_when_the_work_is_done_too(pod: Pod) -> None:
    add(pod, "one", "sidecar")
    add(pod, "two", "sidecar", "sleep 0.1")
    add(pod, "app", "main")
    up(pod)
    pod.ask("signal", container="app", signal=int(signal.SIGTERM))
    pod.terminated("one")
    assert log(pod) == ["app", "app-end", "two", "two-end", "one", "one-end"]
    assert pod.stop() == 0


def test_when_the_time_is_up_a_sidecar_still_has_two_seconds(pod: Pod) -> None:
    add(pod, "proxy", "sidecar", "sleep 1")
    add(pod, "app", "main", deaf=True)
    up(pod)
    began = time.monotonic()
    assert pod.stop(grace=1) == 0
    assert time.monotonic() - began >= 2
    assert pod.terminated("app")["exitCode"] == 137
    assert log(pod) == ["app", "proxy", "proxy-end"]
    assert pod.terminated("proxy")["exitCode"] == 0


def test_a_shorter_grace_period_counts_from_when_it_is_asked_for(pod: Pod) -> None:
    add(pod, "app", "main", deaf=True)
    up(pod)
    with pod.agent() as first:
        first.send(b'{"id":1,"action":"stop","grace":600}\n')
        pod_is_told = time.monotonic()
        while log(pod) != ["app"]:
            assert time.monotonic() - pod_is_told < 30
            time.sleep(0.01)
        assert pod.stop(grace=1) == 0
    assert pod.terminated("app")["exitCode"] == 137


def test_no_grace_period_waits_for_nobody(pod: Pod) -> None:
    add(pod, "one", "sidecar", deaf=True)
    add(pod, "app", "main", deaf=True)
    up(pod)
    assert pod.stop(grace=0) == 0
    assert log(pod) == []
    assert {pod.terminated(name)["signal"] for name in ("one", "app")} == {9}


def test_a_sidecar_alone_is_stopped_at_once_for_its_update(pod: Pod) -> None:
    add(pod, "one", "sidecar")
    add(pod, "app", "main")
    up(pod)
    assert pod.ask("update", containers=["one"], grace=30)["status"] == "ok"
    assert log(pod) == ["one", "one-end"]
    assert pod.status("one")["restartCount"] == 1
    assert pod.stop() == 0


def test_a_pod_that_lives_for_too_long_is_ended(pod: Pod) -> None:
    pod.sandbox |= {"activeDeadline": 300, "gracePeriod": 0}
    add(pod, "proxy", "sidecar")
    add(pod, "app", "main")
    pod.containers[1]["restart"] = "Always"
    assert pod.start() == {"status": "ok"}
    for name in ("proxy", "app"):
        pod.terminated(name)  # and is not started again
    state = pod.ask("status")["pod"]
    assert state["reason"] == "DeadlineExceeded"
    assert [entry["restartCount"] for entry in state["containers"]] == [0, 0]
    assert pod.stop() == 0


def test_the_deadline_means_nothing_to_a_pod_that_is_done(pod: Pod) -> None:
    pod.sandbox["activeDeadline"] = 300
    pod.container("app", shell("exit 0"))
    pod.start()
    pod.terminated("app")
    time.sleep(0.4)
    assert "reason" not in pod.ask("status")["pod"]
    assert pod.stop() == 0
