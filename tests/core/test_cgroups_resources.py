# SPDX-License-Identifier: Apache-2.0
"""``linux.resources``: what is refused, and what files of v1 and v2 the rest becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.cgroups.devices import container_rules
from podwright.cgroups.resources import SHAPE, check
from podwright.cgroups.resources_v1 import v1_settings
from podwright.cgroups.resources_v2 import v2_settings
from podwright.errors import ManifestError

UNSET = (1 << 64) - 1


@pytest.mark.parametrize(
    ("resources", "field", "wanted"),
    [
        ([], "", "an object"),
        ({"memory": []}, "memory", "an object"),
        ({"memory": {"limit": "1"}}, "memory.limit", "an integer from -1 to 9223372036854775807"),
        ({"memory": {"limit": -2}}, "memory.limit", "an integer from -1"),
        ({"memory": {"limit": True}}, "memory.limit", "an integer"),
        ({"memory": {"limit": 1.5}}, "memory.limit", "an integer"),
        ({"memory": {"limit": 1 << 63}}, "memory.limit", "an integer"),
        ({"memory": {"disableOOMKiller": 1}}, "memory.disableOOMKiller", "true or false"),
        ({"cpu": {"shares": -1}}, "cpu.shares", "an integer from 0"),
        ({"cpu": {"cpus": 0}}, "cpu.cpus", "a string"),
        ({"cpu": {"cpus": "0-"}}, "cpu.cpus", "a list of numbers and ranges"),
        ({"cpu": {"mems": "3-1"}}, "cpu.mems", "a list of numbers and ranges"),
        ({"cpu": {"idle": 2}}, "cpu.idle", "an integer from 0 to 1"),
        ({"pids": {"limit": None, "x": 1}, "blockIO": {"weight": 1001}}, "blockIO.weight", "an integer from 0 to 1000"),
        ({"blockIO": {"weightDevice": {}}}, "blockIO.weightDevice", "a list"),
        ({"devices": [{"allow": True}, {"allow": "no"}]}, "devices[1].allow", "true or false"),
        ({"devices": [{"allow": True, "type": "p"}]}, "devices[0].type", "a, b or c"),
        ({"devices": [{"allow": True, "access": "rx"}]}, "devices[0].access", "made of the letters"),
        ({"devices": [{"allow": True, "major": -2}]}, "devices[0].major", "an integer from -1"),
        ({"hugepageLimits": [{"pageSize": "2M", "limit": 1}]}, "hugepageLimits[0].pageSize", "a size as 2MB"),
        ({"hugepageLimits": [{"pageSize": "../MB", "limit": 1}]}, "hugepageLimits[0].pageSize", "a size as 2MB"),
        ({"hugepageLimits": [{"pageSize": "02MB", "limit": 1}]}, "hugepageLimits[0].pageSize", "a size as 2MB"),
        ({"network": {"priorities": [{"name": "a b", "priority": 1}]}}, "network.priorities[0].name", "the name of an"),
        ({"rdma": {"a\nb": {}}}, "rdma", "the name of a device"),
        ({"rdma": {"mlx": {"hcaHandles": -1}}}, "rdma[mlx].hcaHandles", "an integer from 0"),
        ({"unified": {"memory.high": 1}}, "unified[memory.high]", "a string"),
        ({"unified": {"../memory.high": "1"}}, "unified[../memory.high]", "the name of a file in a group"),
        ({"unified": {"memory..high": "1"}}, "unified[memory..high]", "the name of a file in a group"),
        ({"unified": {"memory": "1"}}, "unified[memory]", "the name of a file in a group"),
    ],
)
def test_a_wrong_form_is_named(resources, field, wanted):
    with pytest.raises(ManifestError) as caught:
        check(resources)
    full = "linux.resources" + (f".{field}" if field else "")
    assert caught.value.field == full
    assert caught.value.message.startswith(f"{full} is ")
    assert f", but must be {wanted}" in caught.value.message


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        ({"devices": [{"access": "rwm"}]}, "devices[0].allow"),
        ({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}}, "blockIO.throttleReadBpsDevice[0].rate"),
        ({"hugepageLimits": [{"pageSize": "2MB"}]}, "hugepageLimits[0].limit"),
    ],
)
def test_a_field_that_must_be_there(resources, field):
    with pytest.raises(ManifestError, match=r" is missing$") as caught:
        check(resources)
    assert caught.value.field == f"linux.resources.{field}"


@pytest.mark.parametrize("name", ["cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "cgroup.freeze"])
def test_what_says_who_is_in_a_group_is_no_limit(name):
    with pytest.raises(ManifestError, match="is the runtime's own business"):
        check({"unified": {name: "1"}})


def test_null_and_unknown_fields_are_nothing():
    check({"memory": {"limit": None}, "devices": None, "cpu": None, "future": {"x": 1}, "unified": {}})


def written(settings):
    return [f"{one.file} = {one.value}" if one.file else f"{one.field}: {one.controller}" for one in settings]


DISK = {"major": 8, "minor": 16}
EVERYTHING = {
    "memory": {
        "limit": 4096, "swap": 8192, "reservation": 2048, "kernelTCP": 1024, "swappiness": 0, "disableOOMKiller": True,
        "useHierarchy": True,
    },
    "cpu": {"shares": 1024, "quota": 1000, "burst": 0, "period": 2000, "cpus": "0-1", "mems": "0", "idle": 0},
    "pids": {"limit": 3},
    "blockIO": {
        "weight": 100, "weightDevice": [{**DISK, "weight": 10}], "throttleReadBpsDevice": [{**DISK, "rate": 1}],
        "throttleWriteBpsDevice": [{**DISK, "rate": 2}], "throttleReadIOPSDevice": [{**DISK, "rate": 3}],
        "throttleWriteIOPSDevice": [{**DISK, "rate": 0}],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
    "network": {"classID": 6, "priorities": [{"name": "eth0", "priority": 7}]},
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 9}, "mlx5_2": {}},
}  # fmt: skip


def test_everything_in_v1():
    check(EVERYTHING)
    settings = v1_settings(EVERYTHING)
    assert written(settings) == [
        "memory.soft_limit_in_bytes = 2048",
        "memory.limit_in_bytes = 4096",
        "memory.memsw.limit_in_bytes = 8192",
        "memory.kmem.tcp.limit_in_bytes = 1024",
        "memory.swappiness = 0",
        "memory.oom_control = 1",
        "memory.use_hierarchy = 1",
        "cpu.shares = 1024",
        "cpu.cfs_period_us = 2000",
        "cpu.cfs_quota_us = 1000",
        "cpu.cfs_burst_us = 0",
        "cpu.idle = 0",
        "cpuset.cpus = 0-1",
        "cpuset.mems = 0",
        "pids.max = 3",
        "blkio.bfq.weight = 100",
        "blkio.bfq.weight_device = 8:16 10",
        "blkio.throttle.read_bps_device = 8:16 1",
        "blkio.throttle.write_bps_device = 8:16 2",
        "blkio.throttle.read_iops_device = 8:16 3",
        "blkio.throttle.write_iops_device = 8:16 0",
        "hugetlb.2MB.limit_in_bytes = 5",
        "hugetlb.2MB.rsvd.limit_in_bytes = 5",
        "net_cls.classid = 6",
        "net_prio.ifpriomap = eth0 7",
        "rdma.max = mlx5_1 hca_handle=3 hca_object=9",
    ]
    assert [one.instead.file for one in settings if one.instead] == ["blkio.weight", "blkio.weight_device"]


def test_everything_in_v2():
    settings = v2_settings(EVERYTHING)
    assert written(settings) == [
        "memory.swap.max = 4096",
        "memory.max = 4096",
        "memory.low = 2048",
        "linux.resources.memory.kernelTCP: memory of cgroup v1",
        "linux.resources.memory.swappiness: memory of cgroup v1",
        "linux.resources.memory.disableOOMKiller: memory of cgroup v1",
        "cpu.idle = 0",
        "cpu.weight = 100",
        "cpu.max = 1000 2000",
        "cpu.max.burst = 0",
        "cpuset.cpus = 0-1",
        "cpuset.mems = 0",
        "pids.max = 3",
        "io.bfq.weight = 100",
        "io.bfq.weight = 8:16 10",
        "io.max = 8:16 rbps=1",
        "io.max = 8:16 wbps=2",
        "io.max = 8:16 riops=3",
        "io.max = 8:16 wiops=max",
        "hugetlb.2MB.max = 5",
        "hugetlb.2MB.rsvd.max = 5",
        "linux.resources.network.classID: net_cls of cgroup v1",
        "linux.resources.network.priorities[0]: net_prio of cgroup v1",
        "rdma.max = mlx5_1 hca_handle=3 hca_object=9",
    ]
    assert [one.instead.value for one in settings if one.instead] == ["default 910", "8:16 1"]


@pytest.mark.parametrize(
    ("resources", "v1", "v2"),
    [
        ({"memory": {"limit": 0, "swap": 0, "swappiness": UNSET}}, [], []),
        (
            {"memory": {"limit": -1}},
            ["memory.limit_in_bytes = -1", "memory.memsw.limit_in_bytes = -1"],
            ["memory.swap.max = max", "memory.max = max"],
        ),
        (
            {"memory": {"limit": 9, "swap": 9}},
            ["memory.limit_in_bytes = 9", "memory.memsw.limit_in_bytes = 9"],
            ["memory.swap.max = 0", "memory.max = 9"],
        ),
        ({"memory": {"swap": -1}}, ["memory.memsw.limit_in_bytes = -1"], ["memory.swap.max = max"]),
        (
            {"memory": {"limit": -1, "swap": 7}},
            ["memory.limit_in_bytes = -1", "memory.memsw.limit_in_bytes = 7"],
            ["memory.swap.max = 7", "memory.max = max"],
        ),
        ({"cpu": {"shares": 0, "quota": 0}}, [], []),
        ({"cpu": {"quota": -1}}, ["cpu.cfs_quota_us = -1"], ["cpu.max = max 100000"]),
        ({"cpu": {"quota": 5000}}, ["cpu.cfs_quota_us = 5000"], ["cpu.max = 5000 100000"]),
        ({"cpu": {"period": 5000}}, ["cpu.cfs_period_us = 5000"], ["cpu.max = max 5000"]),
        ({"cpu": {"idle": 1, "shares": 5}}, ["cpu.idle = 1"], ["cpu.idle = 1"]),
        ({"pids": {"limit": -1}}, ["pids.max = max"], ["pids.max = max"]),
        ({"pids": {"limit": 0}}, ["pids.max = 1"], ["pids.max = 1"]),
        ({"pids": {}}, [], []),
        ({"blockIO": {"weight": 0}}, [], []),
        (
            {"unified": {"memory.high": "5"}},
            ["memory.high = "],
            ["memory.high = 5"],
        ),
    ],
)
def test_the_same_in_both(resources, v1, v2):
    assert written(v1_settings(resources)) == v1
    assert written(v2_settings(resources)) == v2


@pytest.mark.parametrize(
    ("memory", "sentence"),
    [({"swap": 5}, "means nothing to cgroup v2 without memory.limit"), ({"limit": 9, "swap": 5}, "must not be less")],
)
def test_memory_and_swap_together_in_v2(memory, sentence):
    with pytest.raises(ManifestError, match=sentence) as caught:
        v2_settings({"memory": memory})
    assert caught.value.field == "linux.resources.memory.swap"


def test_a_bound_of_swap_that_forbids_it_needs_no_swap():
    (swap, _) = v2_settings({"memory": {"limit": 9, "swap": 9}})
    assert swap.optional


JUNK = st.none() | st.booleans() | st.integers(-3, 1 << 65) | st.floats(allow_nan=False) | st.text(max_size=4)


def likely(shape):
    """Return what has this shape, and junk in some of its places."""
    if isinstance(shape, tuple):
        return st.integers(*shape) | JUNK
    if isinstance(shape, list):
        return st.lists(likely(shape[0]), max_size=2) | JUNK
    if isinstance(shape, dict) and "*" in shape:
        return st.dictionaries(
            st.sampled_from(["memory.high", "mlx", "cgroup.max.depth"]) | st.text(), likely(shape["*"])
        )
    if isinstance(shape, dict):
        return (
            st.fixed_dictionaries({}, optional={key.rstrip("!"): likely(inner) for key, inner in shape.items()}) | JUNK
        )
    texts = st.sampled_from(["0-1", "rw", "c", "2MB", "eth0", "max"]) | st.text(max_size=3)
    return (st.booleans() if shape is bool else texts) | JUNK


@given(likely(SHAPE))
def test_anything_is_refused_by_name_or_becomes_settings(resources):
    try:
        check(resources)
        v1, v2 = v1_settings(resources), v2_settings(resources)
    except ManifestError as error:
        assert error.field.startswith("linux.resources")
        return
    for setting in v1 + v2:
        assert setting.field.startswith("linux.resources.")
        assert "/" not in setting.file
        assert "\n" not in setting.value or ".unified[" in setting.field
    container_rules(resources.get("devices") or ())
