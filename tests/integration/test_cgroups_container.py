# SPDX-License-Identifier: Apache-2.0
"""Real groups of one container: what the kernel holds, in v1 or v2 as this host has it."""

import os
import subprocess
import sys
import time

import pytest

from cgrouptools import FORK_STORM, OPEN, eventually, inside
from podwright.cgroups.cgroupfs import Cgroupfs
from podwright.cgroups.container import ContainerCgroup
from podwright.cgroups.mounts import mounted
from podwright.errors import HostError

MIB = 1 << 20


@pytest.fixture
def path():
    return f"/podwright-test-{os.getpid()}-{os.urandom(3).hex()}"


@pytest.fixture
def group(path):
    group = ContainerCgroup.open(path, "c1")
    yield group
    group.thaw()
    group.kill()
    group.remove()
    assert not group.exists()


@pytest.fixture
def v1_group(path, tmp_path):
    """Give a container that sees v1 alone, as on a host where v2 is not mounted."""
    with open("/proc/self/mountinfo") as file:
        (tmp_path / "mountinfo").write_text("".join(line for line in file if " - cgroup2 " not in line))
    if not any("freezer" in mount.controllers for mount in mounted(str(tmp_path / "mountinfo"))):
        pytest.skip("this host has no cgroup v1 freezer")
    group = ContainerCgroup.open(path, "c1", mountinfo=str(tmp_path / "mountinfo"))
    yield group
    group.kill()
    group.remove()
    assert not group.exists()


@pytest.fixture
def v2_devices_group(path, tmp_path):
    """Give a container whose devices are a BPF program, whatever else v1 has."""
    with open("/proc/self/mountinfo") as file:
        (tmp_path / "mountinfo").write_text("".join(line for line in file if not line.endswith(",devices\n")))
    if not any(mount.version == 2 for mount in mounted()):
        pytest.skip("no cgroup v2 is mounted on this host")
    group = ContainerCgroup.open(path, "c1", mountinfo=str(tmp_path / "mountinfo"))
    yield group
    group.destroy()
    assert not group.exists()


def directory(group, controller):
    for _, controllers, found, _ in group.mounts():
        if controller in controllers:
            return found
    pytest.skip(f"this host has no cgroup controller {controller}")


def read(group, controller, *names):
    """Read the first of the files that is there: v1 and v2 call them differently."""
    found = directory(group, controller)
    for name in names:
        if os.path.exists(f"{found}/{name}"):
            return Cgroupfs().read(f"{found}/{name}")
    raise AssertionError(f"none of {names} in {found}")


def test_memory_and_its_update(group):
    group.create({"memory": {"limit": 64 * MIB, "reservation": 32 * MIB}})
    assert read(group, "memory", "memory.max", "memory.limit_in_bytes") == str(64 * MIB)
    assert read(group, "memory", "memory.low", "memory.soft_limit_in_bytes") == str(32 * MIB)
    for limit in (256 * MIB, 16 * MIB):
        group.update({"memory": {"limit": limit, "swap": limit, "checkBeforeUpdate": True}})
        assert read(group, "memory", "memory.max", "memory.limit_in_bytes") == str(limit)
    group.update({"memory": {"limit": -1}})
    assert read(group, "memory", "memory.max", "memory.limit_in_bytes") in ("max", str((1 << 63) - 4096))


def test_a_limit_below_the_usage_is_refused(group):
    group.create({"memory": {"limit": 64 * MIB}})
    with inside(group.directories, sys.executable, "-S", "-c", "x = b'1' * (20 << 20); input()", stdin=subprocess.PIPE):
        eventually(lambda: group.stats()["memory"]["usage"]["usage"] > 20 * MIB)
        with pytest.raises(HostError, match=r"memory\.limit is 1048576, but the container uses \d+ bytes now"):
            group.update({"memory": {"limit": MIB, "checkBeforeUpdate": True}})


def test_cpu_with_each_order_of_quota_and_period(group):
    directory(group, "cpu")
    group.create({"cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "burst": 20_000}})
    assert read(group, "cpu", "cpu.weight", "cpu.shares") in ("59", "512")
    for quota, period in ((400_000, 200_000), (5_000, 5_000), (900_000, 1_000_000), (-1, 100_000)):
        group.update({"cpu": {"burst": 0}})
        group.update({"cpu": {"quota": quota, "period": period}})
        text = read(group, "cpu", "cpu.max", "cpu.cfs_quota_us")
        assert text in (str(quota), f"{quota if quota > 0 else 'max'} {period}")


def test_an_idle_group(group):
    directory(group, "cpu")
    group.create({"cpu": {"idle": 1}})
    assert read(group, "cpu", "cpu.idle") == "1"


def test_processors_and_memory_nodes(group):
    directory(group, "cpuset")
    group.create({"cpu": {"cpus": "0", "mems": "0"}})
    with inside(group.directories, "grep", "Cpus_allowed_list", "/proc/self/status", stdout=subprocess.PIPE) as process:
        assert process.communicate()[0].split() == [b"Cpus_allowed_list:", b"0"]
    assert group.stats()["cpuset"]["cpus"] == [0]


def test_processors_that_are_not_there(group):
    directory(group, "cpuset")
    with pytest.raises(HostError, match=r"^linux\.resources\.cpu\.cpus: cannot set cpuset\.cpus of .* to 4000"):
        group.create({"cpu": {"cpus": "4000"}})
    assert not group.exists()


def test_a_process_can_enter_a_group_without_limits(group):
    group.create()
    with inside(group.directories, "cat", "/proc/self/cgroup", stdout=subprocess.PIPE, text=True) as process:
        lines = process.communicate()[0].splitlines()
    suffix = group.directories[0].rpartition("/")[2]
    assert [line for line in lines if not line.endswith(f"/{suffix}")] == []


def test_the_limit_of_processes(group):
    group.create({"pids": {"limit": 8}})
    loop = "i=0; while [ $i -lt 40 ]; do sleep 300 & i=$((i+1)); done; wait"
    with inside(group.directories, "/bin/sh", "-c", loop, stderr=subprocess.DEVNULL):
        eventually(lambda: len(group.pids()) >= 7)
        assert len(group.pids()) <= 8
        assert group.stats()["pids"]["limit"] == 8
        group.kill()
    assert group.pids() == []


def test_a_fork_storm_dies(group):
    group.create({"pids": {"limit": 60}})
    with inside(group.directories, sys.executable, "-S", "-c", FORK_STORM):
        eventually(lambda: len(group.pids()) > 30)
        group.kill(timeout=60)
        group.remove()
    assert not group.exists()


def test_a_fork_storm_dies_in_v1(v1_group):
    v1_group.create({"pids": {"limit": 60}})
    with inside(v1_group.directories, sys.executable, "-S", "-c", FORK_STORM):
        eventually(lambda: len(v1_group.pids()) > 30)
        v1_group.kill(timeout=60)
    assert not v1_group.frozen()


def test_a_memory_hog_is_killed_and_counted(group):
    group.create({"memory": {"limit": 24 * MIB, "swap": 24 * MIB}})
    events = group.oom_events()
    with inside(group.directories, sys.executable, "-S", "-c", "x = bytearray(200 << 20)") as hog:
        assert hog.wait(timeout=60) == -9
    with open(events["file"]) as file:
        assert int(dict(line.split() for line in file)[events["key"]]) >= 1


COUNTER = "import sys, time\nwhile True:\n    sys.stdout.write('.'); sys.stdout.flush(); time.sleep(0.005)"


@pytest.mark.parametrize("which", ["group", "v1_group"])
def test_a_frozen_process_stands_still_and_dies_all_the_same(which, request, tmp_path):
    group = request.getfixturevalue(which)
    group.create()
    output = tmp_path / "output"
    with open(output, "wb") as file, inside(group.directories, sys.executable, "-S", "-c", COUNTER, stdout=file):
        eventually(lambda: output.stat().st_size > 0)
        group.freeze()
        assert group.frozen()
        size = output.stat().st_size
        time.sleep(0.1)
        assert output.stat().st_size == size
        group.thaw()
        eventually(lambda: output.stat().st_size > size)
        group.freeze()
        again = ContainerCgroup.restored(group.record())  # as a command does that finds the container frozen
        again.kill()
        again.remove()
    assert not group.exists()


def test_a_group_that_someone_else_froze_dies(group):
    """A runtime that was killed between freeze and thaw leaves this behind."""
    group.create()
    freezer = directory(group, "freezer")
    with inside(group.directories, "sleep", "300"):
        eventually(group.pids)
        Cgroupfs().write(f"{freezer}/freezer.state", "FROZEN")
        group.destroy()
    assert not group.exists()


def test_groups_that_the_container_made_go_too(group):
    group.create()
    for found in group.directories:
        os.makedirs(f"{found}/a/b")
    group.remove()
    assert not group.exists()


def test_a_group_with_a_process_is_neither_taken_nor_removed(group, path):
    group.create()
    with inside(group.directories, "sleep", "300"):
        eventually(group.pids)
        with pytest.raises(HostError, match="processes live in it"):
            ContainerCgroup.open(path, "other").create()
        with pytest.raises(HostError, match=r"it is busy, processes \[\d+\] live in it"):
            group.remove(timeout=0)
        group.kill()


def tries(group, *paths):
    """Return those of the devices that a process of the group may not open for reading."""
    refused = []
    for path in paths:
        with inside(group.directories, sys.executable, "-S", "-c", OPEN, path, stderr=subprocess.PIPE) as process:
            if b"PermissionError" in process.communicate()[1]:
                refused.append(path)
    return refused


DENY = {"allow": False, "access": "rwm"}


@pytest.mark.parametrize("which", ["group", "v2_devices_group"])
@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ([], ["disk", "/dev/kmsg"]),
        ([DENY], ["disk", "/dev/kmsg"]),
        ([DENY, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}], ["disk"]),
        ([DENY, {"allow": True, "type": "b", "access": "r"}], ["/dev/kmsg"]),
        ([{"allow": True, "access": "rwm"}], []),
        ([{"allow": True}, {"allow": False, "type": "b", "major": 240, "access": "r"}], ["disk"]),
        ([{"allow": True}, {"allow": False, "type": "c", "major": 1, "minor": 11}], ["/dev/kmsg"]),
        ([{"allow": True, "type": "a", "major": 1, "minor": 11, "access": "rw"}], ["disk"]),
    ],
)
def test_devices_by_the_last_rule_and_the_defaults_always(which, request, rules, refused, tmp_path):
    group = request.getfixturevalue(which)
    disk = str(tmp_path / "disk")
    subprocess.run(["mknod", disk, "b", "240", "0"], check=True)
    group.create({"devices": rules})
    named = [disk if path == "disk" else path for path in refused]
    assert tries(group, disk, "/dev/kmsg", "/dev/null", "/dev/zero", "/dev/urandom") == named


def test_one_device_less_than_its_kind(v2_devices_group):
    """What the list of v1 cannot say."""
    kmsg = {"type": "c", "major": 1, "minor": 11, "access": "r"}
    v2_devices_group.create({"devices": [DENY, {"allow": True, "type": "c", "major": 1}, {"allow": False, **kmsg}]})
    assert tries(v2_devices_group, "/dev/kmsg", "/dev/null") == ["/dev/kmsg"]


@pytest.mark.parametrize("which", ["group", "v2_devices_group"])
def test_other_devices_later(which, request):
    group = request.getfixturevalue(which)
    group.create({"devices": [DENY]})
    assert tries(group, "/dev/kmsg") == ["/dev/kmsg"]
    group.update({"devices": [DENY, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}]})
    assert tries(group, "/dev/kmsg", "/dev/null") == []
    group.update({"devices": [DENY]})
    assert tries(group, "/dev/kmsg", "/dev/null") == ["/dev/kmsg"]


def disks_controller(group):
    offered = {name for _, controllers, _, _ in group.mounts() for name in controllers} & {"io", "blkio"}
    return offered.pop() if offered else pytest.skip("this host has no cgroup controller io or blkio")


def test_throttled_disks(group):
    controller = disks_controller(group)
    disks = sorted(name for name in os.listdir("/sys/block") if not name.startswith(("loop", "ram", "zram")))
    if not disks:
        pytest.skip("this host has no disk to throttle")
    with open(f"/sys/block/{disks[0]}/dev") as file:
        major, minor = map(int, file.read().split(":"))
    device = {"major": major, "minor": minor}
    group.create({"blockIO": {
        "throttleReadBpsDevice": [{**device, "rate": MIB}], "throttleWriteIOPSDevice": [{**device, "rate": 100}],
    }})  # fmt: skip
    text = read(group, controller, "io.max", "blkio.throttle.read_bps_device")
    assert str(MIB) in text
    assert f"{major}:{minor}" in text


def test_a_weight_of_disks(group):
    try:
        group.create({"blockIO": {"weight": 200}})
    except HostError as error:
        assert "blockIO.weight cannot be enforced: this" in error.message
        assert not group.exists()
    else:
        text = read(group, disks_controller(group), "io.bfq.weight", "blkio.bfq.weight", "blkio.weight", "io.weight")
        assert text in ("200", "default 200", "default 1920")


def test_huge_pages(group):
    found = directory(group, "hugetlb")
    size = next(
        (name.split(".")[1] for name in os.listdir(os.path.dirname(found)) if name.startswith("hugetlb.")), None
    )
    size = size or "2MB"
    group.create({"hugepageLimits": [{"pageSize": size, "limit": 4 * MIB}]})
    assert read(group, "hugetlb", f"hugetlb.{size}.max", f"hugetlb.{size}.limit_in_bytes") == str(4 * MIB)
    assert size in group.stats()["hugetlb"]


def test_files_of_v2_by_their_names(group):
    unified = [(controllers, found) for _, controllers, found, version in group.mounts() if version == 2]
    if not unified or "memory" not in unified[0][0]:
        pytest.skip("this host has no cgroup controller memory of cgroup v2")
    group.create({"unified": {"memory.high": str(32 * MIB), "cgroup.max.depth": "3"}})
    assert read(group, "memory", "memory.high") == str(32 * MIB)
    with pytest.raises(HostError, match=r"unified\[memory\.nothing\] cannot be enforced: this kernel has no"):
        group.update({"unified": {"memory.nothing": "1"}})


def test_what_a_container_used(group):
    group.create({"memory": {"limit": 64 * MIB}, "cpu": {"quota": 20_000, "period": 100_000}})
    burn = (
        "import time\nend = time.monotonic() + 0.4\nwhile time.monotonic() < end: pass\nx = b'1' * (8 << 20); input()"
    )
    with inside(group.directories, sys.executable, "-S", "-c", burn, stdin=subprocess.PIPE):
        eventually(lambda: group.stats()["memory"]["usage"]["usage"] > 8 * MIB)
        stats = group.stats()
        assert stats["cpu"]["usage"]["total"] > 40_000_000
        assert stats["cpu"]["throttling"]["throttledPeriods"] > 0
        assert stats["memory"]["usage"]["limit"] == 64 * MIB
        assert stats["memory"]["raw"]
        assert stats["pids"]["current"] == 1


def test_memory_as_only_v1_has_it(group):
    found = directory(group, "memory")
    memory = {"swappiness": 10, "disableOOMKiller": True, "useHierarchy": True}
    if os.path.exists(f"{os.path.dirname(found)}/cgroup.controllers"):
        with pytest.raises(HostError, match="has no cgroup controller memory of cgroup v1"):
            group.create({"memory": memory})
        return
    group.create({"memory": memory})
    assert read(group, "memory", "memory.swappiness") == "10"
    assert "oom_kill_disable 1" in read(group, "memory", "memory.oom_control")


def test_a_relative_path_is_below_our_own_group(path):
    group = ContainerCgroup.open(path.lstrip("/"), "c1")
    try:
        group.create()
        with inside(group.directories, "cat", "/proc/self/cgroup", stdout=subprocess.PIPE, text=True) as process:
            lines = process.communicate()[0].splitlines()
        assert [line for line in lines if not line.endswith(path)] == []
        assert len(lines) == len(group.directories)
    finally:
        group.destroy()
    assert not group.exists()


def test_a_runtime_that_is_killed_while_it_pauses_leaves_a_container_that_can_go(group):
    """SIGKILL in the middle of freeze, at some moment of many."""
    group.create()
    script = (
        "import ast, sys; from podwright.cgroups.container import ContainerCgroup\n"
        "group = ContainerCgroup.restored(ast.literal_eval(sys.argv[1]))\n"
        "print(flush=True)\n"
        "while True: group.freeze(); group.thaw()"
    )
    with inside(group.directories, "sleep", "300"):
        for pause in (0, 0.001, 0.003):
            command = [sys.executable, "-c", script, repr(group.record())]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as runtime:
                runtime.stdout.readline()
                time.sleep(pause)
                runtime.kill()
        again = ContainerCgroup.restored(group.record())
        again.destroy()
