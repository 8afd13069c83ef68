# SPDX-License-Identifier: Apache-2.0
"""Real cgroups: limits that hold, groups that die at once, and nothing left behind."""

import os
import subprocess
import sys
import threading

import pytest

from cgrouptools import FORK_STORM, OPEN, eventually, inside
from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.cgroups.hierarchy import detect
from podwright.cgroups.limits import Limits
from podwright.cgroups.manager import SANDBOX, CgroupManager
from podwright.cgroups.mounts import parse_mountinfo
from podwright.cgroups.v2 import V2Hierarchy

APP = Limits(container=True)


def mounts():
    with open("/proc/self/mountinfo") as file:
        return file.read()


@pytest.fixture
def parent():
    return f"/podwright-test-{os.getpid()}-{os.urandom(3).hex()}"


def cleaned(manager):
    for uid in manager.pods():
        manager.kill(uid)
        manager.remove(uid)
    for hierarchy in manager.hierarchies:
        assert not os.path.exists(hierarchy.root)


@pytest.fixture
def manager(parent):
    manager = detect(parent)
    yield manager
    cleaned(manager)


@pytest.fixture
def v1_manager(parent, tmp_path):
    """Give a manager that sees v1 alone, as on a host where v2 is not mounted."""
    (tmp_path / "mountinfo").write_text(
        "".join(line for line in mounts().splitlines(True) if " - cgroup2 " not in line)
    )
    if not any("freezer" in mount.controllers for mount in parse_mountinfo((tmp_path / "mountinfo").read_text())):
        pytest.skip("this host has no cgroup v1 freezer")
    manager = detect(parent, mountinfo=str(tmp_path / "mountinfo"))
    yield manager
    cleaned(manager)


@pytest.fixture
def v2_devices_manager(parent):
    """Give a manager of devices in v2, whatever else v1 has."""
    unified = [mount.path for mount in parse_mountinfo(mounts()) if mount.version == 2]
    if not unified:
        pytest.skip("no cgroup v2 is mounted on this host")
    manager = CgroupManager([V2Hierarchy(unified[0], parent, frozenset({"devices"}), Cgroupfs())], parent)
    yield manager
    cleaned(manager)


def test_the_kernel_holds_the_limits_and_follows_an_update(manager):
    pod = Limits(cpu_quota_us=50_000, cpu_shares=512, memory_max=64 << 20, pids_max=100)
    app = Limits(cpu_quota_us=50_000, cpu_shares=512, memory_max=64 << 20, container=True)
    made = manager.create("7", pod, {"app": app})
    assert {name: [os.path.isdir(path) for path in paths].count(False) for name, paths in made.items()} == {
        SANDBOX: 0,
        "app": 0,
    }
    assert manager.drift("7", pod, {"app": app}) == []
    for factor in (3, 1):  # up, where the pod has to be raised first, and down, where it has to be lowered last
        raised = pod._replace(cpu_quota_us=50_000 * factor, memory_max=(64 << 20) * factor + 5)
        bigger = app._replace(cpu_quota_us=50_000 * factor, memory_max=(64 << 20) * factor + 5)
        manager.update("7", raised, {"app": bigger})
        assert manager.drift("7", raised, {"app": bigger}) == []
    manager.update("7", Limits(), {"app": APP})
    assert manager.drift("7", Limits(), {"app": APP}) == []
    manager.remove("7")
    assert manager.pods() == []


def test_the_limit_of_processes_stops_forking(manager):
    pod = Limits(pids_max=12)
    made = manager.create("7", pod, {"app": APP})
    loop = "i=0; while [ $i -lt 40 ]; do sleep 300 & i=$((i+1)); done; wait"
    with inside(made["app"], "/bin/sh", "-c", loop, stderr=subprocess.DEVNULL):
        eventually(lambda: len(manager.pids("7")) >= 11)
        assert len(manager.pids("7", "app")) <= 12
        assert manager.pids("7", SANDBOX) == []
        manager.kill("7", "app")
    assert manager.pids("7") == []


def test_a_memory_hog_is_killed_and_counted(manager):
    app = Limits(memory_max=24 << 20, container=True)
    made = manager.create("7", Limits(), {"app": app})
    events = manager.oom_events("7", "app")

    def kills():
        with open(events["file"]) as file:
            return int(dict(line.split() for line in file)[events["key"]])

    assert kills() == 0
    with inside(made["app"], sys.executable, "-S", "-c", "x = bytearray(200 << 20)") as hog:
        assert hog.wait(timeout=60) == -9
    assert kills() == 1


@pytest.mark.parametrize("which", ["manager", "v2_devices_manager"])
def test_a_container_opens_the_default_devices_only(which, request, tmp_path):
    manager = request.getfixturevalue(which)
    made = manager.create("7", Limits(), {"app": APP})
    manager.create("7", Limits(), {"app": APP})  # again: no second program, no lost rule
    assert manager.drift("7", Limits(), {"app": APP}) == []
    disk = str(tmp_path / "disk")

    def run(group, *command):
        with inside(made[group], *command, stderr=subprocess.PIPE, text=True) as process:
            return process.communicate()[1]

    assert run("app", "mknod", disk, "b", "240", "0") == ""
    assert "PermissionError" in run("app", sys.executable, "-S", "-c", OPEN, disk)
    assert "PermissionError" not in run(SANDBOX, sys.executable, "-S", "-c", OPEN, disk)  # ENXIO: there is no such disk
    assert run("app", sys.executable, "-S", "-c", OPEN, "/dev/null") == ""
    assert "PermissionError" in run("app", sys.executable, "-S", "-c", OPEN, "/dev/kmsg")


@pytest.mark.parametrize("which", ["manager", "v1_manager"])
def test_a_fork_storm_dies(which, request):
    manager = request.getfixturevalue(which)
    made = manager.create("7", Limits(pids_max=60), {"app": APP})
    with inside(made["app"], sys.executable, "-S", "-c", FORK_STORM):
        eventually(lambda: len(manager.pids("7")) > 30)
        manager.kill("7", timeout=60)
    manager.remove("7")
    assert manager.pods() == []


def test_a_frozen_group_dies(v1_manager):
    made = v1_manager.create("7", Limits(), {"app": APP})
    freezer = next(path for path in made["app"] if os.path.exists(f"{path}/freezer.state"))
    with inside(made["app"], "sleep", "300"):
        eventually(lambda: v1_manager.pids("7", "app"))
        Cgroupfs().write(f"{freezer}/freezer.state", "FROZEN")
        v1_manager.kill("7")


def test_pods_that_come_and_go_do_not_take_each_others_parent(manager):
    failures = []

    def come_and_go(uid):
        try:
            for _ in range(60):
                manager.create(uid, Limits(), {"app": APP})
                manager.remove(uid)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
