# SPDX-License-Identifier: Apache-2.0
"""What a container leaves to be read when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, shell, until

PATH = "/dev/termination-log"


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


def message(pod: Pod, script: str, policy: str = "File", **fields: Any) -> str:
    """Run a script to its end and return the message."""
    source = pod.pod_dir / "containers/app/termination-log"
    pod.container("app", shell(script), message=policy, steps=default_steps(before=[bind(source, PATH)]), **fields)
    assert pod.start() == {"status": "ok"}
    end = pod.terminated("app")
    assert end["reason"] != "StartError", end
    return str(end.get("message", ""))


def test_it_is_what_the_container_wrote(pod: Pod) -> None:
    assert message(pod, f"echo it is over > {PATH}; exit 3") == "it is over\n"


def test_after_a_success_too(pod: Pod) -> None:
    assert message(pod, f"printf done > {PATH}") == "done"


def test_any_user_may_write_it(pod: Pod) -> None:
    source = pod.pod_dir / "containers/app/termination-log"
    steps = default_steps(before=[bind(source, PATH)], user=[1000, 1000, []])
    pod.container("app", shell(f"printf mine > {PATH}"), message="File", steps=steps)
    pod.start()
    assert pod.terminated("app")["message"] == "mine"


def test_only_the_last_4096_bytes_are_taken(pod: Pod) -> None:
    said = message(
        pod, f"yes 0123456789abcde | dd bs=1000 count=10 iflag=fullblock > {PATH} 2>/dev/null; echo end >> {PATH}"
    )
    assert len(said) == 4096
    assert said.endswith("end\n")


def test_a_file_without_a_word_is_no_message(pod: Pod) -> None:
    assert message(pod, "echo from the log; exit 1") == ""


def test_the_log_speaks_for_a_container_that_failed(pod: Pod) -> None:
    said = message(pod, "echo one; echo two >&2; exit 1", "FallbackToLogsOnError")
    assert sorted(said.splitlines()) == ["one", "two"]  # two streams


def test_but_not_for_one_that_did_not(pod: Pod) -> None:
    assert message(pod, "echo one; exit 0", "FallbackToLogsOnError") == ""


def test_nor_when_the_container_has_said_something(pod: Pod) -> None:
    assert message(pod, f"echo one; printf own > {PATH}; exit 1", "FallbackToLogsOnError") == "own"


def test_eighty_lines_of_the_log_are_enough(pod: Pod) -> None:
    script = "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i + 1)); done; exit 1"
    said = message(pod, script, "FallbackToLogsOnError")
    assert said.splitlines() == [str(number) for number in range(120, 200)]


@pytest.mark.parametrize("length", [100, 1000, 5000])
def test_and_2048_bytes(pod: Pod, length: int) -> None:
    line = "x" * (length - 1)
    script = f"i=0; while [ $i -lt 60 ]; do echo {line}; i=$((i + 1)); done; echo end; exit 1"
    said = message(pod, script, "FallbackToLogsOnError")
    assert len(said) <= 2048
    assert said.endswith("x\nend\n") or said == "end\n"
    if length < 2000:
        assert len(said) == 2048


def test_each_start_begins_with_an_empty_file(pod: Pod) -> None:
    source = pod.pod_dir / "containers/app/termination-log"
    pod.container(
        "app",
        shell(f"cat {PATH}; printf again > {PATH}; exit 1"),
        member={"restart": "Always"},
        message="File",
        steps=default_steps(before=[bind(source, PATH)]),
    )
    pod.start()
    until(lambda: pod.status("app")["restartCount"] == 1 and pod.status("app")["pid"] == 0, "it is not restarted")
    assert pod.status("app")["lastState"]["terminated"]["message"] == "again"
    assert pod.output("app", 1) == ""
    assert pod.stop() == 0
