# SPDX-License-Identifier: Apache-2.0
"""Plans: every field of a configuration is in the plan, or refused."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from podwright.cgroups.limits import Limits
from podwright.errors import ManifestError
from podwright.manifest.expand import expand
from podwright.oci.plan import compile_plan
from podwright.oci.spec import SECCOMP_ANNOTATION, Cgroup, Sandbox, container_spec
from podwright.oci.users import User

PRIVATE = 1 << 18 | 1 << 14  # MS_PRIVATE | MS_REC
PATH = "/podwright/pod1234/container-app"
CGROUPS = [f"/sys/fs/cgroup/{name}{PATH}" for name in ("memory", "cpu")]
FILTER = "/var/lib/podwright/seccomp/00.bpf"
LIMITS = Limits(cpu_quota_us=50_000, cpu_shares=512, memory_max=64 << 20, pids_max=9, container=True)


@pytest.fixture
def spec() -> dict[str, Any]:
    return container_spec(
        {"metadata": {"name": "web", "namespace": "shop"}, "spec": {}},
        {"name": "app", "image": "example/app:1", "command": ["/bin/app", "-x"]},
        {"Env": ["A=b"]},
        sandbox=Sandbox("1234", "web", "/pods/1234"),
        cgroup=Cgroup(PATH, CGROUPS, LIMITS),
        user=User(101, 102, (102, 4), "/var/www"),
        oom_score_adj=-5,
        declared={},
        expand=expand,
    )


def compiled(spec: dict[str, Any], **change: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "name": "app",
        "spec_hash": "abc",
        "stop_signal": 3,
        "lower": ["/layers/b", "/layers/a"],
        "cgroups": CGROUPS,
        "oom_events": {"file": f"{CGROUPS[0]}/memory.oom_control", "key": "oom_kill"},
        "seccomp": FILTER,
    }
    return compile_plan(spec, **{**arguments, **change})


def steps_of(plan: dict[str, Any], kind: str) -> list[list[Any]]:
    return [step for step in plan["steps"] if step[0] == kind]


def test_the_whole_plan(spec):
    plan = compiled(spec)
    steps = plan.pop("steps")
    assert plan == {
        "version": 2,
        "name": "app",
        "hash": "abc",
        "args": ["/bin/app", "-x"],
        "env": spec["process"]["env"],
        "cwd": "/",
        "stopSignal": 3,
        "cgroups": CGROUPS,
        "oomEvents": {"file": f"{CGROUPS[0]}/memory.oom_control", "key": "oom_kill"},
        "lower": ["/layers/b", "/layers/a"],
        "namespaces": [["pid", ""], ["mount", ""], ["cgroup", ""]],
        "uidMappings": [],
        "gidMappings": [],
        "timeOffsets": [],
        "netDevices": [],
        "subPaths": [],
        "terminal": None,
        "hooks": {"prestart": [], "createRuntime": [], "createContainer": [], "startContainer": []},
        "state": "",
        "keyring": False,
    }
    default = "00000000a80425fb"
    assert steps == [
        ["overlay"],
        ["mount", "proc", "proc", "/proc", 14, [], {}],
        ["mount", "tmpfs", "tmpfs", "/dev", 2 | 0x20, ["mode=755", "size=65536k"], {}],
        ["mount", "devpts", "devpts", "/dev/pts", 10, ["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"], {}],
        ["mount", "mqueue", "mqueue", "/dev/mqueue", 14, [], {}],
        ["mount", "sysfs", "sysfs", "/sys", 15, [], {}],
        ["mount", "tmpfs", "tmpfs", "/sys/fs/cgroup", 14, ["mode=755", "size=64k"], {}],
        ["bind", CGROUPS[0], "/sys/fs/cgroup/memory", 15, 0, {"propagation": PRIVATE}],
        ["bind", CGROUPS[1], "/sys/fs/cgroup/cpu", 15, 0, {"propagation": PRIVATE}],
        ["bind", "/pods/1234/shm", "/dev/shm", 14, 0, {"propagation": PRIVATE}],
        ["bind", "/pods/1234/etc/hosts", "/etc/hosts", 14, 0, {"propagation": PRIVATE}],
        ["bind", "/pods/1234/etc/hostname", "/etc/hostname", 14, 0, {"propagation": PRIVATE}],
        ["bind", "/pods/1234/etc/resolv.conf", "/etc/resolv.conf", 14, 0, {"propagation": PRIVATE}],
        ["device", "c", "/dev/null", 1, 3, 0o666, 0, 0],
        ["device", "c", "/dev/zero", 1, 5, 0o666, 0, 0],
        ["device", "c", "/dev/full", 1, 7, 0o666, 0, 0],
        ["device", "c", "/dev/random", 1, 8, 0o666, 0, 0],
        ["device", "c", "/dev/urandom", 1, 9, 0o666, 0, 0],
        ["device", "c", "/dev/tty", 5, 0, 0o666, 0, 0],
        ["symlink", "pts/ptmx", "/dev/ptmx"],
        ["symlink", "/proc/self/fd", "/dev/fd"],
        ["symlink", "/proc/self/fd/0", "/dev/stdin"],
        ["symlink", "/proc/self/fd/1", "/dev/stdout"],
        ["symlink", "/proc/self/fd/2", "/dev/stderr"],
        ["pivot_root"],
        *(["readonly_path", path] for path in spec["linux"]["readonlyPaths"]),
        *(["mask_path", path] for path in spec["linux"]["maskedPaths"]),
        ["oom_score_adj", -5],
        ["umask", 0o022],
        [
            "capabilities",
            {
                "bounding": default,
                "effective": default,
                "permitted": default,
                "inheritable": "0" * 16,
                "ambient": "0" * 16,
            },
        ],
        ["user", 101, 102, [102, 4]],
        ["no_new_privileges"],
        ["seccomp", FILTER, 0, "", ""],
    ]
    assert json.loads(json.dumps(steps)) == steps


# Carried out elsewhere: the numbers by podwright.cgroups, on the directories that the plan names; the rest says
# whose container it is.
NOT_IN_THE_PLAN = ("/annotations/", "/linux/resources/cpu/", "/linux/resources/memory/",
                   "/linux/resources/pids/")  # fmt: skip


def leaves(value: Any, path: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if not items:
        yield path
        return
    for key, item in items:
        yield from leaves(item, f"{path}/{key}")


def changed(spec: dict[str, Any], path: str, *, remove: bool) -> dict[str, Any]:
    """Return the configuration with one leaf removed, or changed to another value of its type."""
    result = copy.deepcopy(spec)
    parent: Any = result
    *way, last = path.split("/")[1:]
    for key in way:
        parent = parent[int(key)] if isinstance(parent, list) else parent[key]
    key = int(last) if isinstance(parent, list) else last
    value = parent[key]
    if remove:
        del parent[key]
    elif isinstance(value, bool):
        parent[key] = not value
    elif isinstance(value, int):
        parent[key] = value + 1
    elif isinstance(value, str):
        parent[key] = f"2{value}"
    else:
        parent[key] = ["CAP_SYS_ADMIN"]
    return result


@pytest.mark.parametrize("remove", [False, True], ids=["changed", "removed"])
def test_no_field_is_dropped(spec, remove):
    """Change or remove any one leaf of a configuration: the plan changes, or the change is refused."""
    before = compiled(spec)
    ignored = []
    for path in leaves(spec):
        if path.startswith(NOT_IN_THE_PLAN) or path == "/linux/resources/devices/0/allow":  # the cgroup's, too
            continue
        try:
            after = compiled(changed(spec, path, remove=remove))
        except ManifestError:
            continue
        if after == before:
            ignored.append(path)
    assert {path for path in ignored if not says_the_default(spec, path, remove)} == set()


def says_the_default(spec: dict[str, Any], path: str, remove: bool) -> bool:
    """Tell whether a leaf means the same as nothing there, or says again what another says."""
    if path.startswith("/mounts/"):
        mount = spec["mounts"][int(path.split("/")[2])]
        is_bind = mount["type"] == "bind"
        said_by_option = is_bind and path.endswith("/type")  # which is then no more than a word (config.md, "Mounts")
        said_by_type = remove and is_bind and value_at(spec, path) == "bind"
        is_name = remove and mount["source"] == mount["type"] and path.endswith("/source")
        return said_by_option or said_by_type or is_name
    return remove and path in ("/root/readonly", "/process/capabilities/inheritable", "/process/capabilities/ambient",
                               "/linux/cgroupsPath")  # fmt: skip


def value_at(spec: Any, path: str) -> str:
    for key in path.split("/")[1:]:
        spec = spec[int(key)] if isinstance(spec, list) else spec[key]
    return str(spec)


NOT_FOR_PODS: list[tuple[tuple[str, ...], Any, str]] = [
    (("hooks",), {"poststop": [{"path": "/x"}]}, "hooks"),
    (("process",), None, "process"),
    (("root", "path"), "/elsewhere", "root.path"),
    (("linux", "namespaces"), [{"type": "pid"}, {"type": "mount"}], "linux.namespaces"),
    (("linux", "rootfsPropagation"), "shared", "linux.rootfsPropagation"),
    (("linux", "cgroupsPath"), "/elsewhere", "linux.cgroupsPath"),
    (("linux", "resources", "blockIO"), {"weight": 10}, "linux.resources.blockIO"),
    (("linux", "resources", "unified"), {"memory.high": "1"}, "linux.resources.unified"),
    (("linux", "resources", "devices"), [{"allow": True, "access": "r"}], "linux.resources.devices"),
    (("annotations",), {}, "linux.seccomp"),
]


@pytest.mark.parametrize(("path", "value", "field"), NOT_FOR_PODS, ids=[field for _, _, field in NOT_FOR_PODS])
def test_what_a_pod_does_not_have_is_refused_by_name(spec, path, value, field):
    parent = spec
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(ManifestError) as caught:
        compiled(spec)
    assert caught.value.field == field
    assert field in caught.value.message


def test_what_asks_for_nothing_is_no_error(spec):
    plan = compiled(spec)
    spec["process"] |= {"terminal": False, "rlimits": [], "apparmorProfile": ""}
    spec["linux"] |= {"sysctl": {}, "uidMappings": None, "rootfsPropagation": ""}
    spec["hooks"] = {}
    assert compiled(spec) == plan


def test_the_rest_of_what_a_plan_can_express(spec):
    spec["root"]["readonly"] = True
    spec["process"]["user"]["umask"] = 0o077
    spec["process"]["noNewPrivileges"] = False
    spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}]
    spec["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "5"}
    spec["linux"]["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600}]
    plan = compiled(spec)
    assert steps_of(plan, "root_readonly") == [["root_readonly"]]
    assert steps_of(plan, "umask") == [["umask", 0o077]]
    assert steps_of(plan, "no_new_privileges") == []
    assert steps_of(plan, "rlimit") == [["rlimit", "RLIMIT_NOFILE", 10, 20]]
    assert steps_of(plan, "sysctl") == [["sysctl", "net/ipv4/ip_forward", "1"], ["sysctl", "kernel/shmmax", "5"]]
    assert steps_of(plan, "device")[-1] == ["device", "c", "/dev/fuse", 10, 229, 0o600, 0, 0]


def test_a_configuration_without_a_filter(spec):
    del spec["annotations"][SECCOMP_ANNOTATION]
    plan = compiled(spec, seccomp=None, oom_events=None)
    assert steps_of(plan, "seccomp") == []
    assert plan["oomEvents"] is None
    with pytest.raises(ManifestError, match="must come together"):
        compiled(spec)


def test_a_filter_that_is_asked_for_is_never_forgotten(spec):
    with pytest.raises(ManifestError, match="must come together"):
        compiled(spec, seccomp=None)
    del spec["annotations"][SECCOMP_ANNOTATION]
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    assert steps_of(compiled(spec), "seccomp") == [["seccomp", FILTER, 0, "", ""]]


def test_limits_need_a_cgroup(spec):
    with pytest.raises(ManifestError, match=r"linux\.resources needs a cgroup"):
        compiled(spec, cgroups=[])


def test_an_unknown_capability_is_named(spec):
    spec["process"]["capabilities"]["bounding"] = ["CAP_EVERYTHING"]
    with pytest.raises(
        ManifestError, match=r"process\.capabilities\.bounding: there is no capability 'CAP_EVERYTHING'"
    ):
        compiled(spec)
