# SPDX-License-Identifier: Apache-2.0
"""Plans for one more process in a container."""

import pytest

from ocispecs import Filter, changed
from podwright.errors import ManifestError
from podwright.oci.default_spec import default_spec
from podwright.oci.exec_plan import compile_exec

PROCESS = {"args": ["id"], "cwd": "/tmp", "user": {"uid": 5, "gid": 6}}
KILL = f"{1 << 5:016x}"


def compiled(process, spec=None, **arguments):
    given = {"spec": spec or default_spec(), "pid": 12, "start_time": 34, "cgroups": ["/sys/fs/cgroup/c1"]}
    return compile_exec(process, **{**given, **arguments})


def step_of(plan, kind):
    return next((step for step in plan["steps"] if step[0] == kind), None)


def test_the_whole_plan():
    process = PROCESS | {
        "env": ["A=b"],
        "terminal": True,
        "capabilities": {"bounding": ["CAP_KILL"]},
        "noNewPrivileges": True,
        "execCPUAffinity": {"initial": "0", "final": "0-1"},
    }
    assert compiled(process, seccomp=Filter(), keyring=False) == {
        "version": 2,
        "pid": 12,
        "startTime": 34,
        "args": ["id"],
        "env": ["A=b"],
        "cwd": "/tmp",
        "terminal": [0, 0],
        "cgroups": ["/sys/fs/cgroup/c1"],
        "keyring": False,
        "affinity": ["0", "0-1"],
        "steps": [
            ["rlimit", "RLIMIT_NOFILE", 1024, 1024],
            ["umask", 0o022],
            ["capabilities", {"bounding": KILL, **dict.fromkeys(
                ("effective", "permitted", "inheritable", "ambient"), "0" * 16)}],
            ["user", 5, 6, []],
            ["no_new_privileges"],
            ["seccomp", "/filters/1.bpf", 2, "/run/agent.sock", "who"],
        ],
    }  # fmt: skip


def test_what_comes_from_the_container():
    spec = default_spec()
    spec["process"] |= {
        "rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}],
        "scheduler": {"policy": "SCHED_IDLE"},
        "ioPriority": {"class": "IOPRIO_CLASS_IDLE"},
        "execCPUAffinity": {"final": "1"},
        "oomScoreAdj": 100,
    }
    spec["linux"]["personality"] = {"domain": "LINUX32"}
    plan = compiled(PROCESS, spec)
    assert [step[0] for step in plan["steps"]] == [
        "rlimit", "oom_score_adj", "scheduler", "io_priority", "personality", "umask", "capabilities", "user",
    ]  # fmt: skip
    assert plan["affinity"] == ["", "1"]
    assert step_of(plan, "capabilities")[1]["effective"] != "0" * 16
    own = compiled(PROCESS | {"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]}, spec)
    assert step_of(own, "rlimit") == ["rlimit", "RLIMIT_CORE", 0, 0]


def test_inheritable_capabilities_are_only_those_that_are_given():
    """CVE-2022-29162."""
    sets = {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}
    for process in (PROCESS, PROCESS | {"capabilities": sets}):
        assert step_of(compiled(process), "capabilities")[1]["inheritable"] == "0" * 16
    assert set(step_of(compiled(PROCESS | {"capabilities": {}}), "capabilities")[1].values()) == {"0" * 16}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"args": []}, "process.args"),
        ({"cwd": "x"}, "process.cwd"),
        ({"user": {"uid": 5}}, "process.user.gid"),
        ({"user": {"uid": 5, "gid": 5, "username": "x"}}, "process.user.username"),
        ({"capabilities": {"bounding": ["CAP_X"]}}, "process.capabilities.bounding"),
        ({"execCPUAffinity": {"initial": "-"}}, "process.execCPUAffinity.initial"),
        ({"scheduler": {"policy": "X"}}, "process.scheduler.policy"),
    ],
)
def test_what_is_refused(change, field):
    with pytest.raises(ManifestError) as caught:
        compiled(PROCESS | change)
    assert caught.value.field == field


def test_the_user_must_be_mapped():
    spec = changed(default_spec(rootless=True), "process.user", None)
    with pytest.raises(ManifestError, match=r"uid 5 is not in linux\.uidMappings"):
        compiled(PROCESS, spec)
