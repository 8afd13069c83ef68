# SPDX-License-Identifier: Apache-2.0
"""The form of config.json: each wrong type, range and missing member has its own sentence."""

import pytest

from ocispecs import changed, compiled, compiled_with
from podwright.errors import ManifestError
from podwright.oci.default_spec import default_spec
from podwright.oci.schema import check_process, check_resources


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("ociVersion", "1.3", "is '1.3', but must be a version of the runtime-spec such as 1.3.0"),
        ("ociVersion", "one", "is 'one', but must be a version of the runtime-spec such as 1.3.0"),
        ("ociVersion", "2.0.0", "but must be 1.x: another major version of the runtime-spec has"),
        ("ociVersion", 1, "ociVersion is 1, but must be a string"),
        ("ociVersion", "1.0.0-", "is '1.0.0-', but must be a version of the runtime-spec such as 1.3.0"),
        ("ociVersion", "01.0.0", "is '01.0.0', but must be a version of the runtime-spec such as 1.3.0"),
        ("root", None, "root is missing, and the runtime-spec requires it"),
        ("root", [], "root is [], but must be an object"),
        ("root.path", None, "root.path is missing, and the runtime-spec requires it"),
        ("root.path", 7, "root.path is 7, but must be a string"),
        ("root.readonly", "yes", "root.readonly is 'yes', but must be true or false"),
        ("hostname", 5, "hostname is 5, but must be a string"),
        ("hostname", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "is"),
        ("domainname", "a\x00b", "domainname is 'a\\x00b', but must be without NUL characters"),
        ("process", [], "process is [], but must be an object"),
        ("process.args", "sh", "process.args is 'sh', but must be a list"),
        ("process.args", [1], "process.args[0] is 1, but must be a string"),
        ("process.args", ["a\x00"], "process.args[0] is 'a\\x00', but must be without NUL characters"),
        ("process.cwd", None, "process.cwd is missing, and the runtime-spec requires it"),
        ("process.env", {"A": "b"}, "process.env is {'A': 'b'}, but must be a list"),
        ("process.user", {}, "process.user.uid is missing, and the runtime-spec requires it"),
        ("process.user.uid", -1, "process.user.uid is -1, but must be between 0 and 4294967294"),
        ("process.user.uid", 4294967295, "process.user.uid is 4294967295, but must be between 0 and 4294967294"),
        ("process.user.uid", "root", "process.user.uid is 'root', but must be a whole number"),
        ("process.user.uid", True, "process.user.uid is True, but must be a whole number"),
        ("process.user.uid", 1.0, "process.user.uid is 1.0, but must be a whole number"),
        ("process.user.umask", 512, "process.user.umask is 512, but must be between 0 and 511"),
        ("process.user.additionalGids", [-1], "is -1, but must be between 0 and 4294967294"),
        ("process.terminal", 1, "process.terminal is 1, but must be true or false"),
        (
            "process.consoleSize",
            {"height": 1},
            "process.consoleSize.width is missing, and the runtime-spec requires it",
        ),
        (
            "process.consoleSize",
            {"height": 1, "width": 65536},
            "process.consoleSize.width is 65536, but must be between 0 and 65535",
        ),
        ("process.capabilities", [], "process.capabilities is [], but must be an object"),
        ("process.rlimits", {}, "process.rlimits is {}, but must be a list"),
        (
            "process.rlimits",
            [{"type": "RLIMIT_X", "soft": 1, "hard": 1}],
            "but must be one of RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA,",
        ),
        (
            "process.rlimits",
            [{"type": "RLIMIT_CPU", "soft": 1}],
            "process.rlimits[0].hard is missing, and the runtime-spec requires it",
        ),
        (
            "process.rlimits",
            [{"type": "RLIMIT_CPU", "soft": -1, "hard": 1}],
            "is -1, but must be between 0 and 18446744073709551615",
        ),
        ("process.noNewPrivileges", "true", "process.noNewPrivileges is 'true', but must be true or false"),
        ("process.oomScoreAdj", 1001, "process.oomScoreAdj is 1001, but must be between -1000 and 1000"),
        ("process.oomScoreAdj", -1001, "process.oomScoreAdj is -1001, but must be between -1000 and 1000"),
        ("process.scheduler", {}, "process.scheduler.policy is missing, and the runtime-spec requires it"),
        ("process.scheduler", {"policy": "SCHED_FIFO"}, "is 0, but must be between 1 and 99 with SCHED_FIFO"),
        (
            "process.scheduler",
            {"policy": "SCHED_OTHER", "nice": 20},
            "process.scheduler.nice is 20, but must be between -20 and 19",
        ),
        (
            "process.ioPriority",
            {"priority": 1},
            "process.ioPriority.class is missing, and the runtime-spec requires it",
        ),
        (
            "process.ioPriority",
            {"class": "IOPRIO_CLASS_X"},
            "but must be one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE",
        ),
        (
            "process.ioPriority",
            {"class": "IOPRIO_CLASS_BE", "priority": 8},
            "process.ioPriority.priority is 8, but must be between 0 and 7",
        ),
        ("mounts", {}, "mounts is {}, but must be a list"),
        (
            "mounts",
            [{"destination": None, "type": "tmpfs"}],
            "mounts[0].destination is missing, and the runtime-spec requires it",
        ),
        (
            "mounts",
            [{"destination": "/a\x00b", "type": "tmpfs"}],
            "mounts[0].destination is '/a\\x00b', but must be without NUL characters",
        ),
        (
            "mounts",
            [{"destination": "/x", "type": "tmpfs", "options": "ro"}],
            "mounts[0].options is 'ro', but must be a list",
        ),
        ("hooks", [], "hooks is [], but must be an object"),
        ("hooks.prestart", {}, "hooks.prestart is {}, but must be a list"),
        ("hooks.prestart", [{}], "hooks.prestart[0].path is missing, and the runtime-spec requires it"),
        ("hooks.poststop", [{"path": "bin/x"}], "hooks.poststop[0].path is 'bin/x', but must be an absolute path"),
        ("hooks.createRuntime", [{"path": "/x", "timeout": 0}], "is 0, but must be between 1 and 2147483647"),
        (
            "hooks.createRuntime",
            [{"path": "/x", "env": "A=b"}],
            "hooks.createRuntime[0].env is 'A=b', but must be a list",
        ),
        ("annotations", {"": "x"}, "annotations has an entry whose name is empty; give it a name"),
        ("annotations", {"a": 1}, "annotations.a is 1, but must be a string"),
        ("linux", [], "linux is [], but must be an object"),
        ("linux.namespaces", [{"type": "net"}], "but must be one of cgroup, ipc, mount, network, pid, time, user, uts"),
        ("linux.namespaces", [{}], "linux.namespaces[0].type is missing, and the runtime-spec requires it"),
        (
            "linux.namespaces",
            [{"type": "pid", "path": "/proc/self/ns/net"}],
            "/proc/self/ns/net is a network namespace, but must be one of type pid",
        ),
        (
            "linux.timeOffsets",
            {"monotonic": {"nanosecs": 1000000000}},
            "is 1000000000, but must be between 0 and 999999999",
        ),
        (
            "linux.devices",
            [{"path": "/dev/x", "type": "x"}],
            "linux.devices[0].type is 'x', but must be one of c, b, u, p",
        ),
        (
            "linux.devices",
            [{"path": "/dev/x", "type": "b", "major": 4096, "minor": 1}],
            "linux.devices[0].major is 4096, but must be between 0 and 4095",
        ),
        (
            "linux.devices",
            [{"path": "/dev/x", "type": "p", "fileMode": 131072}],
            "linux.devices[0].fileMode is 131072, but must be between 0 and 65535",
        ),
        ("linux.cgroupsPath", 1, "linux.cgroupsPath is 1, but must be a string"),
        ("linux.resources", [], "linux.resources is [], but must be an object"),
        ("linux.resources.memory", {"limit": "1G"}, "linux.resources.memory.limit is '1G', but must be a whole number"),
        (
            "linux.resources.pids",
            {"limit": 9223372036854775808},
            "but must be between -9223372036854775808 and 9223372036854775807",
        ),
        ("linux.resources.devices", [{"access": "rwm"}], "is missing, and the runtime-spec requires it"),
        ("linux.resources.hugepageLimits", [{"limit": 1}], "is missing, and the runtime-spec requires it"),
        (
            "linux.resources.unified",
            {"memory.high": 5},
            "linux.resources.unified.memory.high is 5, but must be a string",
        ),
        ("linux.rootfsPropagation", "public", "but must be one of private, rprivate, shared, rshared, slave, rslave,"),
        (
            "linux.seccomp",
            {"defaultAction": "SCMP_ACT_ALLOW"},
            "linux.seccomp and the compiled filter must come together",
        ),
        ("linux.seccomp", {"syscalls": []}, "is missing, and the runtime-spec requires it"),
        (
            "linux.seccomp",
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["x"], "action": "A", "args": [{"index": 6, "value": 0, "op": "x"}]}],
            },
            "is 6, but must be between 0 and 5",
        ),
        ("linux.sysctl", {"net.ipv4.ip_forward": 1}, "linux.sysctl.net.ipv4.ip_forward is 1, but must be a string"),
        ("linux.maskedPaths", ["proc/kcore"], "linux.maskedPaths[0] is 'proc/kcore', but must be an absolute path"),
        ("linux.readonlyPaths", ["proc/sys"], "linux.readonlyPaths[0] is 'proc/sys', but must be an absolute path"),
        ("linux.intelRdt", {"closID": "x"}, "linux.intelRdt is not supported by this runtime; remove it"),
        ("linux.memoryPolicy", {}, "linux.memoryPolicy.mode is missing, and the runtime-spec requires it"),
        ("linux.memoryPolicy", {"mode": "MPOL_X"}, "but must be one of MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND,"),
        ("linux.personality", {"domain": "LINUX64"}, "is 'LINUX64', but must be one of LINUX, LINUX32"),
        (
            "linux.personality",
            {"domain": "LINUX32", "flags": ["X"]},
            "'X' is unknown; the runtime-spec has no flags yet",
        ),
    ],
)
def test_what_is_refused(path, value, reason):
    with pytest.raises(ManifestError) as caught:
        compiled_with(path, value)
    assert reason in caught.value.message
    assert caught.value.field in caught.value.message


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.1.0+dev", "1.3.0", "1.3.0-rc.1+build-5", "1.17.0"])
def test_versions_that_are_understood(version):
    compiled_with("ociVersion", version)


def test_unknown_members_and_other_platforms_are_ignored():
    plan = compiled(default_spec())
    spec = default_spec() | {"vm": {"kernel": 1}, "windows": 7, "solaris": [], "zos": {}, "org.example": {"x": 1}}
    for path in ("process.x", "process.user.x", "root.x", "mounts.0.x", "linux.x", "linux.namespaces.0.x"):
        spec = changed(spec, path, {"deep": [None]})
    assert compiled(spec) == plan


def test_null_is_nothing():
    spec = default_spec()
    plan = compiled(spec)
    for path in ("domainname", "hooks", "annotations", "process.apparmorProfile", "process.user.umask",
                 "process.capabilities.inheritable", "linux.sysctl", "linux.seccomp", "mounts.0.options"):  # fmt: skip
        spec = changed(spec, path, None)
    assert compiled(spec) == plan


@pytest.mark.parametrize("path", ["ociVersion", "root", "root.path", "process.cwd", "mounts.0.destination"])
def test_what_the_specification_requires(path):
    field = path.replace(".0", "[0]")
    with pytest.raises(ManifestError, match="is missing, and the runtime-spec requires it") as caught:
        compiled_with(path, None)
    assert caught.value.field == field


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ManifestError) as caught:
        compiled_with("process.cwd", "x" * 5000)
    assert len(caught.value.message) < 200
    assert caught.value.value == "x" * 5000


def test_text_that_utf8_cannot_write():
    with pytest.raises(ManifestError, match=r"process\.args\[0\].*half of a surrogate pair"):
        compiled_with("process.args", ["\ud800"])
    assert compiled_with("process.args", ["grüße\U0001f600"])["args"] == ["grüße\U0001f600"]


def test_a_process_and_resources_alone():
    check_process({"cwd": "/", "args": ["x"]})
    check_resources({"memory": {"limit": -1}, "pids": None})
    with pytest.raises(ManifestError, match=r"^process\.cwd is missing"):
        check_process({})
    with pytest.raises(ManifestError, match=r"^linux\.resources\.cpu\.idle is 2"):
        check_resources({"cpu": {"idle": 2}})
