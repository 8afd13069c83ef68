# SPDX-License-Identifier: Apache-2.0
"""The groups of a pod on cgroup v2, against the recording fake."""

import errno
import os

import pytest

from podwright.cgroups.fake import FakeCgroupfs
from podwright.cgroups.limits import Limits
from podwright.cgroups.manager import SANDBOX, CgroupManager
from podwright.cgroups.v2 import V2Hierarchy
from podwright.errors import HostError

ALL = frozenset({"cpu", "memory", "pids", "devices"})
POD = Limits(cpu_quota_us=50_000, cpu_shares=512, memory_max=64 << 20, pids_max=100)
APP = Limits(cpu_quota_us=50_000, cpu_shares=512, memory_max=64 << 20, container=True)


@pytest.fixture
def files(tmp_path):
    return FakeCgroupfs(str(tmp_path))


def manager_of(files, controllers=ALL, missing="error"):
    return CgroupManager([V2Hierarchy(files.mount, "/podwright", controllers, files)], "/podwright", missing=missing)


def test_create_enables_controllers_downwards_and_sets_limits_before_anything_runs(files):
    made = manager_of(files).create("7", POD, {"app": APP})
    assert files.log == [
        "cgroup.subtree_control = +cpu +memory +pids",
        "mkdir podwright",
        "podwright/cgroup.subtree_control = +cpu +memory +pids",
        "mkdir podwright/pod7",
        "podwright/pod7/cpu.max = 50000 100000",
        "podwright/pod7/cpu.weight = 59",
        "podwright/pod7/memory.max = 67108864",
        "podwright/pod7/pids.max = 100",
        "podwright/pod7/cgroup.subtree_control = +cpu +memory +pids",
        "mkdir podwright/pod7/sandbox",
        "mkdir podwright/pod7/container-app",
        "podwright/pod7/container-app/cpu.max = 50000 100000",
        "podwright/pod7/container-app/cpu.weight = 59",
        "podwright/pod7/container-app/memory.max = 67108864",
        "podwright/pod7/container-app/memory.swap.max = 0",
        "podwright/pod7/container-app/memory.oom.group = 1",
        "podwright/pod7/container-app: device program",
    ]
    root = f"{files.mount}/podwright/pod7"
    assert made == {SANDBOX: [f"{root}/sandbox"], "app": [f"{root}/container-app"]}


def test_containers_may_have_the_names_of_our_groups_and_of_the_kernels_files(files):
    made = manager_of(files).create("7", Limits(), {"sandbox": APP, "tasks": APP})
    assert len({directory for directories in made.values() for directory in directories}) == 3


def test_create_again_repairs_the_limits(files):
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP})
    files.write(f"{files.mount}/podwright/pod7/container-app/memory.max", "max")
    assert manager.drift("7", POD, {"app": APP}) == [
        f"memory.max of {files.mount}/podwright/pod7/container-app is max, not 67108864"
    ]
    manager.create("7", POD, {"app": APP})
    assert manager.drift("7", POD, {"app": APP}) == []


def test_a_limit_that_goes_is_lifted(files):
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP})
    manager.update("7", Limits(cpu_shares=2), {"app": Limits(cpu_shares=2, container=True)})
    group = f"{files.mount}/podwright/pod7/container-app"
    assert [files.read(f"{group}/{name}") for name in ("cpu.max", "cpu.weight", "memory.max")] == [
        "max 100000",
        "1",
        "max",
    ]


def test_files_that_a_kernel_may_lack(tmp_path):
    files = FakeCgroupfs(str(tmp_path), without=("memory.swap.max", "memory.oom.group"))
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP})
    assert manager.drift("7", POD, {"app": APP}) == []


def test_drift_of_a_pod_without_groups(files):
    assert manager_of(files).drift("7", POD, {}) == [f"cgroup {files.mount}/podwright/pod7 is missing"]


@pytest.mark.parametrize(
    ("controllers", "limits", "field"),
    [
        (ALL - {"memory"}, APP, "spec.containers[app].resources.limits.memory"),
        (ALL - {"cpu"}, APP, "spec.containers[app].resources.limits.cpu"),
        (ALL - {"cpu"}, APP._replace(cpu_quota_us=None), "spec.containers[app].resources.requests.cpu"),
        (ALL - {"pids"}, APP, "pods.pids_limit of the configuration"),
        (ALL - {"devices"}, APP, "the devices of container app"),
    ],
)
def test_a_limit_without_its_controller_is_refused_or_warned_of(files, controllers, limits, field):
    controller = next(iter(ALL - controllers))
    sentence = f"{field} cannot be enforced: this host has no cgroup controller {controller}"
    with pytest.raises(HostError) as caught:
        manager_of(files, controllers).create("7", POD, {"app": limits})
    assert caught.value.message.startswith(sentence)
    assert caught.value.field == (field if field.startswith("spec.") else None)
    assert files.log == []

    lenient = manager_of(files, controllers, missing="warn")
    assert sentence in lenient.check(POD, {"app": limits})
    lenient.create("7", POD, {"app": limits})
    assert lenient.drift("7", POD, {"app": limits}) == []


def test_best_effort_needs_no_cpu_controller(files):
    assert manager_of(files, ALL - {"cpu"}).check(Limits(cpu_shares=2), {"app": Limits(cpu_shares=2)}) == []


def test_a_refused_limit_undoes_the_groups(files):
    files.refuse["memory.max"] = errno.EINVAL
    with pytest.raises(HostError, match=r"cannot set memory.max of .*/pod7 to 67108864: Invalid argument"):
        manager_of(files).create("7", POD, {"app": APP})
    assert files.children(files.mount) == []


def test_a_failed_undo_is_reported_too(files):
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP})
    files.write(f"{files.mount}/podwright/pod7/container-app/cgroup.procs", "41")
    files.refuse["memory.max"] = errno.EINVAL
    with pytest.raises(HostError, match=r"cannot set memory.max .* undoing it failed too: .* processes \[41\]"):
        manager.create("7", POD, {"app": APP})


def test_a_parent_with_processes_is_named(files):
    files.refuse["cgroup.subtree_control"] = errno.EBUSY
    with pytest.raises(HostError, match=r"cannot enable cpu, memory, pids below cgroup .*: processes live in it"):
        manager_of(files).create("7", POD, {})


def test_pids_kill_and_remove_reach_groups_that_a_container_made(files):
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP})
    inner = f"{files.mount}/podwright/pod7/container-app/inner"
    files.make(inner)
    files.write(f"{inner}/cgroup.procs", "41 42")
    assert (manager.pids("7"), manager.pids("7", "app"), manager.pids("7", SANDBOX)) == ([41, 42], [41, 42], [])
    manager.kill("7")
    assert "podwright/pod7/cgroup.kill = 1" in files.log
    manager.remove("7")
    assert files.children(files.mount) == []


def test_without_cgroup_kill_the_group_is_frozen_signalled_and_thawed(tmp_path):
    files = FakeCgroupfs(str(tmp_path), without=("cgroup.kill",))
    manager = manager_of(files)
    manager.create("7", POD, {})
    files.write(f"{files.mount}/podwright/pod7/sandbox/cgroup.procs", "41")
    files.log.clear()
    manager.kill("7", SANDBOX)
    group = "podwright/pod7/sandbox"
    assert files.log == [f"{group}/cgroup.freeze = 1", "kill 41", f"{group}/cgroup.freeze = 0"]


def test_processes_that_do_not_die_are_named(files):
    manager = manager_of(files)
    manager.create("7", POD, {})
    files.write(f"{files.mount}/podwright/pod7/sandbox/cgroup.procs", "41")
    files.refuse["cgroup.kill"] = errno.ENOENT
    files.kill = lambda pid: None
    with pytest.raises(HostError, match=r"processes \[41\] of pod 7 did not die"):
        manager.kill("7", timeout=0)


def test_the_parent_stays_while_another_pod_lives(files):
    manager = manager_of(files)
    manager.create("7", POD, {})
    manager.create("8", POD, {})
    manager.remove("7")
    assert manager.pods() == ["8"]
    manager.remove("8")
    assert not os.path.exists(f"{files.mount}/podwright")


def test_remove_of_nothing_is_nothing(files):
    manager_of(files).remove("7")
    assert files.log == []


def test_a_parent_that_vanishes_meanwhile_is_made_again(files):
    class Racing(FakeCgroupfs):
        lost = 3

        def make(self, path):
            if path.endswith("pod7") and self.lost:
                self.lost -= 1
                self.remove(os.path.dirname(path))
            return super().make(path)

    racing = Racing(files.mount)
    manager_of(racing).create("7", POD, {})
    assert racing.lost == 0


@pytest.mark.parametrize("uid", ["", "../x", "a/b", "a\0", "a\n"])
def test_names_that_could_lead_elsewhere_are_refused(files, uid):
    manager = manager_of(files)
    for action in (manager.kill, manager.remove, manager.pids):
        with pytest.raises(HostError, match="cannot be part of a cgroup's name"):
            action(uid)


def test_where_oom_kills_are_counted(files):
    manager = manager_of(files)
    events = {"file": f"{files.mount}/podwright/pod7/container-app/memory.events", "key": "oom_kill"}
    assert manager.oom_events("7", "app") == events
    assert manager_of(files, ALL - {"memory"}).oom_events("7", "app") is None
    assert manager.path("7", "app") == "/podwright/pod7/container-app"


def test_a_memory_limit_below_what_is_in_use_says_so(files):
    files.refuse["memory.max"] = errno.EBUSY  # v1's answer; v2 reclaims instead
    with pytest.raises(HostError, match=r"cannot set memory.max of .* to 67108864: the processes in it use more"):
        manager_of(files).create("7", POD, {"app": APP})


def test_a_pod_grows_before_its_containers_and_shrinks_after_them(files):
    def memory(pod, app):
        return Limits(memory_max=pod << 20), {"app": Limits(memory_max=app << 20, container=True)}

    def orders():
        found = [line for line in files.log if "memory.max" in line]
        files.log.clear()
        return [(line.split("/")[-2], int(line.split()[-1]) >> 20) for line in found]

    manager = manager_of(files)
    manager.create("7", *memory(64, 32))
    orders()
    manager.update("7", *memory(96, 80))
    assert orders() == [("pod7", 96), ("container-app", 80), ("pod7", 96)]
    manager.update("7", *memory(48, 16))
    assert orders() == [("pod7", 96), ("container-app", 16), ("pod7", 48)]


def test_memory_that_is_in_use_is_not_taken_away(files):
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP, "b": APP})
    root = f"{files.mount}/podwright/pod7"
    for group, used in (("", 50 << 20), ("/container-app", 40 << 20), ("/container-b", 10 << 20)):
        with open(f"{root}{group}/memory.current", "w") as file:
            file.write(f"{used}\n")
    with open(f"{root}/container-app/memory.stat", "w") as file:
        file.write(f"anon {20 << 20}\ninactive_file {15 << 20}\nactive_file {5 << 20}\n")

    def check(pod, app, stopped=()):
        containers = {"app": APP._replace(memory_max=app << 20), "b": APP}
        manager.check_memory("7", POD._replace(memory_max=pod << 20), containers, {"app": "a.field"}, stopped)

    files.log.clear()
    check(64, 64)
    check(60, 26)  # the page cache gives way
    check(32, 4, ["app"])
    with pytest.raises(HostError) as caught:
        check(64, 24)
    assert caught.value.field == "a.field"
    sentence = "a.field cannot be lowered to 25165824 bytes while 26214400 are in use; the old limit stays"
    assert caught.value.message == sentence
    with pytest.raises(HostError, match=r"^spec.resources.limits.memory cannot be lowered to 41943040 bytes"):
        check(40, 64)
    assert files.log == [], "nothing was written"


def test_the_containers_whose_limits_differ(files):
    manager = manager_of(files)
    manager.create("7", POD, {"app": APP, "b": APP})
    assert manager.differ("7", {"app": APP, "b": APP._replace(cpu_shares=2)}) == ["b"]
