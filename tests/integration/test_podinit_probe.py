# SPDX-License-Identifier: Apache-2.0
"""Probes of a container: from inside the pod's network, with thresholds and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, shell, until

REQUEST = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
HELPER = ["/bin/echo", "-n", "elsewhere"]
SERVE = "exec busybox httpd -f -p 127.0.0.1:8080 -h /www"


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        fresh.sandbox["backOff"] = {"first": 20, "last": 80, "forgiven": 600_000}
        (fresh.pod_dir / "www").mkdir()
        yield fresh


def probe(kind: str, action: list[Any], **fields: Any) -> dict[str, Any]:
    """Return a probe every 20 ms."""
    times = {"delay": 0, "period": 20, "timeout": 20_000, "success": 1, "failure": 3, "grace": 0}
    return {"kind": kind, **times, "action": action, **fields}


def http(path: str = "/ok") -> list[Any]:
    return ["http", "127.0.0.1", 8080, REQUEST.format(path=path), HELPER]


TCP = ["tcp", "127.0.0.1", 8080]


def serve(pod: Pod, *probes: dict[str, Any], script: str = SERVE, restart: str = "Always", name: str = "app") -> None:
    pod.container(
        name,
        shell(script),
        member={"restart": restart},
        probes=probes,
        steps=default_steps(before=[bind(pod.pod_dir / "www", "/www")]),
    )


def make_slow(pod: Pod) -> None:
    """Make a page that never comes."""
    page = pod.pod_dir / "www/cgi-bin/slow"
    page.parent.mkdir()
    page.write_text("#!/bin/sh\nexec sleep 1000\n")
    page.chmod(0o755)


def is_ready(pod: Pod) -> bool:
    return bool(pod.status("app")["ready"])


def events(pod: Pod) -> list[dict[str, Any]]:
    """Return those that probes lead to."""
    return [event for event in pod.events() if event["reason"] in ("Unhealthy", "Killing", "ProbeWarning")]


def test_readiness_follows_the_answer(pod: Pod) -> None:
    serve(pod, probe("readiness", http(), failure=2))
    pod.start()
    pod.running("app")
    until(lambda: len(events(pod)) > 2, "no failure")
    assert (is_ready(pod), pod.status("app")["started"]) == (False, True)
    (pod.pod_dir / "www/ok").write_text("yes")
    until(lambda: is_ready(pod), "it does not get ready")
    (pod.pod_dir / "www/ok").unlink()
    until(lambda: not is_ready(pod), "it stays ready")
    assert pod.status("app")["restartCount"] == 0
    event = events(pod)[-1]
    assert (event["type"], event["reason"], event["container"]) == ("Warning", "Unhealthy", "app")
    assert event["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 404"
    assert pod.stop() == 0


def test_a_connection_is_enough_for_tcp(pod: Pod) -> None:
    serve(pod, probe("readiness", TCP))
    pod.start()
    until(lambda: is_ready(pod), "it does not get ready")
    assert pod.stop() == 0


def test_nobody_listens(pod: Pod) -> None:
    serve(pod, probe("readiness", TCP), script="exec sleep 1000")
    pod.start()
    until(lambda: events(pod), "no failure")
    message = "Readiness probe failed: dial tcp 127.0.0.1:8080: connect: Connection refused"
    assert events(pod)[0]["message"] == message
    assert not is_ready(pod)
    assert pod.stop() == 0


def test_what_takes_too_long_is_a_failure(pod: Pod) -> None:
    make_slow(pod)
    serve(pod, probe("readiness", http("/cgi-bin/slow"), timeout=100))
    pod.start()
    until(lambda: any("longer than 100 ms" in event["message"] for event in events(pod)), "no late probe")
    assert pod.stop() == 0


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_a_dead_container_is_restarted(pod: Pod, policy: str) -> None:
    (pod.pod_dir / "www/ok").write_text("yes")
    # it ends well when it is told to, which alone would not restart it under OnFailure
    script = "trap 'exit 0' TERM; busybox httpd -f -p 127.0.0.1:8080 -h /www & while :; do sleep 0.01; done"
    serve(pod, probe("liveness", http(), failure=2, grace=30), script=script, restart=policy)
    pod.start()
    pod.running("app")
    (pod.pod_dir / "www/ok").rename(pod.pod_dir / "www/gone")
    until(lambda: pod.status("app")["restartCount"] >= 1, "it is not restarted")
    killed = [event for event in events(pod) if event["reason"] == "Killing"]
    assert killed[0]["message"] == "Container app failed liveness probe, will be restarted"
    failures = [event for event in events(pod) if event["reason"] == "Unhealthy"]
    assert len(failures) >= 2
    assert pod.stop() == 0


def test_a_dead_container_that_must_not_be_restarted_ends(pod: Pod) -> None:
    serve(pod, probe("liveness", http("/none"), delay=100), restart="Never")
    pod.start()
    assert pod.terminated("app")["exitCode"] == 137
    assert pod.messages("Killing") == ["Container app failed liveness probe"]
    assert pod.stop() == 0


def test_the_startup_probe_comes_first(pod: Pod) -> None:
    probes = [
        probe("startup", http(), failure=100_000),
        probe("liveness", http("/alive"), failure=1),
        probe("readiness", TCP),
    ]
    serve(pod, *probes)
    pod.start()
    pod.running("app")
    until(lambda: len(events(pod)) > 3, "no failure")
    assert {event["message"].partition(" ")[0] for event in events(pod)} == {"Startup"}
    assert (pod.status("app")["started"], is_ready(pod)) == (False, False)
    (pod.pod_dir / "www/alive").write_text("yes")
    (pod.pod_dir / "www/ok").write_text("yes")
    until(lambda: is_ready(pod), "it does not get ready")
    (pod.pod_dir / "www/ok").unlink()  # nobody asks for it any more
    count = len(events(pod))
    (pod.pod_dir / "www/alive").unlink()
    until(lambda: pod.status("app")["restartCount"] == 1, "it is not restarted")
    assert events(pod)[count]["message"].startswith("Liveness")
    assert pod.stop() == 0


def test_a_container_that_does_not_start_in_time_is_restarted(pod: Pod) -> None:
    serve(pod, probe("startup", http(), failure=3))
    pod.start()
    until(lambda: pod.status("app")["restartCount"] >= 2, "it is not restarted")
    assert any(event["message"] == "Container app failed startup probe, will be restarted" for event in events(pod))
    assert pod.stop() == 0


def test_a_sidecar_gives_way_when_its_startup_probe_is_good(pod: Pod) -> None:
    pod.container(
        "proxy",
        shell(SERVE),
        member={"role": "sidecar", "restart": "Always"},
        probes=[probe("startup", http(), failure=100_000)],
        steps=default_steps(before=[bind(pod.pod_dir / "www", "/www")]),
    )
    pod.container("app", ["sleep", "1000"])
    assert pod.start() == {"status": "ok"}
    until(lambda: events(pod), "no failure")
    assert "waiting" in pod.status("app")["state"]
    (pod.pod_dir / "www/ok").write_text("yes")
    pod.running("app")
    assert pod.stop() == 0


def test_a_probe_leaves_nothing_behind(pod: Pod) -> None:
    make_slow(pod)
    serve(pod, probe("readiness", http("/cgi-bin/slow")), restart="Never")
    pod.start()
    until(lambda: "action" in names_of_children(pod.pid), "no probe runs")
    pod.ask("signal", container="app", signal=9)
    pod.terminated("app")
    assert "action" not in names_of_children(pod.pid)
    assert pod.stop() == 0


def names_of_children(pid: int) -> set[str]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = set()
    for child in listed:
        path = Path(f"/proc/{child}/comm")
        found |= {path.read_text().strip()} if path.exists() else set()
    return found


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": ["fly"]}, "fly is no kind of action"),
        ({"action": ["tcp", "localhost", 1]}, "action tcp: wrong arguments"),
        ({"action": ["http", "127.0.0.1", 1]}, "action http: wrong arguments"),
        ({"kind": "love"}, "love is no kind of probe, or there twice"),
        ({"period": 0}, "field period must be an integer from 1 to"),
        ({"colour": 1}, "unknown field colour"),
    ],
)
def test_a_bad_plan_is_refused(pod: Pod, fields: dict[str, Any], message: str) -> None:
    serve(pod, {**probe("liveness", TCP), **fields}, restart="Never")
    pod.start()
    end = pod.terminated("app")
    assert (end["exitCode"], end["reason"]) == (128, "StartError")
    assert f"life.json: {message}" in end["message"]
    assert pod.stop() == 0
