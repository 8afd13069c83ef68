# SPDX-License-Identifier: Apache-2.0
"""When the supervisor starts a container again, with a back-off of milliseconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, shell, until

QUICK = {"first": 40, "last": 160, "forgiven": 600_000}


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        fresh.sandbox["backOff"] = dict(QUICK)
        yield fresh


def starts(pod: Pod, name: str, count: int) -> list[float]:
    """Return when (seconds of the monotonic clock, as it is seen from here) each of the first starts was noticed."""
    seen: list[float] = []

    def look() -> bool:
        while pod.status(name)["restartCount"] >= len(seen):
            seen.append(time.monotonic())
        return len(seen) >= count

    until(look, f"{name} is not started {count} times")
    return seen


def test_the_delay_doubles_up_to_the_longest(pod: Pod) -> None:
    pod.container("app", shell("exit 0"), member={"restart": "Always"})
    began = time.monotonic()
    assert pod.start() == {"status": "ok"}
    messages: set[str] = set()

    def look() -> bool:
        entry = pod.status("app")
        messages.add(entry["state"].get("waiting", {}).get("message", "").partition(" restarting")[0])
        return bool(entry["restartCount"] >= 6)

    until(look, "it is not restarted")
    # the first restart comes at once, the others after 40, 80, 160, 160 and 160 ms
    assert time.monotonic() - began >= 0.6
    assert messages - {""} <= {"back-off 40ms", "back-off 80ms", "back-off 160ms"}
    assert "back-off 160ms" in messages
    assert pod.stop() == 0


def test_a_container_that_ran_for_long_is_restarted_at_once(pod: Pod) -> None:
    pod.sandbox["backOff"] = {"first": 600_000, "last": 600_000, "forgiven": 1}
    pod.container("app", shell("sleep 0.05; exit 1"), member={"restart": "Always"})
    pod.start()
    starts(pod, "app", 5)
    assert pod.stop() == 0


def test_each_container_has_its_policy(pod: Pod) -> None:
    codes = {"always": ("Always", 0), "failing": ("OnFailure", 1), "good": ("OnFailure", 0), "never": ("Never", 1)}
    for name, (policy, code) in codes.items():
        pod.container(name, shell(f"exit {code}"), member={"restart": policy})
    pod.start()
    for name in ("always", "failing"):
        starts(pod, name, 3)
    assert pod.terminated("good")["reason"] == "Completed"
    assert pod.terminated("never")["reason"] == "Error"
    assert pod.status("good")["restartCount"] == pod.status("never")["restartCount"] == 0
    assert pod.stop() == 0


@pytest.mark.parametrize(
    ("rules", "codes"),
    [([[True, 3]], (3, 4)), ([[False, 4]], (3, 4)), ([[True, 9], [True, 3]], (3, 4)), ([[True]], (None, 4))],
)
def test_a_rule_that_fits_restarts(pod: Pod, rules: list[Any], codes: tuple[int | None, int]) -> None:
    again, last = codes
    seed = again if again is not None else last
    (pod.pod_dir / "mark").mkdir()
    # it ends with the one code at its first start, then with the other
    pod.container(
        "app",
        shell(f"[ -e /mark/seen ] && exit {last}; touch /mark/seen; exit {seed}"),
        member={"restart": "Never", "rules": rules},
        steps=default_steps(before=[bind(pod.pod_dir / "mark", "/mark")]),
    )
    pod.start()
    assert pod.terminated("app")["exitCode"] == last
    entry = pod.status("app")
    assert entry["restartCount"] == (0 if again is None else 1)
    assert pod.stop() == 0


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ({"restart": "Sometimes"}, "containers[0]: field restart is none of Always, OnFailure, Never"),
        ({"rules": [[1]]}, "containers[0]: a rule is true or false, and exit codes"),
        ({"rules": [[True, "1"]]}, "containers[0]: a rule's exit code is no number"),
        ({"colour": 1}, "containers[0]: unknown field colour"),
    ],
)
def test_a_bad_entry_is_refused(pod: Pod, member: dict[str, Any], message: str) -> None:
    pod.container("app", ["sleep", "1000"], member=member)
    assert pod.start() == {"status": "error", "message": f"sandbox.json: {message}"}
