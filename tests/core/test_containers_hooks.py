# SPDX-License-Identifier: Apache-2.0
"""Hooks beside the container."""

import os
import time

import pytest

from podwright.containers import hooks, process
from podwright.errors import HostError


def shell(script, **fields):
    return {"path": "/bin/sh", "args": ["hook", "-c", script], **fields}


def test_a_hook_gets_the_state_and_exactly_its_environment(tmp_path):
    hooks.run(
        "poststart",
        [shell(f"cat > {tmp_path}/state; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= > {tmp_path}/env", env=["A=b=c"])],
        '{"id":"c1"}',
    )
    assert (tmp_path / "state").read_text() == '{"id":"c1"}'
    assert (tmp_path / "env").read_text() == "A=b=c\n"


def test_the_first_that_fails_ends_it_with_what_it_said(tmp_path):
    with pytest.raises(HostError, match=r"^hooks\.poststart\[0\] \(/bin/sh\) ended with 3: no such bridge$"):
        hooks.run("poststart", [shell("echo no such bridge >&2; exit 3"), shell(f"touch {tmp_path}/second")], "{}")
    assert os.listdir(tmp_path) == []


def test_after_a_container_all_hooks_run(tmp_path):
    failures = hooks.run_all("poststop", [shell("exit 1"), shell(f"touch {tmp_path}/second")], "{}")
    assert failures == ["hooks.poststop[0] (/bin/sh) ended with 1"]
    assert os.listdir(tmp_path) == ["second"]


def test_a_hook_that_overstays_is_killed_with_its_children(tmp_path):
    begin = time.monotonic()
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(HostError, match=r"did not end within its timeout of 0\.5 s, and was killed"):
        hooks.run("poststart", [shell(script, timeout=0.5)], "{}")
    assert time.monotonic() - begin < 30
    child = int((tmp_path / "child").read_text())
    for _ in range(200):
        if process.start_time(child) is None:
            return
        time.sleep(0.01)
    raise AssertionError("the hook's child lives")


def test_what_a_hook_leaves_in_the_background_is_not_waited_for():
    begin = time.monotonic()
    hooks.run("poststart", [shell("sleep 20 2>/dev/null & exit 0")], "{}")
    hooks.run("poststart", [shell("sleep 20 & exit 0")], "{}")
    assert time.monotonic() - begin < 15


def test_a_hook_that_never_reads_a_long_state_does_not_stop_us():
    hooks.run("poststart", [shell("exit 0")], "x" * 1_000_000)


@pytest.mark.parametrize(
    ("path", "message"), [("sh", "must be absolute"), ("/none/hook", "cannot be run: No such file")]
)
def test_a_hook_that_is_no_program_is_named(path, message):
    with pytest.raises(HostError, match=rf"hooks\.poststart\[0\].*{message}"):
        hooks.run("poststart", [{"path": path}], "{}")
    assert len(os.listdir("/proc/self/fd")) < 40
