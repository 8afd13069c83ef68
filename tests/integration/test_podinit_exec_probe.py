# SPDX-License-Identifier: Apache-2.0
"""Programs that the supervisor runs in a container: exec probes, and what ends them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, processes_under, shell, until


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        fresh.sandbox["backOff"] = {"first": 20, "last": 80, "forgiven": 600_000}
        (fresh.pod_dir / "shared").mkdir()
        yield fresh


def probe(script: str, kind: str = "readiness", **fields: Any) -> dict[str, Any]:
    times = {"delay": 0, "period": 20, "timeout": 20_000, "success": 1, "failure": 3, "grace": 0}
    return {"kind": kind, **times, "action": ["exec", *shell(script)], **fields}


def add(pod: Pod, *probes: dict[str, Any], script: str = "exec sleep 1000", **fields: Any) -> None:
    steps = default_steps(before=[bind(pod.pod_dir / "shared", "/shared")])
    pod.container("app", shell(script), member={"restart": "Always"}, probes=probes, steps=steps, **fields)


def shared(pod: Pod) -> str:
    path = pod.pod_dir / "shared/said"
    return path.read_text() if path.exists() else ""


def test_a_program_decides_whether_the_container_is_ready(pod: Pod) -> None:
    add(pod, probe("echo not yet; cat /shared/ok"))
    pod.start()
    until(lambda: pod.messages("Unhealthy"), "no failure")
    message = pod.messages("Unhealthy")[0]
    assert message == "Readiness probe failed: not yet\ncat: can't open '/shared/ok': No such file or directory"
    assert not pod.status("app")["ready"]
    (pod.pod_dir / "shared/ok").touch()
    until(lambda: pod.status("app")["ready"], "it does not get ready")
    assert pod.stop() == 0


def test_it_runs_in_the_containers_namespaces_as_who_the_plan_says(pod: Pod) -> None:
    script = "{ id -u; echo $GREETING; cat /proc/1/cmdline; grep NoNewPrivs /proc/self/status; } > /shared/said"
    add(pod, probe(f"test -s /shared/said || {script}"), script="echo up; exec sleep 1000")
    (pod.pod_dir / "shared").chmod(0o777)
    path = pod.pod_dir / "containers/app/exec.json"
    path.write_text(path.read_text().replace('["user", 0, 0, []]', '["user", 65534, 65534, []]'))
    pod.start()
    until(lambda: "NoNewPrivs" in shared(pod), "it does not run")
    lines = shared(pod).splitlines()
    assert lines[:2] == ["65534", "hello"]
    assert lines[-1].split() == ["sleep\0001000\0NoNewPrivs:", "1"]
    assert pod.stop() == 0


def test_a_program_that_is_not_there_says_nothing_about_the_container(pod: Pod) -> None:
    action = ["exec", "/bin/none"]
    add(pod, probe("", action=action), probe("", "liveness", action=action, failure=1))
    pod.start()
    until(lambda: len(pod.messages("Unhealthy")) >= 4, "no error")
    for message in pod.messages("Unhealthy"):
        assert message.partition(" ")[2].startswith("probe errored and resulted in unknown state: exec /bin/none")
    assert pod.status("app")["restartCount"] == 0
    assert pod.stop() == 0


def test_an_error_is_tried_three_times_before_it_is_told(pod: Pod) -> None:
    script = f"echo x >> {pod.pod_dir}/shared/said; exit 2"
    add(pod, probe("", action=["helper", "/bin/sh", "-c", script], period=10_000))
    pod.start()
    until(lambda: pod.messages("Unhealthy"), "no error")
    assert shared(pod) == "x\nx\nx\n"
    assert pod.stop() == 0


def test_what_takes_too_long_is_killed_with_its_children(pod: Pod) -> None:
    add(pod, probe("sleep 4711 & sleep 4712", timeout=300, failure=1))
    pod.start()
    until(lambda: len(pod.messages("Unhealthy")) > 1, "it is not late")
    assert pod.messages("Unhealthy")[0] == "Readiness probe failed: it took longer than 300 ms"
    alive = processes_under("sleep\0004711") + processes_under("sleep\0004712")
    assert len(alive) <= 2  # of the try that goes on
    assert pod.stop() == 0
    assert processes_under("sleep\0004711") == []


def test_a_child_that_stays_does_not_keep_the_probe(pod: Pod) -> None:
    add(pod, probe("sleep 1000 & exit 0"))
    pod.start()
    until(lambda: pod.status("app")["ready"], "it does not get ready")
    assert pod.stop() == 0


def test_much_output_is_cut_at_its_beginning(pod: Pod) -> None:
    add(pod, probe("yes abcdefg | dd bs=1000 count=500 2>/dev/null; echo the end; exit 1"))
    pod.start()
    until(lambda: pod.messages("Unhealthy"), "no failure")
    message = pod.messages("Unhealthy")[0]
    assert message.endswith("the end")
    assert 1000 < len(message) < 1100
    assert pod.stop() == 0


def test_a_container_that_ends_takes_its_probe_along(pod: Pod) -> None:
    add(pod, probe("exec sleep 4713"))
    pod.start()
    until(lambda: processes_under("sleep\0004713"), "no probe runs")
    pod.ask("signal", container="app", signal=9)
    until(lambda: pod.status("app")["restartCount"] == 1, "it is not restarted")
    assert pod.stop() == 0
    assert processes_under("sleep\0004713") == []


def test_liveness_stops_with_the_pod_and_readiness_goes_on(pod: Pod) -> None:
    say = "echo {0} >> /shared/said"
    add(
        pod,
        probe(say.format("ready")),
        probe(say.format("alive"), "liveness"),
        script="trap 'echo told >> /shared/said' TERM; while :; do sleep 0.01; done",
    )
    pod.start()
    until(lambda: "alive" in shared(pod) and "ready" in shared(pod), "no probe runs")
    began = time.monotonic()
    assert pod.stop(grace=2) == 0
    assert time.monotonic() - began < 20
    after = shared(pod).split("told\n")[1].split()
    assert after.count("ready") > 3
    assert after.count("alive") <= 1  # one may have been on its way


def test_a_helper_is_without_privileges_and_the_first_to_go(pod: Pod) -> None:
    script = "grep -E 'Cap(Eff|Prm|Amb)|NoNewPrivs' /proc/self/status; cat /proc/self/oom_score_adj; exit 1"
    add(pod, probe("", action=["helper", "/bin/sh", "-c", script]))
    pod.start()
    until(lambda: pod.messages("Unhealthy"), "no failure")
    said = pod.messages("Unhealthy")[0].split()[3:]
    none = "0" * 16
    assert said == ["CapPrm:", none, "CapEff:", none, "CapAmb:", none, "NoNewPrivs:", "1", "1000"]
    assert pod.stop() == 0
