# SPDX-License-Identifier: Apache-2.0
"""One container's groups on hosts with v1, v2 and both, against the recording fake."""

import errno
import os

import pytest

from podwright.cgroups.container import ContainerCgroup
from podwright.cgroups.fake import FakeCgroupfs
from podwright.errors import HostError, ManifestError

V1 = ("cpu,cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio", "net_cls,net_prio", "name=systemd")
LIMITS = {
    "memory": {"limit": 64 << 20, "swap": 128 << 20, "reservation": 32 << 20},
    "cpu": {"shares": 512, "quota": 50_000, "period": 50_000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 50},
}
OWN = "".join(f"{index}:{names}:/engine/unit\n" for index, names in enumerate(V1)) + "0::/engine/unit\n"


class Host:
    def __init__(self, tmp_path, v1=(), v2="cpuset cpu io memory pids hugetlb", without=()):
        self.files = FakeCgroupfs(str(tmp_path), v2 or "", without=without)
        lines = [self.files.add_v1(names.removeprefix("name="), names) for names in v1]
        lines += [self.files.add_v2()] if v2 is not None else []
        (tmp_path / "mountinfo").write_text("".join(lines))
        (tmp_path / "own").write_text(OWN)
        self.path = str(tmp_path)

    def open(self, path="/pod/c1", **options):
        places = {"mountinfo": f"{self.path}/mountinfo", "own": f"{self.path}/own", "files": self.files}
        return ContainerCgroup.open(path, "c1", **places, **options)

    def created(self, resources, **options):
        group = self.open(**options)
        group.create(resources)
        return group

    def relative(self, group):
        return [os.path.relpath(directory, self.path) for directory in group.directories]


@pytest.fixture
def v1(tmp_path):
    return Host(tmp_path, V1, None)


@pytest.fixture
def v2(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def hybrid(tmp_path):
    return Host(tmp_path, V1, "hugetlb")


def orders(host, word=" = "):
    return [line for line in host.files.log if word in line]


def test_v1_has_a_group_in_each_hierarchy_with_its_limits(v1):
    group = v1.created(LIMITS)
    names = ["cpu,cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio", "net_cls,net_prio", "systemd"]
    assert v1.relative(group) == [f"{name}/pod/c1" for name in names]
    written = [line for line in orders(v1) if "devices" not in line]
    assert written == [
        "cpu,cpuacct/pod/c1/cpu.shares = 512",
        "cpu,cpuacct/pod/c1/cpu.cfs_period_us = 50000",
        "cpu,cpuacct/pod/c1/cpu.cfs_quota_us = 50000",
        "cpuset/pod/cpuset.cpus = 0-1",
        "cpuset/pod/cpuset.mems = 0-1",
        "cpuset/pod/c1/cpuset.cpus = 0-1",
        "cpuset/pod/c1/cpuset.mems = 0-1",
        "cpuset/pod/c1/cpuset.cpus = 0",
        "cpuset/pod/c1/cpuset.mems = 0",
        "memory/pod/c1/memory.soft_limit_in_bytes = 33554432",
        "memory/pod/c1/memory.limit_in_bytes = 67108864",
        "memory/pod/c1/memory.memsw.limit_in_bytes = 134217728",
        "pids/pod/c1/pids.max = 50",
    ]


def test_v2_has_one_group_and_the_controllers_on_the_way_to_it(v2):
    group = v2.created(LIMITS)
    assert v2.relative(group) == ["pod/c1"]
    assert v2.files.log == [
        "cgroup.subtree_control = +cpu +cpuset +hugetlb +io +memory +pids",
        "mkdir pod",
        "pod/cgroup.subtree_control = +cpu +cpuset +hugetlb +io +memory +pids",
        "mkdir pod/c1",
        "pod/c1/memory.swap.max = 67108864",
        "pod/c1/memory.max = 67108864",
        "pod/c1/memory.low = 33554432",
        "pod/c1/cpu.weight = 59",
        "pod/c1/cpu.max = 50000 50000",
        "pod/c1/cpuset.cpus = 0",
        "pod/c1/cpuset.mems = 0",
        "pod/c1/pids.max = 50",
        "pod/c1: device program",
    ]


def test_a_hybrid_host_joins_v2_too_and_gives_it_what_v1_lacks(hybrid):
    group = hybrid.created({**LIMITS, "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]})
    assert hybrid.relative(group)[:2] == ["pod/c1", "cpu,cpuacct/pod/c1"]
    assert "pod/c1/hugetlb.2MB.max = 4194304" in hybrid.files.log
    assert "memory/pod/c1/memory.limit_in_bytes = 67108864" in hybrid.files.log
    assert not orders(hybrid, "device program")


def test_a_group_without_resources_still_has_no_more_than_the_default_devices(v1):
    v1.created(None)
    assert orders(v1, "devices")[:3] == [
        "mkdir devices/pod",
        "mkdir devices/pod/c1",
        "devices/pod/c1/devices.deny = a",
    ]
    assert "devices/pod/c1/devices.allow = c 1:3 rwm" in v1.files.log


def test_a_relative_path_starts_at_the_callers_own_group(hybrid):
    group = hybrid.open("made/c1")
    assert hybrid.relative(group)[:2] == ["engine/made/c1", "cpu,cpuacct/engine/unit/made/c1"]
    assert hybrid.relative(hybrid.open(None))[0] == "engine/c1"


@pytest.mark.parametrize("path", ["../x", "/a/../../b", "/", "..", "/.", "a/..", "/a\nb"])
def test_a_path_that_leads_elsewhere_is_refused(v2, path):
    with pytest.raises(ManifestError, match=r"^linux\.cgroupsPath is .*without \.\.") as caught:
        v2.open(path)
    assert caught.value.field == "linux.cgroupsPath"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("system.slice:runc:7", "system.slice/runc-7.scope"),
        ("a-b.slice:p:n", "a.slice/a-b.slice/p-n.scope"),
        ("-.slice:p:n", "p-n.scope"),
        (":p:n", "system.slice/p-n.scope"),
        ("a.slice::n.slice", "a.slice/n.slice"),
        (None, "system.slice/podwright-c1.scope"),
    ],
)
def test_the_paths_of_systemd_as_directories(v2, path, expected):
    assert v2.relative(v2.open(path, systemd=True)) == [expected]


@pytest.mark.parametrize("path", ["/a/b", "a:b", "a:b:c", "a--b.slice:p:n", "a.slice:p:", "../x.slice:p:n"])
def test_other_paths_are_no_paths_of_systemd(v2, path):
    with pytest.raises(ManifestError, match=r"slice:prefix:name|named as a-b\.slice"):
        v2.open(path, systemd=True)


def test_another_process_finds_the_groups_by_the_record(hybrid):
    group = hybrid.created(LIMITS)
    again = ContainerCgroup.restored(group.record(), files=hybrid.files)
    assert again.directories == group.directories
    assert again.mounts() == group.mounts()
    assert again.mounts()[1] == (
        f"{hybrid.path}/cpu,cpuacct", ["cpu", "cpuacct"], f"{hybrid.path}/cpu,cpuacct/pod/c1", 1
    )  # fmt: skip
    assert again.exists()
    again.remove()
    assert not again.exists()


def test_destroy_kills_only_what_is_there(v2):
    group = v2.created(None)
    v2.files.log.clear()
    group.destroy()
    assert v2.files.log == ["rmdir pod/c1"]
    group = v2.created(None)
    v2.files.write(f"{group.directories[0]}/cgroup.procs", "41")
    group.destroy()
    assert v2.files.log[-2:] == ["pod/c1/cgroup.freeze = 0", "rmdir pod/c1"]
    assert not group.exists()
    group.destroy()


def test_the_groups_of_others_stay(v1):
    v1.created(None).remove()
    assert v1.files.children(f"{v1.path}/memory") == ["pod"]


def test_a_process_may_enter_a_group_further_down(hybrid):
    group = hybrid.created(None)
    own = hybrid.relative(group)
    assert group.below("/") == group.below("") == group.directories
    hybrid.files.make(f"{hybrid.path}/memory/pod/c1/a")
    hybrid.files.make(f"{hybrid.path}/memory/pod/c1/a/b")
    deeper = [os.path.relpath(path, hybrid.path) for path in group.below("memory,pids-not:a/b")]
    assert deeper == [f"{path}/a/b" if path.startswith("memory/") else path for path in own]
    with pytest.raises(HostError, match=r"the container has no cgroup 'a': .*/pod/c1/a is not there"):
        group.below("a")
    with pytest.raises(HostError, match="names controllers that the container has no group for"):
        group.below("rdma:a")


@pytest.mark.parametrize("path", ["../..", "/a/../../b", "memory:../x", "a\nb"])
def test_no_process_enters_a_group_outside(v1, path):
    with pytest.raises(ManifestError, match=r"below the container's own, without \.\."):
        v1.created(None).below(path)


def test_a_failed_create_leaves_no_group(v1):
    v1.files.refuse["pids.max"] = errno.EINVAL
    with pytest.raises(HostError, match=r"^linux\.resources\.pids\.limit: cannot set pids\.max of .* to 50") as caught:
        v1.created(LIMITS)
    assert caught.value.field == "linux.resources.pids.limit"
    assert not v1.open().exists()


def test_a_group_in_use_is_refused_and_an_empty_one_taken(v2):
    v2.created(None)
    taken = v2.created({"pids": {"limit": 7}})
    directory = taken.directories[0]
    assert v2.files.read(f"{directory}/pids.max") == "7"
    v2.files.write(f"{directory}/cgroup.procs", "41")
    with pytest.raises(HostError, match="processes live in it"):
        v2.created(None)
    v2.files.write(f"{directory}/cgroup.procs", "")
    taken.freeze()
    with pytest.raises(HostError, match="and frozen"):
        v2.created(None)


def test_pids_kill_and_remove_reach_groups_below(v2):
    group = v2.created(None)
    inner = group.directories[0] + "/inner"
    v2.files.make(inner)
    v2.files.write(f"{inner}/cgroup.procs", "41 42")
    assert (group.pids(), group.pids(recursive=False)) == ([41, 42], [])
    group.kill()
    assert group.pids() == []
    group.remove()
    assert not group.exists()


def test_kill_on_v1_freezes_and_thaws(v1):
    group = v1.created(None)
    for directory in group.directories:
        v1.files.write(f"{directory}/cgroup.procs", "41")
    v1.files.log.clear()
    group.kill()
    assert v1.files.log == [
        "freezer/pod/c1/freezer.state = FROZEN",
        "kill 41",
        "freezer/pod/c1/freezer.state = THAWED",
        "freezer/pod/c1/freezer.state = THAWED",
    ]


def test_a_kill_that_fails_leaves_nothing_frozen(v1):
    group = v1.created(None)
    v1.files.write(f"{v1.path}/freezer/pod/c1/cgroup.procs", "41")

    def fail(pid):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    v1.files.kill = fail
    with pytest.raises(PermissionError):
        group.kill()
    assert not group.frozen()


@pytest.mark.parametrize("kind", ["v1", "v2", "hybrid"])
def test_freeze_and_thaw(kind, request):
    host = request.getfixturevalue(kind)
    group = host.created(None)
    assert not group.frozen()
    group.freeze()
    assert group.frozen()
    group.thaw()
    assert not group.frozen()


def test_what_cannot_be_frozen_runs_on(v1):
    group = v1.created(None)
    v1.files.read = lambda path: "FREEZING"
    with pytest.raises(HostError, match="could not be frozen within 0 s"):
        group.freeze(timeout=0)
    assert v1.files.log[-1].endswith("freezer.state = THAWED")


def test_a_host_without_a_freezer_says_so(tmp_path):
    with pytest.raises(HostError, match="cannot be paused"):
        Host(tmp_path, ("memory",), None).created(None).freeze()


def test_update_changes_what_is_named_only(v1):
    group = v1.created(LIMITS)
    v1.files.log.clear()
    group.update({"memory": {"limit": 256 << 20, "swap": 256 << 20}})
    assert v1.files.log == [
        "memory/pod/c1/memory.memsw.limit_in_bytes = 268435456",
        "memory/pod/c1/memory.limit_in_bytes = 268435456",
    ]
    v1.files.log.clear()
    group.update({"memory": {"limit": 32 << 20, "swap": 32 << 20}})
    assert v1.files.log == [
        "memory/pod/c1/memory.limit_in_bytes = 33554432",
        "memory/pod/c1/memory.memsw.limit_in_bytes = 33554432",
    ]


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_a_limit_below_the_usage_is_refused_when_asked_to_check(kind, request):
    group = request.getfixturevalue(kind).created(LIMITS)
    group.update({"memory": {"limit": 1024}})
    group.update({"memory": {"limit": 8192, "checkBeforeUpdate": True}})
    with pytest.raises(HostError, match=r"memory\.limit is 1024, but the container uses 4096 bytes now"):
        group.update({"memory": {"limit": 1024, "checkBeforeUpdate": True}})


@pytest.mark.parametrize(
    ("v1", "v2", "resources", "field", "controller"),
    [
        (["cpu"], None, {"memory": {"limit": 1}}, "memory.limit", "memory"),
        (["cpu"], None, {"devices": [{"allow": False}]}, "devices", "devices"),
        ([], "cpu", {"memory": {"limit": 1}}, "memory.limit", "memory"),
        ([], "memory", {"memory": {"swappiness": 1}}, "memory.swappiness", "memory of cgroup v1"),
        ([], "cpu", {"network": {"classID": 1}}, "network.classID", "net_cls of cgroup v1"),
        ([], "cpu", {"cpu": {"realtimeRuntime": 1}}, "cpu.realtimeRuntime", "cpu of cgroup v1"),
        (["memory"], None, {"unified": {"memory.high": "1"}}, "unified[memory.high]", "memory of cgroup v2"),
        (["memory"], "cpu", {"unified": {"memory.high": "1"}}, "unified[memory.high]", "memory of cgroup v2"),
        ([], None, {"pids": {"limit": 1}}, "pids.limit", "pids"),
    ],
)
def test_a_limit_without_its_controller_is_refused_or_warned_of(tmp_path, v1, v2, resources, field, controller):
    host = Host(tmp_path, v1, v2)
    sentence = f"linux.resources.{field} cannot be enforced: this host has no cgroup controller {controller}"
    with pytest.raises(HostError) as caught:
        host.created(resources)
    assert caught.value.message.startswith(sentence)
    assert caught.value.field == f"linux.resources.{field}"
    assert host.files.log == []
    assert sentence in host.created(resources, missing="warn").warnings


def test_a_file_that_this_kernel_lacks_is_named(tmp_path):
    host = Host(tmp_path, without=("memory.swap.max", "cpu.idle"))
    host.created({"memory": {"limit": -1}})  # no bound of swap: the kernel has none
    with pytest.raises(
        HostError, match=r"^linux\.resources\.cpu\.idle cannot be enforced: this kernel has no cpu\.idle"
    ):
        host.created({"cpu": {"idle": 1}})
    with pytest.raises(HostError, match=r"memory\.swap cannot be enforced: this kernel has no memory\.swap\.max"):
        host.created({"memory": {"limit": 4096, "swap": 8192}})


def test_a_controller_that_a_parent_holds_back_is_missed_only_when_needed(tmp_path):
    host = Host(tmp_path)

    class Stingy(FakeCgroupfs):
        def write(self, path, text):
            if "+io" in text and path.endswith("subtree_control"):
                raise OSError(errno.EINVAL, "Invalid argument")
            super().write(path, text)

    host.files.__class__ = Stingy
    group = host.created(LIMITS)
    assert host.files.read(f"{group.directories[0]}/pids.max") == "50"
    with pytest.raises(HostError, match="cannot enable io below cgroup"):
        host.created({"blockIO": {"weight": 100}})


def test_a_user_without_rights_goes_without_groups_when_that_is_wanted(v1):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    v1.files.make = refuse
    group = v1.open()
    with pytest.raises(HostError, match=r"cannot make cgroup .*: Permission denied"):
        group.create({"pids": {"limit": 5}}, optional=True)
    with pytest.raises(HostError, match="cannot make cgroup"):
        group.create()
    assert group.create(optional=True) == []
    assert (group.record(), group.pids(), group.exists(), group.oom_events()) == ([], [], False, None)


def test_kernel_memory_is_ignored_aloud(v1):
    assert v1.created({"memory": {"kernel": 1 << 20}}).warnings == [
        "linux.resources.memory.kernel is ignored, as Linux does since 5.16"
    ]


def test_where_oom_kills_are_counted(v1):
    file = f"{v1.path}/memory/pod/c1/memory.oom_control"
    assert v1.created(None).oom_events() == {"file": file, "key": "oom_kill"}


def test_a_lacking_file_is_only_warned_of_when_that_is_wanted(tmp_path):
    host = Host(tmp_path, without=("cpu.idle",))
    group = host.created({"cpu": {"idle": 1}, "pids": {"limit": 9}}, missing="warn")
    assert group.warnings == ["linux.resources.cpu.idle cannot be enforced: this kernel has no cpu.idle"]
    assert "pod/c1/pids.max = 9" in host.files.log


def test_devices_that_a_user_may_not_restrict(v2):
    def refuse(directory, program):
        cause = PermissionError(errno.EPERM, "Operation not permitted")
        raise HostError("cannot confine it by BPF") from cause

    v2.files.attach_device_program = refuse
    with pytest.raises(HostError, match="cannot confine it by BPF"):
        v2.created(None)
    group = v2.open()
    group.create(optional=True)
    assert group.warnings == ["cannot confine it by BPF"]


def test_all_devices_need_no_program(v2):
    v2.created({"devices": [{"allow": False, "type": "c"}, {"allow": True, "access": "rwm"}]})
    assert not orders(v2, "device program")


def test_other_devices_replace_the_list(v1):
    group = v1.created({"devices": [{"allow": False}]})
    v1.files.log.clear()
    group.update({"devices": [{"allow": False}]})
    assert v1.files.log == []
    group.update({"devices": [{"allow": True}, {"allow": False, "type": "b", "major": 8, "access": "w"}]})
    assert v1.files.log == ["devices/pod/c1/devices.allow = a", "devices/pod/c1/devices.deny = b 8:* w"]


def test_a_mount_that_shows_a_part_of_the_hierarchy(tmp_path):
    host = Host(tmp_path, ("memory",), None)
    (tmp_path / "mountinfo").write_text(f"32 31 0:29 /engine {tmp_path}/memory rw - cgroup cgroup rw,memory\n")
    assert host.relative(host.open(None)) == ["memory/unit/c1"]
    (tmp_path / "mountinfo").write_text(f"32 31 0:29 /other {tmp_path}/memory rw - cgroup cgroup rw,memory\n")
    assert host.relative(host.open(None)) == ["memory/c1"]


def test_processor_limits_are_tried_in_the_other_order(v1):
    group = v1.created({"cpu": {"quota": 50_000, "period": 100_000}})
    v1.files.log.clear()
    write, refused = v1.files.write, []

    def kernel(path, text):
        if path.endswith("period_us") and not refused:
            refused.append(path)
            raise OSError(errno.EINVAL, "Invalid argument")
        write(path, text)

    v1.files.write = kernel
    group.update({"cpu": {"quota": 5_000, "period": 5_000}})
    assert v1.files.log == ["cpu,cpuacct/pod/c1/cpu.cfs_quota_us = 5000", "cpu,cpuacct/pod/c1/cpu.cfs_period_us = 5000"]


def test_an_empty_cpuset_that_someone_else_left_is_filled(v1):
    for path in ("pod", "pod/c1"):
        os.mkdir(f"{v1.path}/cpuset/{path}")
        for name in ("cpuset.cpus", "cpuset.mems", "cgroup.procs"):
            with open(f"{v1.path}/cpuset/{path}/{name}", "w"):
                pass
    v1.created(None)
    assert [v1.files.read(f"{v1.path}/cpuset/{path}/cpuset.mems") for path in ("pod", "pod/c1")] == ["0-1", "0-1"]


def test_v2_of_a_hybrid_host_enables_only_what_is_asked_for(hybrid):
    hybrid.created({"pids": {"limit": 5}})
    assert not orders(hybrid, "subtree_control")
    hybrid.open("/other").create({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]})
    assert orders(hybrid, "subtree_control") == ["cgroup.subtree_control = +hugetlb"]
