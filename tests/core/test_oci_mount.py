# SPDX-License-Identifier: Apache-2.0
"""Mounts: what each option becomes, and what is refused."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocispecs import UNIFIED, V1, changed, compiled, last_mount, steps_of
from podwright.errors import ManifestError
from podwright.oci.default_spec import default_spec

ATIME = 0x70
MAPPING = [{"containerID": 0, "hostID": 7, "size": 9}]


def tmpfs(*options):
    return last_mount({"destination": "/x", "type": "tmpfs", "options": list(options)})


def bind(*options, **more):
    return last_mount({"destination": "/x", "source": "/y", "options": ["bind", *options], **more})


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ({"destination": "x"}, "is 'x', but the runtime-spec wants an absolute path; write /x"),
        ({"destination": "/"}, "is '/', but must be a plain absolute path below /"),
        ({"destination": "/."}, "is '/.', but must be a plain absolute path below /"),
        ({"destination": "/a/.."}, "is '/a/..', but must be a plain absolute path below /"),
        ({"destination": "/proc"}, "is '/proc', but /proc takes only a proc file system, and nothing but"),
        (
            {"destination": "/proc/self", "type": "bind", "source": "/x"},
            "is '/proc/self', but /proc takes only a proc file system, and nothing",
        ),
        (
            {"destination": "/proc", "type": "bind", "source": "/etc"},
            "is '/proc', but /proc takes only a proc file system, and nothing but",
        ),
        ({"type": None}, "is missing; give a file system, or bind or rbind among the options"),
        ({"type": "ext4/../x"}, "mounts[0].type: 'ext4/../x' is no type of a file system"),
        ({"type": "bind"}, "mounts[0].source is missing; a bind mount needs the path that it shows"),
        (
            {"type": "bind", "source": "/x", "options": ["uid=5"]},
            "'uid=5' is for the file system, which a bind mount does not change;",
        ),
        ({"options": ["remount", "size=1k"]}, "'size=1k' is for the file system, which a remount does not change;"),
        ({"options": ["=1"]}, "'=1' is no option of a mount; name and value have 255 bytes at most"),
        ({"type": "ext4", "options": ["tmpcopyup"]}, "tmpcopyup is for mounts of type tmpfs, and this is 'ext4'"),
        ({"options": ["idmap"]}, "only a bind mount can have mappings of IDs, and this is none"),
        (
            {"type": "bind", "source": "/x", "options": ["idmap"]},
            "an ID-mapped mount needs both uidMappings and gidMappings, of the",
        ),
        (
            {"type": "bind", "source": "/x", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]},
            "an ID-mapped mount needs both uidMappings and gidMappings, of the",
        ),
        (
            {"type": "bind", "source": "/x", "options": ["idmap=uids=0-1-10"]},
            "'idmap=uids=0-1-10' is a form that only crun has, and is not",
        ),
        (
            {"type": "bind", "source": "/x", "options": ["copy-symlink"]},
            "'copy-symlink' is a form that only crun has, and is not supported",
        ),
        ({"options": ["src-nofollow"]}, "mounts[0].options: src-nofollow is for bind mounts"),
        ({"options": ["slave", "shared"]}, "a mount that is slave and shared at once is not supported; give one"),
    ],
)
def test_what_is_refused(mount, reason):
    spec = default_spec()
    spec["mounts"].insert(0, {"destination": "/x", "type": "tmpfs", **mount})
    with pytest.raises(ManifestError) as caught:
        compiled(spec)
    assert reason in caught.value.message
    assert caught.value.field.startswith("mounts[0]")


@pytest.mark.parametrize(
    "mount",
    [
        {"destination": "/" + "a" * 5000},
        {"type": "bind", "source": "a" * 5000},
        {"options": ["a" * 300]},
        {"options": ["size=" + "1" * 300]},
        {"options": [f"o{number}={'x' * 200}" for number in range(30)]},
        {"options": ["ro"] * 1025},
    ],
)
def test_what_is_too_long(mount):
    with pytest.raises(ManifestError):
        last_mount({"destination": "/x", "type": "tmpfs", **mount})


@pytest.mark.parametrize(
    ("options", "attributes", "parameters"),
    [
        (["defaults", "silent", "loud", "iversion", "noiversion", "acl", ""], 0, []),
        (["nosuid", "nodev", "noexec", "nosymfollow", "nodiratime"], 2 | 4 | 8 | 0x200000 | 0x80, []),
        (["nosuid", "suid", "nodev", "dev", "noexec", "exec", "nodiratime", "diratime", "ro", "rw"], 0, []),
        (["noatime", "strictatime"], 0x20, []),
        (["noatime", "relatime"], 0, []),
        (["sync", "dirsync", "lazytime", "mand", "size=1k"], 0, ["sync", "dirsync", "lazytime", "mand", "size=1k"]),
        (["sync", "async", "lazytime", "nolazytime", "mand", "nomand"], 0, []),
        (["size=1k,uid=5", "noexec,inode32"], 8, ["size=1k", "uid=5", "inode32"]),
        (['context="u:object_r:t:s0:c1,c2"'], 0, ["context=u:object_r:t:s0:c1,c2"]),
    ],
)
def test_options_of_a_file_system(options, attributes, parameters):
    assert tmpfs(*options) == ["mount", "tmpfs", "tmpfs", "/x", attributes, parameters, {}]


def test_other_file_systems_take_an_acl():
    mount = {"destination": "/x", "type": "ext4", "source": "/dev/sda1", "options": ["acl", "ro"]}
    assert last_mount(mount) == ["mount", "ext4", "/dev/sda1", "/x", 1, ["acl"], {}]


@pytest.mark.parametrize(
    ("options", "set_", "clear", "more"),
    [
        ([], 0, 0, {}),
        (["rbind", "ro", "nosuid"], 3, 0, {"recursive": True}),
        (["bind-nonrecursive", "rw", "exec"], 0, 1 | 8, {}),
        (["ro", "rw"], 0, 1, {}),
        (["rw", "ro"], 1, 0, {}),
        (["noatime"], 0x10, ATIME, {}),
        (["relatime", "strictatime"], 0x20, ATIME, {}),
        (["nostrictatime"], 0, ATIME, {}),
        (["sync", "async", "dirsync", "acl", "mode=755", "size=1k"], 0, 0, {}),
        (["rro", "rnoexec", "rsuid", "rnoatime"], 0, 0, {"recursiveSet": 0x19, "recursiveClear": 2 | ATIME}),
        (["rrw", "rsymfollow"], 0, 0, {"recursiveClear": 1 | 0x200000}),
        (["rshared"], 0, 0, {"propagation": 1 << 20 | 1 << 14}),
        (["shared", "slave"], 0, 0, {"propagation": 1 << 19}),
        (["private", "unbindable"], 0, 0, {"propagation": 1 << 17}),
        (["src-nofollow"], 0, 0, {"noSymlinks": True}),
    ],
)
def test_options_of_a_bind(options, set_, clear, more):
    assert bind(*options) == ["bind", "/y", "/x", set_, clear, more]


BITS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "nodiratime": 0x80, "nosymfollow": 0x200000}
UNDO = {"rw": 1, "suid": 2, "dev": 4, "exec": 8, "diratime": 0x80, "symfollow": 0x200000}
TIMES = {"noatime": 0x10, "strictatime": 0x20, "relatime": 0, "atime": 0, "norelatime": 0, "nostrictatime": 0}


@given(st.lists(st.sampled_from([*BITS, *UNDO, *TIMES])), st.sampled_from([0, 1, 15, 0x10, 0x20, 0x2000BF & ~0x30]))
def test_options_are_done_in_their_order(options, before):
    flags = before
    for option in options:
        if option in TIMES:
            flags = flags & ~ATIME | TIMES[option]
        else:
            flags = flags | BITS.get(option, 0) if option in BITS else flags & ~UNDO[option]
    _, _, _, set_, clear, more = bind(*options)
    assert before & ~clear | set_ == flags
    assert more == {}
    recursive = bind(*(f"r{option}" for option in options))[5]
    assert before & ~recursive.get("recursiveClear", 0) | recursive.get("recursiveSet", 0) == flags


def test_where_a_bind_comes_from():
    assert bind(source="here/x")[1] == "/bundle/here/x"
    assert bind(type="anything")[0] == "bind"
    assert last_mount({"destination": "/x", "type": "bind", "source": "/y"}) == ["bind", "/y", "/x", 0, 0, {}]


@pytest.mark.parametrize(("option", "recursive"), [("idmap", False), ("ridmap", True), ("ro", False)])
def test_mapped_mounts(option, recursive):
    step = bind(option, uidMappings=MAPPING, gidMappings=MAPPING)
    assert step[5]["idmap"] == {"uid": [[0, 7, 9]], "gid": [[0, 7, 9]], "recursive": recursive}


def test_a_mapped_mount_with_the_mappings_of_the_container():
    spec = default_spec(rootless=True)
    spec["mounts"].append({"destination": "/x", "source": "/y", "options": ["bind", "idmap"]})
    step = steps_of(compiled(spec), "bind")[-1]
    assert step[5]["idmap"]["uid"] == [[0, os.geteuid(), 1]]


def test_mappings_of_a_mount_that_overlap():
    with pytest.raises(ManifestError, match=r"mounts\[7\]\.uidMappings: containerID 0 is in two mappings"):
        bind("idmap", uidMappings=MAPPING * 2, gidMappings=MAPPING)


def test_a_copied_up_tmpfs():
    assert tmpfs("tmpcopyup") == ["mount", "tmpfs", "tmpfs", "/x", 0, [], {"copyup": True}]


def test_a_tmpfs_becomes_read_only_when_all_is_in_it():
    spec = changed(default_spec(), "mounts.1.options", ["ro", "nosuid"])
    steps = compiled(spec)["steps"]
    assert ["mount", "tmpfs", "tmpfs", "/dev", 2, [], {}] in steps
    kinds = [kind for kind, *_ in steps]
    late = steps.index(["attributes", "/dev", 1, 0])
    assert kinds.index("pivot_root") < late < kinds.index("mask_path")


def test_a_remount():
    spec = default_spec()
    spec["mounts"].append({"destination": "/dev/shm/", "type": "tmpfs", "options": ["remount", "ro", "dev"]})
    assert steps_of(compiled(spec), "attributes")[-1] == ["attributes", "/dev/shm", 1, 4]


@pytest.mark.parametrize("destination", ["/proc/meminfo", "/proc/sys/kernel/ns_last_pid"])
def test_files_of_lxcfs_may_stand_over_proc(destination):
    assert bind(destination=destination)[2] == destination


def test_the_hosts_proc_may_be_bound():
    assert bind("ro", destination="/proc", source="/proc")[:3] == ["bind", "/proc", "/proc"]


def test_the_destination_is_written_plainly():
    assert bind(destination="//a/./b/")[2] == "/a/b"


def cgroup_steps(hierarchies, *options, namespaces=("mount", "uts")):
    spec = changed(default_spec(), "linux.namespaces", [{"type": kind} for kind in namespaces])
    spec["mounts"] = [{"destination": "/cg", "type": "cgroup", "source": "cgroup", "options": list(options)}]
    steps = compiled(spec, hierarchies=hierarchies)["steps"]
    last = next(number for number, step in enumerate(steps) if step[0] == "device")
    return steps[1:last], steps_of({"steps": steps}, "attributes")


def test_the_unified_hierarchy_is_bound():
    steps, late = cgroup_steps(UNIFIED, "ro", "nosuid")
    assert (steps, late) == ([["bind", "/sys/fs/cgroup/c1", "/cg", 15, 0, {}]], [])


def test_the_unified_hierarchy_with_a_namespace_is_mounted():
    steps, _ = cgroup_steps(UNIFIED, "ro", "nsdelegate", "rslave", namespaces=("mount", "uts", "cgroup"))
    slave = {"propagation": 1 << 19 | 1 << 14}
    assert steps == [["mount", "cgroup2", "cgroup", "/cg", 15, ["nsdelegate"], slave]]


def test_hierarchies_of_v1_stand_side_by_side():
    steps, late = cgroup_steps(V1, "ro", "relatime")
    assert steps == [
        ["mount", "tmpfs", "cgroup", "/cg", 14, ["mode=755", "size=64k"], {}],
        ["bind", "/sys/fs/cgroup/cpu,cpuacct/c1", "/cg/cpu,cpuacct", 15, ATIME, {}],
        ["bind", "/sys/fs/cgroup/systemd/c1", "/cg/systemd", 15, ATIME, {}],
        ["symlink", "cpu,cpuacct", "/cg/cpu"],
        ["symlink", "cpu,cpuacct", "/cg/cpuacct"],
    ]
    assert late == [["attributes", "/cg", 1, 0]]
    steps, late = cgroup_steps(V1)
    assert late == []
    assert steps[1][3:5] == [14, 0]


def test_without_cgroups_there_is_an_empty_directory():
    steps, _ = cgroup_steps([])
    assert [step[0] for step in steps] == ["mount"]
    with pytest.raises(ManifestError, match="'nsdelegate' is for a hierarchy that is mounted anew"):
        cgroup_steps(V1, "nsdelegate")
