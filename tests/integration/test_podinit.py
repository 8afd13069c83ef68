# SPDX-License-Identifier: Apache-2.0
"""podinit supervise against the real kernel, with plans written by hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from podinit_harness import Pod, adopting_orphans, build_image, children, processes_under, shell, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="podinit makes namespaces and mounts: root only")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    assert children() == []  # whatever is a child later belongs to the test
    pod = Pod(tmp_path, build_image(tmp_path / "image"))
    with adopting_orphans():
        yield pod
        pod.clean_up()


def test_two_containers_share_what_a_pod_shares_and_leave_nothing(pod: Pod, tmp_path: Path) -> None:
    look = "hostname; cat /proc/self/status; for n in net ipc uts pid mnt cgroup; do readlink /proc/1/ns/$n; done; echo done"
    pod.container("server", shell(f"{look}; exec sleep 1000"))
    pod.container("client", shell(f"{look}; exec sleep 1000"))
    mounts = Path("/proc/self/mountinfo").read_text()

    assert pod.start() == {"status": "ok"}
    server, client = pod.running("server"), pod.running("client")
    assert server != client
    for name in ("server", "client"):
        until(lambda name=name: pod.output(name).endswith("done"), "no output")
    assert pod.ask("signal", container="client", signal=int(signal.SIGKILL)) == {"id": 7, "status": "ok"}
    end = pod.terminated("client")
    assert (end["exitCode"], end["signal"], end["reason"]) == (137, 9, "Error")
    assert pod.stop(grace=0) == 0

    outputs = [pod.output(name).splitlines() for name in ("server", "client")]
    for lines in outputs:
        assert lines[0] == "web-host"
        assert "CapEff:\t00000000a80425fb" in lines
        assert "CapBnd:\t00000000a80425fb" in lines
        assert "NoNewPrivs:\t1" in lines
    (net, ipc, uts, pid, mnt, _), (*others,) = outputs[0][-7:-1], outputs[1][-7:-1]
    assert [net, ipc, uts] == others[:3]
    assert pid != others[3] and mnt != others[4]
    assert net != os.readlink("/proc/self/ns/net")
    assert processes_under(str(tmp_path)) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert sorted(os.listdir(pod.run_dir)) == ["lock", "state.json"]
