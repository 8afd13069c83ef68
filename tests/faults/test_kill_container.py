# SPDX-License-Identifier: Apache-2.0
"""SIGKILL while a container alone is stopped or started: the next apply converges to what it asks for."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, eventually

KILLER = Path(__file__).with_name("killer.py")
CONTAINER = {
    "kind": "Container",
    "name": "web",
    "image": IMAGE,
    "command": ["/bin/sleep", "100000"],
    "terminationGracePeriodSeconds": 0,
}
STOPPED = CONTAINER | {"state": "stopped"}


@pytest.fixture
def host(host: Host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    return host


def killed_at(host: Host, step: int, container: dict) -> int:
    """Apply and be killed at the N-th touch of the host; return how many there were, if it came that far."""
    request = {"version": 1, "action": "apply", "kind": "Container", "manifest": container}
    command = [sys.executable, KILLER, str(step), "api"]
    done = subprocess.run(command, env=host.env, input=json.dumps(request), text=True, capture_output=True, timeout=120)
    if done.returncode == -signal.SIGKILL:
        return step
    assert json.loads(done.stdout)["status"] == "ok", done.stdout
    return int(done.stderr.splitlines()[-1])


def steps(total: int, wanted: int) -> list[int]:
    return sorted({1 + index * (total - 1) // (wanted - 1) for index in range(wanted)})


def runs(host: Host) -> bool:
    return "sleep" in host.processes().values()


@pytest.mark.parametrize("last", [CONTAINER, STOPPED], ids=["then-started", "then-stopped"])
@pytest.mark.parametrize("first", [STOPPED, CONTAINER], ids=["stop", "start"])
def test_killed_at_any_step(host, first, last):
    other = CONTAINER if first is STOPPED else STOPPED
    host.runtime.apply(other, wait=True)
    total = killed_at(host, 0, first)
    for step in steps(total, 8):
        host.runtime.apply(other, wait=True)
        killed_at(host, step, first)
        done = host.runtime.apply(last, wait=True)
        if last is STOPPED:
            eventually(lambda: not host.processes(), "the end of every process")
            assert not host.cgroup_dirs()
        else:
            assert done.pod["status"]["phase"] == "Running"
            eventually(lambda: runs(host), "the process")
        assert host.runtime.plan(last).action == "none", f"after a kill at step {step} of {total}"
    host.delete("web", kind="container")
