# SPDX-License-Identifier: Apache-2.0
"""Namespaces, mappings, clocks and interfaces."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocispecs import changed, compiled, compiled_with, steps_of
from podwright.errors import ManifestError
from podwright.oci.default_spec import default_spec
from podwright.oci.namespaces import Namespaces, check_mappings, is_mapped

WHOLE = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def with_user_namespace(uids=WHOLE, gids=WHOLE):
    spec = default_spec(rootless=True)
    return changed(changed(spec, "linux.uidMappings", uids), "linux.gidMappings", gids)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (
            "linux.namespaces",
            [{"type": "pid"}, {"type": "mount"}, {"type": "pid"}],
            "linux.namespaces[2]: a second pid namespace; name each type once",
        ),
        (
            "linux.namespaces",
            [{"type": "pid", "path": "x"}],
            "linux.namespaces[0].path is 'x', but must be an absolute path",
        ),
        ("linux.namespaces", [{"type": "pid", "path": "/nowhere"}], "cannot open /nowhere: No such file or directory"),
        (
            "linux.namespaces",
            [{"type": "pid", "path": "/dev/null"}],
            "linux.namespaces[0].path: /dev/null is no namespace",
        ),
        ("linux.namespaces", [{"type": "mount"}], "needs a uts namespace of the container's own: add one to"),
        ("linux.namespaces", [{"type": "uts"}], "needs a mount namespace of the container's own: add one to"),
        (
            "linux.uidMappings",
            [{"containerID": 0, "hostID": 0, "size": 1}],
            "linux.uidMappings needs a user namespace: add one to linux.namespaces",
        ),
        ("linux.timeOffsets", {"monotonic": {"secs": 1}}, "needs a new time namespace: add one to linux.namespaces"),
        ("linux.netDevices", {"eth/0": {}}, "'eth/0' is no name of a network interface (at most 15 bytes, without"),
        (
            "linux.netDevices",
            {"a": {"name": "x"}, "b": {"name": "x"}},
            "b: another interface is to be called 'x' in the container too",
        ),
        (
            "linux.netDevices",
            {"a": {"name": "xxxxxxxxxxxxxxxx"}},
            "'xxxxxxxxxxxxxxxx' is no name of a network interface (at most 15",
        ),
    ],
)
def test_what_is_refused(path, value, reason):
    with pytest.raises(ManifestError) as caught:
        compiled_with(path, value)
    assert reason in caught.value.message
    assert caught.value.field in caught.value.message


def test_the_plan_lists_them():
    namespaces = [{"type": "uts"}, {"type": "mount", "path": ""}, {"type": "network", "path": "/proc/self/ns/net"}]
    plan = compiled_with("linux.namespaces", namespaces)
    assert plan["namespaces"] == [["uts", ""], ["mount", ""], ["network", "/proc/self/ns/net"]]


def test_a_fifo_is_no_namespace(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ManifestError, match="is no namespace"):
        compiled_with("linux.namespaces", [{"type": "pid", "path": str(tmp_path / "fifo")}])


def test_mappings():
    two = [*WHOLE, {"containerID": 65536, "hostID": 5, "size": 1}]
    plan = compiled(with_user_namespace(uids=two))
    assert plan["uidMappings"] == [[0, 100000, 65536], [65536, 5, 1]]
    assert plan["gidMappings"] == [[0, 100000, 65536]]


def test_a_user_namespace_that_is_joined_has_mappings_of_its_own(monkeypatch):
    monkeypatch.setattr(Namespaces, "own", lambda self, kind: True)  # as if this path were another one
    spec = with_user_namespace()
    joined = {"type": "user", "path": "/proc/self/ns/user"}
    spec["linux"]["namespaces"] = [joined, {"type": "mount"}, {"type": "uts"}]
    plan = compiled(spec)
    assert plan["namespaces"][0] == ["user", "/proc/self/ns/user"]
    assert (plan["uidMappings"], plan["gidMappings"]) == ([], [])


def test_a_user_namespace_that_the_caller_is_in_already():
    spec = default_spec()
    spec["linux"]["namespaces"].append({"type": "user", "path": "/proc/self/ns/user"})
    assert ["user", "/proc/self/ns/user"] not in compiled(spec)["namespaces"]


def test_the_root_is_not_changed_in_the_hosts_own_mount_namespace():
    spec = changed(
        default_spec(), "linux.namespaces", [{"type": "uts"}, {"type": "mount", "path": "/proc/self/ns/mnt"}]
    )
    spec["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    spec["root"]["readonly"] = False
    assert steps_of(compiled(spec), "chroot")
    with pytest.raises(ManifestError, match=r"root\.readonly needs a mount namespace"):
        compiled(changed(spec, "root.readonly", True))
    with pytest.raises(ManifestError, match=r"linux\.maskedPaths needs a mount namespace"):
        compiled(changed(spec, "linux.maskedPaths", ["/x"]))


@pytest.mark.parametrize(
    ("mappings", "reason"),
    [
        ([], "linux.uidMappings is missing, and a new user namespace needs it"),
        ([{"containerID": 1, "hostID": 1, "size": 1}], "does not map ID 0"),
        ([{"containerID": 0, "hostID": 1}], "size is missing"),
        ([{"containerID": 0, "hostID": 1, "size": 0}], "size is 0, but must be between 1 and 4294967295"),
        ([{"containerID": 0, "hostID": 1, "size": 4294967295}], "go beyond the last one"),
        ([{"containerID": 0, "hostID": 4294967294, "size": 2}], "go beyond the last one"),
        ([*WHOLE, {"containerID": 65535, "hostID": 1, "size": 1}], "containerID 65535 is in two mappings"),
        ([*WHOLE, {"containerID": 65536, "hostID": 100001, "size": 1}], "hostID 100001 is in two mappings"),
        ([{"containerID": n, "hostID": n, "size": 1} for n in range(341)], "has 341 entries, but may have 340 at most"),
    ],
)
def test_mappings_that_are_refused(mappings, reason):
    with pytest.raises(ManifestError) as caught:
        compiled(with_user_namespace(uids=mappings))
    assert reason in caught.value.message


small = st.integers(0, 12)
mappings = st.lists(
    st.fixed_dictionaries({"containerID": small, "hostID": small, "size": st.integers(1, 4)}), max_size=4
)


@given(mappings)
def test_each_id_is_mapped_once(entries):
    ids = {
        side: [entry[side] + step for entry in entries for step in range(entry["size"])]
        for side in ("containerID", "hostID")
    }
    if any(len(set(numbers)) != len(numbers) for numbers in ids.values()):
        with pytest.raises(ManifestError, match="is in two mappings"):
            check_mappings(entries, "x")
        return
    found = check_mappings(entries, "x")
    assert [number for number in range(20) if is_mapped(number, found)] == sorted(ids["containerID"])


def test_a_whole_host_can_be_mapped():
    whole = [{"containerID": 0, "hostID": 0, "size": 4294967295}]
    assert compiled(with_user_namespace(whole, whole))["uidMappings"] == [[0, 0, 4294967295]]


@pytest.mark.parametrize("user", [{"uid": 65536, "gid": 0}, {"uid": 0, "gid": 0, "additionalGids": [65536]}])
def test_the_user_must_be_mapped(user):
    with pytest.raises(ManifestError, match=r"process\.user: .id 65536 is not in linux\..idMappings"):
        compiled(changed(with_user_namespace(), "process.user", user))


def test_clocks():
    spec = default_spec()
    spec["linux"]["namespaces"].append({"type": "time"})
    plan = compiled(changed(spec, "linux.timeOffsets", {"monotonic": {"secs": -5, "nanosecs": 7}, "boottime": {}}))
    assert plan["timeOffsets"] == [["monotonic", -5, 7], ["boottime", 0, 0]]
    with pytest.raises(ManifestError, match="only the clocks monotonic and boottime"):
        compiled(changed(spec, "linux.timeOffsets", {"realtime": {"secs": 1}}))


def test_interfaces():
    plan = compiled_with("linux.netDevices", {"eth1": {"name": "inside"}, "eth2": {}})
    assert plan["netDevices"] == [["eth1", "inside"], ["eth2", "eth2"]]
    spec = changed(default_spec(rootless=True), "linux.netDevices", {"eth1": {}})
    with pytest.raises(ManifestError, match=r"linux\.netDevices needs a network namespace"):
        compiled(spec)


@pytest.mark.parametrize(
    ("kind", "no_pivot", "step"),
    [("mount", False, "pivot_root"), ("mount", True, "move_root"), ("uts", False, "chroot"), ("uts", True, "chroot")],
)
def test_how_the_root_is_changed(kind, no_pivot, step):
    spec = changed(default_spec(), "linux.namespaces", [{"type": "uts"}] if kind == "uts" else
                   [{"type": "uts"}, {"type": kind}])  # fmt: skip
    spec["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    spec["root"]["readonly"] = False
    plan = compiled(spec, no_pivot=no_pivot)
    assert [name for name, *_ in plan["steps"] if name in ("pivot_root", "move_root", "chroot")] == [step]


def test_a_container_in_all_namespaces_of_the_host():
    spec = default_spec()
    del spec["linux"], spec["hostname"], spec["root"]["readonly"]
    plan = compiled(spec)
    assert plan["namespaces"] == []
    assert steps_of(plan, "chroot")


@pytest.mark.parametrize(("word", "at_first", "at_last"), [
    ("private", 1 << 18, 1 << 18),
    ("rslave", 1 << 19 | 1 << 14, 1 << 19 | 1 << 14),
    ("shared", 1 << 20, 1 << 20),
    ("runbindable", 1 << 18 | 1 << 14, 1 << 17 | 1 << 14),
])  # fmt: skip
def test_propagation_of_the_root(word, at_first, at_last):
    plan = compiled_with("linux.rootfsPropagation", word)
    assert plan["steps"][:2] == [["propagation", at_first], ["rootfs", "/bundle/rootfs"]]
    kinds = [kind for kind, *_ in plan["steps"]]
    assert plan["steps"][kinds.index("root_readonly") - 1] == ["root_propagation", at_last]
