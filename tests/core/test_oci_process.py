# SPDX-License-Identifier: Apache-2.0
"""What a process may use, and who it is."""

import pytest

from ocispecs import Filter, changed, compiled, compiled_with, steps_of
from podwright.errors import ManifestError
from podwright.oci import lsm
from podwright.oci.default_spec import default_spec


@pytest.fixture(autouse=True)
def no_security_modules(monkeypatch):
    monkeypatch.setattr(lsm, "APPARMOR", "/nowhere")
    monkeypatch.setattr(lsm, "SELINUX", "/nowhere")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("process.args", [], "process.args is empty; give the program that is to run"),
        ("process.args", [""], "process.args is empty; give the program that is to run"),
        ("process.cwd", "tmp", "process.cwd is 'tmp', but must be an absolute path"),
        ("process.cwd", "", "process.cwd is '', but must be an absolute path"),
        ("process.env", ["A"], "process.env[0] is 'A', but must be NAME=value"),
        ("process.env", ["=b"], "process.env[0] is '=b', but must be NAME=value"),
        ("process.user.username", "x", "process.user.username is for Windows; on Linux give uid and gid"),
        (
            "process.capabilities.bounding",
            ["CAP_EVERYTHING"],
            "process.capabilities.bounding: there is no capability 'CAP_EVERYTHING'",
        ),
        (
            "process.capabilities.bounding",
            ["cap_chown"],
            "process.capabilities.bounding: there is no capability 'cap_chown'",
        ),
        ("process.capabilities.effective", ["CAP_CHOWN"], "CAP_CHOWN is not among the permitted ones; add it there"),
        (
            "process.rlimits",
            [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}],
            "process.rlimits[0]: the soft limit 2 is above the hard limit 1",
        ),
        (
            "process.rlimits",
            [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}],
            "process.rlimits[1]: RLIMIT_CPU is listed twice; keep one of both",
        ),
        ("process.apparmorProfile", "web", "is 'web', but this host has no AppArmor; enable it, or remove the"),
        ("process.selinuxLabel", "u:r:t", "is 'u:r:t', but this host has no SELinux; enable it, or remove the"),
    ],
)
def test_what_is_refused(path, value, reason):
    with pytest.raises(ManifestError) as caught:
        compiled_with(path, value)
    assert reason in caught.value.message
    assert caught.value.field in caught.value.message


def test_the_command():
    plan = compiled_with("process.env", ["A=", "B=c=d"])
    assert (plan["args"], plan["env"], plan["cwd"]) == (["sh"], ["A=", "B=c=d"], "/")


@pytest.mark.parametrize(
    ("terminal", "size", "expected"),
    [(False, {"height": 5, "width": 6}, None), (True, None, [0, 0]), (True, {"height": 5, "width": 6}, [5, 6])],
)
def test_the_terminal(terminal, size, expected):
    spec = changed(default_spec(), "process.terminal", terminal)
    assert compiled(changed(spec, "process.consoleSize", size))["terminal"] == expected


def test_a_container_without_a_process_can_be_created():
    plan = compiled_with("process", None)
    assert plan["args"] == []
    assert set(steps_of(plan, "capabilities")[0][1].values()) == {"0" * 16}
    assert steps_of(plan, "user") == [["user", 0, 0, []]]


def test_without_capabilities_there_are_none():
    (step,) = steps_of(compiled_with("process.capabilities", None), "capabilities")
    assert set(step[1].values()) == {"0" * 16}


def test_ambient_capabilities_that_the_kernel_would_not_raise():
    sets = {"permitted": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_CHOWN", "CAP_KILL"]}
    (step,) = steps_of(compiled_with("process.capabilities", sets), "capabilities")
    assert step[1]["ambient"] == f"{1 << 5:016x}"
    assert step[1]["bounding"] == "0" * 16


def test_the_user():
    user = {"uid": 7, "gid": 8, "additionalGids": [9, 10], "umask": 0o77}
    plan = compiled_with("process.user", user)
    assert steps_of(plan, "user") == [["user", 7, 8, [9, 10]]]
    assert steps_of(plan, "umask") == [["umask", 0o77]]
    assert steps_of(compiled_with("process.user", None), "user") == [["user", 0, 0, []]]


def test_limits():
    limits = [{"type": "RLIMIT_CORE", "soft": 0, "hard": (1 << 64) - 1}]
    assert steps_of(compiled_with("process.rlimits", limits), "rlimit") == [["rlimit", "RLIMIT_CORE", 0, -1]]


def test_profiles_and_labels_where_the_host_has_them(tmp_path, monkeypatch):
    (tmp_path / "enabled").write_text("Y\n")
    (tmp_path / "enforce").write_text("0")
    monkeypatch.setattr(lsm, "APPARMOR", str(tmp_path / "enabled"))
    monkeypatch.setattr(lsm, "SELINUX", str(tmp_path / "enforce"))
    spec = changed(default_spec(), "process.apparmorProfile", "web")
    spec = changed(spec, "process.selinuxLabel", "u:r:t")
    plan = compiled(changed(spec, "linux.mountLabel", "u:object_r:t:s0:c1,c2"))
    assert steps_of(plan, "apparmor") == [["apparmor", "web"]]
    assert steps_of(plan, "selinux") == [["selinux", "u:r:t"]]
    labelled = {step[1] for step in steps_of(plan, "mount") if "context=u:object_r:t:s0:c1,c2" in step[5]}
    assert labelled == {"tmpfs", "devpts"}


def test_apparmor_that_is_switched_off(tmp_path, monkeypatch):
    (tmp_path / "enabled").write_text("N\n")
    monkeypatch.setattr(lsm, "APPARMOR", str(tmp_path / "enabled"))
    with pytest.raises(ManifestError, match="this host has no AppArmor"):
        compiled_with("process.apparmorProfile", "web")
    assert not steps_of(compiled_with("process.apparmorProfile", "unconfined"), "apparmor")


def test_the_filter_is_the_last_step():
    plan = compiled_with("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW"}, seccomp=Filter())
    assert plan["steps"][-2:] == [
        ["no_new_privileges"],
        ["seccomp", "/filters/1.bpf", 2, "/run/agent.sock", "who"],
    ]


def test_a_personality():
    plan = compiled_with("linux.personality", {"domain": "LINUX32"})
    assert steps_of(plan, "personality") == [["personality", 8]]
