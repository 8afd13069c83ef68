# SPDX-License-Identifier: Apache-2.0
"""Which hierarchies serve which controller, from what is mounted."""

import pytest

from podwright.cgroups.fake import FakeCgroupfs
from podwright.cgroups.hierarchy import detect
from podwright.cgroups.mounts import parse_mountinfo
from podwright.errors import ConfigError, HostError

ROOT = "21 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


def v1(path, controllers):
    return f"32 31 0:29 / {path} rw,nosuid shared:9 - cgroup cgroup rw,{controllers}\n"


def v2(path):
    return f"41 31 0:38 / {path} rw,relatime - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def detected(tmp_path, mounts, *, offered="cpuset cpu io memory pids", **options):
    (tmp_path / "mountinfo").write_text(ROOT + mounts)
    manager = detect(mountinfo=str(tmp_path / "mountinfo"), files=FakeCgroupfs(str(tmp_path), offered), **options)
    return {
        (type(hierarchy).__name__, hierarchy.root): " ".join(sorted(hierarchy.controllers))
        for hierarchy in manager.hierarchies
    }


def test_unified(tmp_path):
    path = str(tmp_path)
    assert detected(tmp_path, v2(path)) == {("V2Hierarchy", f"{path}/podwright"): "cpu devices memory pids"}


def test_v1_with_controllers_mounted_together_uses_the_freezer(tmp_path):
    mounts = (
        v1("/c/cpu,cpuacct", "cpu,cpuacct") + v1("/c/memory", "memory") + v1("/c/freezer", "freezer")
        + v1("/c/systemd", "xattr,name=systemd")
    )  # fmt: skip
    assert detected(tmp_path, mounts) == {
        ("V1Hierarchy", "/c/cpu,cpuacct/podwright"): "cpu",
        ("V1Hierarchy", "/c/memory/podwright"): "memory",
        ("V1Hierarchy", "/c/freezer/podwright"): "freezer",
    }


def test_hybrid_gives_v2_what_v1_does_not_have(tmp_path):
    path = str(tmp_path)
    mounts = v1("/c/cpu", "cpu") + v1("/c/devices", "devices") + v1("/c/freezer", "freezer") + v2(path)
    assert detected(tmp_path, mounts, offered="memory hugetlb") == {
        ("V2Hierarchy", f"{path}/podwright"): "hugetlb memory",
        ("V1Hierarchy", "/c/cpu/podwright"): "cpu",
        ("V1Hierarchy", "/c/devices/podwright"): "devices",
    }


def test_the_first_mount_of_a_hierarchy_counts():
    found = parse_mountinfo(v1("/a", "memory") + v1("/b", "memory") + v2("/c") + v2("/d"))
    assert [(mount.path, mount.version, mount.controllers) for mount in found] == [
        ("/a", 1, {"memory"}),
        ("/c", 2, set()),
    ]


def test_what_a_mount_says_besides_its_controllers():
    line = "32 31 0:29 /docker/7 /c/my\\040name rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd\n"
    (found,) = parse_mountinfo(line)
    assert (found.path, found.root, found.controllers) == ("/c/my name", "/docker/7", {"name=systemd"})


def test_a_parent_of_several_levels(tmp_path):
    found = detected(tmp_path, v1("/c/pids", "pids"), parent="/system.slice/podwright")
    assert found == {("V1Hierarchy", "/c/pids/system.slice/podwright"): "pids"}


@pytest.mark.parametrize("parent", ["", "/", "podwright", "/a/../..", "/..", "/a//b", "/a/", "/a b", "/a\nb"])
def test_a_parent_that_could_lead_elsewhere_is_refused(tmp_path, parent):
    with pytest.raises(ConfigError, match=r"cgroups\.parent is") as caught:
        detected(tmp_path, v1("/c/pids", "pids"), parent=parent)
    assert caught.value.field == "cgroups.parent"


def test_no_cgroups_at_all(tmp_path):
    with pytest.raises(HostError, match="no cgroup file system is mounted"):
        detected(tmp_path, "")
