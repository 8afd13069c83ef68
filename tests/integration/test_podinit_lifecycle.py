# SPDX-License-Identifier: Apache-2.0
"""postStart and preStop: when they run, what waits for them, and what their failure leads to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, processes_under, shell, until

LOOP = "trap 'echo {0}-told >> /shared/log; exit 0' TERM; echo up; while :; do sleep 0.01; done"


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        fresh.sandbox["backOff"] = {"first": 20, "last": 80, "forgiven": 600_000}
        fresh.sandbox["gracePeriod"] = 2  # for a signal that comes before its trap
        (fresh.pod_dir / "shared").mkdir()
        yield fresh


def add(pod: Pod, name: str, *, role: str = "main", restart: str = "Never", **fields: Any) -> None:
    pod.container(
        name,
        shell(LOOP.format(name)),
        member={"role": role, "restart": restart},
        steps=default_steps(before=[bind(pod.pod_dir / "shared", "/shared")]),
        **fields,
    )


def command(script: str) -> list[Any]:
    return ["exec", *shell(script)]


def log(pod: Pod) -> list[str]:
    path = pod.pod_dir / "shared/log"
    return path.read_text().split() if path.exists() else []


def test_the_next_container_waits_for_post_start_and_the_caller_does_not(pod: Pod) -> None:
    add(pod, "one", post_start=command("until test -e /shared/go; do sleep 0.01; done; echo one-begun >> /shared/log"))
    add(pod, "two", post_start=command("echo two-begun >> /shared/log"))
    assert pod.start() == {"status": "ok"}
    assert "running" in pod.status("one")["state"]
    assert (pod.status("one")["started"], pod.status("one")["ready"]) == (False, False)
    assert "waiting" in pod.status("two")["state"]
    (pod.pod_dir / "shared/go").touch()
    until(lambda: pod.status("two")["ready"], "it does not get ready")
    assert log(pod) == ["one-begun", "two-begun"]
    assert pod.stop() == 0


def test_a_failed_post_start_ends_the_container_and_the_next_one_starts(pod: Pod) -> None:
    add(pod, "app", post_start=command("echo it breaks; exit 3"), pre_stop=command("echo pre >> /shared/log"))
    add(pod, "other")
    pod.start()
    assert pod.terminated("app")["exitCode"] == 0
    assert pod.messages("FailedPostStartHook") == ["PostStartHook failed: it breaks"]
    assert pod.messages("Killing") == ["FailedPostStartHook"]
    assert log(pod) in (["pre", "app-told"], ["pre"])  # the signal may come before its trap
    pod.running("other")
    assert pod.stop() == 0


def test_a_failed_post_start_is_tried_again_with_the_container(pod: Pod) -> None:
    script = "test -e /shared/again || { touch /shared/again; exit 1; }"
    add(pod, "app", restart="Always", post_start=command(script))
    pod.start()
    until(lambda: pod.status("app")["ready"], "it does not get ready")
    assert pod.status("app")["restartCount"] == 1
    assert pod.stop() == 0


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (["exec", "/bin/none"], "PostStartHook failed: exec /bin/none"),
        (["fail", "a tcpSocket is no hook"], "PostStartHook failed: a tcpSocket is no hook"),
        (["send", "127.0.0.1", 9, "GET / HTTP/1.1\r\n\r\n", ["/bin/true"]], "PostStartHook failed: dial tcp 127"),
    ],
)
def test_what_cannot_run_has_failed(pod: Pod, action: list[Any], message: str) -> None:
    add(pod, "app", post_start=action)
    pod.start()
    pod.terminated("app")
    assert pod.messages("FailedPostStartHook")[0].startswith(message)
    assert pod.stop() == 0


def test_probes_wait_for_post_start(pod: Pod) -> None:
    times = {"delay": 0, "period": 20, "timeout": 20_000, "success": 1, "failure": 3, "grace": 0}
    probe = {"kind": "readiness", **times, "action": command("echo probe >> /shared/log")}
    add(pod, "app", probes=[probe], post_start=command("sleep 0.3; echo begun >> /shared/log"))
    pod.start()
    until(lambda: "probe" in log(pod), "no probe runs")
    assert log(pod)[0] == "begun"
    assert pod.stop() == 0


def test_pre_stop_comes_before_the_signal(pod: Pod) -> None:
    add(pod, "app", pre_stop=command("sleep 0.3; echo pre >> /shared/log"))
    pod.start()
    pod.wait_for_output("app", "up")
    assert pod.stop(grace=30) == 0
    assert log(pod) == ["pre", "app-told"]


def test_no_time_means_no_pre_stop(pod: Pod) -> None:
    add(pod, "app", pre_stop=command("echo pre >> /shared/log"))
    pod.start()
    pod.wait_for_output("app", "up")
    assert pod.stop(grace=0) == 0
    assert log(pod) == []


def test_pre_stop_takes_from_the_grace_period(pod: Pod) -> None:
    add(pod, "app", pre_stop=command("exec sleep 4714"))
    pod.start()
    pod.wait_for_output("app", "up")
    began = time.monotonic()
    assert pod.stop(grace=1) == 0
    assert 1 <= time.monotonic() - began < 10
    assert log(pod) == ["app-told"]
    assert processes_under("sleep\0004714") == []


def test_a_failed_pre_stop_changes_nothing(pod: Pod) -> None:
    add(pod, "app", pre_stop=command("echo no way; exit 1"))
    pod.start()
    pod.wait_for_output("app", "up")
    assert pod.stop(grace=30) == 0
    assert log(pod) == ["app-told"]
    assert pod.messages("FailedPreStopHook") == ["PreStopHook failed: no way"]


def test_sleep(pod: Pod) -> None:
    add(pod, "app", pre_stop=["sleep", 1])
    pod.start()
    pod.wait_for_output("app", "up")
    began = time.monotonic()
    assert pod.stop(grace=30) == 0
    assert time.monotonic() - began >= 1
    assert log(pod) == ["app-told"]


def test_a_sidecars_pre_stop_does_not_wait_for_its_turn(pod: Pod) -> None:
    add(pod, "proxy", role="sidecar", restart="Always", pre_stop=command("echo proxy-pre >> /shared/log"))
    add(pod, "app", pre_stop=command("sleep 0.5; echo app-pre >> /shared/log"))
    pod.start()
    for name in ("proxy", "app"):
        pod.wait_for_output(name, "up")
    assert pod.stop(grace=30) == 0
    assert log(pod) == ["proxy-pre", "app-pre", "app-told", "proxy-told"]


def test_a_container_that_ends_meanwhile_is_not_waited_for(pod: Pod) -> None:
    add(pod, "app", pre_stop=["sleep", 1000])
    pod.start()
    pod.wait_for_output("app", "up")
    with pod.agent() as agent:
        agent.send(b'{"id":7,"action":"stop","grace":100}\n')
        until(lambda: pod.messages("Killing"), "it is not being stopped")
        pod.ask("signal", container="app", signal=9)
        assert agent.receive()["status"] == "ok"
    assert pod.wait() == 0


def test_an_update_runs_pre_stop_and_post_start(pod: Pod) -> None:
    hooks = {"post_start": command("echo begun >> /shared/log"), "pre_stop": command("echo pre >> /shared/log")}
    add(pod, "app", **hooks)
    pod.start()
    pod.wait_for_output("app", "up")
    until(lambda: log(pod) == ["begun"], "its hook does not end")
    assert pod.ask("update", containers=["app"], grace=30)["status"] == "ok"
    until(lambda: len(log(pod)) == 4, "it does not start anew")
    assert log(pod) == ["begun", "pre", "app-told", "begun"]
    assert pod.messages("Killing") == ["Container app definition changed, will be restarted"]
    assert pod.stop() == 0


def test_the_event_log_tells_a_containers_life(pod: Pod) -> None:
    add(pod, "app", restart="OnFailure")
    pod.start()
    pod.wait_for_output("app", "up")
    pod.ask("signal", container="app", signal=9)
    until(lambda: pod.status("app")["restartCount"] == 1, "it is not restarted")
    pod.running("app")
    pod.ask("signal", container="app", signal=9)
    until(lambda: pod.status("app")["restartCount"] == 2, "it is not restarted")
    pod.running("app")
    assert pod.stop() == 0
    assert [event["reason"] for event in pod.events()] == [
        "Started", "Error", "Started", "Error", "BackOff", "Started", "Killing", "Error",
    ]  # fmt: skip
