# SPDX-License-Identifier: Apache-2.0
"""Which runtime a pod runs under, and what that runtime is given."""

import pytest

from manifesttools import pod
from podwright.config import Config, ExternalRuntime
from podwright.errors import HostError, ManifestError
from podwright.manifest.normalise import normalise
from podwright.oci.spec import SECCOMP_ANNOTATION
from podwright.pods import external

SPEC = {
    "ociVersion": "1.1.0",
    "process": {"args": ["x"], "capabilities": {"bounding": ["CAP_CHOWN"]}},
    "annotations": {SECCOMP_ANNOTATION: "RuntimeDefault"},
    "linux": {
        "namespaces": [{"type": "pid"}],
        "cgroupsPath": "/p/c",
        "resources": {"devices": [{"allow": False, "access": "rwm"}], "memory": {"limit": 1}, "pids": {"limit": 9}},
    },
}


@pytest.fixture
def program(tmp_path):
    """Make a runtime that says this of itself, and return it as one of the configuration."""

    def program(version: str, features: str = "unknown command") -> ExternalRuntime:
        path = tmp_path / f"runtime{len(list(tmp_path.iterdir()))}"
        path.write_text(f"#!/bin/sh\ncase $1 in --version) echo '{version}';; *) echo '{features}';; esac\n")
        path.chmod(0o755)
        return ExternalRuntime("it", str(path), ("--debug",))

    return program


def normal(**spec):
    return normalise(pod(**spec)).pod


def test_a_pod_that_names_no_runtime_has_the_default(program):
    runtime = program("crun version 1")
    assert external.chosen(Config(), normal()) is None
    for same in ({}, {"runtimeClassName": ""}, {"runtimeClassName": "pod-containers"}):
        assert external.chosen(Config(pods_runtime="it", runtimes=(runtime,)), normal(**same)) == runtime


def test_a_pod_names_its_runtime(program):
    runtime = program("crun version 1")
    config = Config(pods_runtime="it", runtimes=(runtime,))
    assert external.chosen(config._replace(pods_runtime="podwright"), normal(runtimeClassName="it")) == runtime
    assert external.chosen(config, normal(runtimeClassName="podwright")) is None


def test_a_runtime_that_the_host_does_not_have_is_refused():
    config = Config(runtimes=(ExternalRuntime("runc", "/nowhere/runc"),))
    with pytest.raises(ManifestError) as refused:
        external.chosen(config, normal(runtimeClassName="crun"))
    assert str(refused.value) == (
        "spec.runtimeClassName is 'crun', which this host does not have: choose one of pod-containers, podwright, "
        "runc, or add a section [runtimes.crun] to its podwright.toml"
    )
    assert (refused.value.field, refused.value.value) == ("spec.runtimeClassName", "crun")
    with pytest.raises(
        HostError, match=r"runtimes\.runc\.path of the configuration is /nowhere/runc, which is no prog"
    ):
        external.chosen(config, normal(runtimeClassName="runc"))


@pytest.mark.parametrize(
    ("version", "cgroups", "options"),
    [
        ("crun version 1.8.1", "inherit", ["--debug", "--cgroup-manager=disabled"]),
        ("runc version 1.1.5", "join", ["--debug"]),
        ("youki version: 0.5.0", "join", ["--debug"]),
        ("other", "join", ["--debug"]),
    ],
)
def test_a_runtime_is_used_by_its_kind(program, version, cgroups, options):
    runtime = program(version)
    entry = external.sandbox_entry(runtime, "/run/p", ["/sys/fs/cgroup/memory/p/sandbox"])
    assert entry is not None
    hidden = entry.pop("hidden")
    assert entry == {"path": runtime.path, "root": "/run/p/runtime", "options": options, "cgroups": cgroups}
    assert "/sys/fs/cgroup/memory" not in hidden


def test_podwrights_own_needs_nothing():
    assert external.sandbox_entry(None, "/run/p", []) is None


def test_a_configuration_is_complete_and_leaves_the_limits_to_the_cgroups(program):
    spec = external.complete(SPEC, {"path": program("crun +SECCOMP").path})
    assert spec["ociVersion"] == "1.0.2"
    assert spec["linux"]["resources"] == {"devices": [{"allow": False, "access": "rwm"}]}
    rules = spec["linux"]["seccomp"]["syscalls"]
    allowed = {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    assert "chown" in allowed and "mount" not in allowed
    assert all(
        entry.keys() <= {"names", "action", "errnoRet", "args"} for entry in spec["linux"]["seccomp"]["syscalls"]
    )
    assert "seccomp" not in SPEC["linux"]


@pytest.mark.parametrize("features", ["unknown command", "{}", '{"linux": {"seccomp": {"enabled": false}}}'])
def test_a_runtime_without_seccomp_is_refused(program, features):
    runtime = {"path": program("youki version: 0", features).path}
    with pytest.raises(HostError, match="was built without seccomp"):
        external.complete(SPEC, runtime)
    assert "seccomp" not in external.complete({**SPEC, "annotations": {}}, runtime)["linux"]


def test_a_runtime_may_say_that_it_has_seccomp(program):
    runtime = {"path": program("youki version: 0", '{"linux": {"seccomp": {"enabled": true}}}').path}
    assert "seccomp" in external.complete(SPEC, runtime)["linux"]
