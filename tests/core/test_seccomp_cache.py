# SPDX-License-Identifier: Apache-2.0
"""Filters kept on disk: made once, never trusted blindly."""

import hashlib
import json
import os
import stat
import subprocess
import sys

import pytest

import podwright
from podwright.errors import HostError, ManifestError
from podwright.security import capabilities, seccomp, seccomp_cache
from podwright.security.seccomp import compile_filter
from podwright.security.seccomp_cache import oci_filter, pod_filter
from podwright.security.seccomp_docker import to_oci


@pytest.fixture
def no_compiler(monkeypatch):
    def never(*_):
        raise AssertionError("compiled again")

    return lambda: monkeypatch.setattr(seccomp, "compile_filter", never)


def test_a_filter_is_compiled_once(tmp_path, no_compiler):
    path = seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    assert os.path.dirname(path) == str(tmp_path / "seccomp")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    no_compiler()
    assert seccomp_cache.filter_file(str(tmp_path), arch="x86_64") == path


def test_it_holds_the_program(tmp_path):
    path = seccomp_cache.filter_file(str(tmp_path), arch="aarch64")
    with open(seccomp_cache.DEFAULT_PROFILE) as file:
        expected = compile_filter(to_oci(json.load(file), "aarch64", capabilities.DEFAULT), "aarch64")
    with open(path, "rb") as file:
        assert file.read() == expected


def test_whatever_goes_into_a_filter_goes_into_its_name(tmp_path, monkeypatch):
    profile = tmp_path / "profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    root = str(tmp_path)
    paths = [
        seccomp_cache.filter_file(root, arch="x86_64"),
        seccomp_cache.filter_file(root, arch="aarch64"),
        seccomp_cache.filter_file(root, arch="x86_64", caps=["CAP_SYS_ADMIN"]),
        seccomp_cache.filter_file(root, arch="x86_64", profile=str(profile)),
    ]
    monkeypatch.setattr(seccomp_cache, "COMPILER_VERSION", seccomp_cache.COMPILER_VERSION + 1)
    paths.append(seccomp_cache.filter_file(root, arch="x86_64"))
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("damage", [b"", b"1234567", bytes(16), bytes(8 * 4097)])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    path = seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    with open(path, "rb") as file:
        good = file.read()
    with open(path, "wb") as file:
        file.write(damage)
    assert seccomp_cache.filter_file(str(tmp_path), arch="x86_64") == path
    with open(path, "rb") as file:
        assert file.read() == good


def test_a_file_that_others_may_write_and_a_link_are_replaced(tmp_path):
    path = seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    os.chmod(path, 0o666)
    seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    os.rename(path, f"{path}.elsewhere")
    os.symlink(f"{path}.elsewhere", path)
    seccomp_cache.filter_file(str(tmp_path), arch="x86_64")
    assert not os.path.islink(path)


def test_what_cannot_be_read_or_parsed_is_named(tmp_path):
    with pytest.raises(HostError, match="nowhere"):
        seccomp_cache.filter_file(str(tmp_path), profile="/nowhere.json", arch="x86_64")
    profile = tmp_path / "profile.json"
    profile.write_text("{")
    with pytest.raises(ManifestError, match="not JSON"):
        seccomp_cache.filter_file(str(tmp_path), profile=str(profile), arch="x86_64")
    with pytest.raises(HostError, match="riscv64"):
        seccomp_cache.filter_file(str(tmp_path), arch="riscv64")
    assert not (tmp_path / "seccomp").exists()


def test_a_change_of_the_compiler_raises_its_version():
    """A cached filter is used as long as the version stays, so the same profile must give the same program."""
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"],
        "syscalls": [
            {"names": ["read", "write", "clone"], "action": "SCMP_ACT_ALLOW"},
            *(
                {
                    "names": ["socket", "prctl"],
                    "action": "SCMP_ACT_LOG",
                    "args": [{"index": 1, "value": 1 << 40 | 7, "valueTwo": 5, "op": f"SCMP_CMP_{name}"}],
                }
                for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
            ),
        ],
    }
    programs = b"".join(compile_filter(profile, arch) for arch in ("x86_64", "aarch64"))
    assert {seccomp_cache.COMPILER_VERSION: hashlib.sha256(programs).hexdigest()} == {
        2: "07db23491efaf7f9acd5f4bdf5641330d73226d40b34a3197bd2f0742acae5f0"
    }


# The filter of a bundle


ALLOW = {"defaultAction": "SCMP_ACT_ALLOW"}
NOTIFY = {**ALLOW, "listenerPath": "/run/agent", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}


def test_a_bundle_s_filter_is_compiled_once(tmp_path, no_compiler):
    root = str(tmp_path)
    first = oci_filter(root, NOTIFY, "x86_64")
    with open(first.path, "rb") as file:
        assert file.read() == compile_filter(NOTIFY, "x86_64")
    no_compiler()
    again = oci_filter(root, dict(reversed(NOTIFY.items())), "x86_64")
    assert (again.path, again.listener_path) == (first.path, "/run/agent")
    with pytest.raises(AssertionError, match="compiled again"):
        oci_filter(root, NOTIFY, "aarch64")
    with pytest.raises(AssertionError, match="compiled again"):
        oci_filter(root, ALLOW, "x86_64")


def test_a_wrong_profile_leaves_nothing(tmp_path):
    with pytest.raises(ManifestError, match="SCMP_ACT_MAYBE"):
        oci_filter(str(tmp_path), {"defaultAction": "SCMP_ACT_MAYBE"}, "x86_64")
    with pytest.raises(ManifestError, match="must be an object"):
        oci_filter(str(tmp_path), [], "x86_64")  # type: ignore[arg-type]
    assert not (tmp_path / "seccomp").exists()


TSYNC, LOG, SPEC_ALLOW, WAIT = (
    f"SECCOMP_FILTER_FLAG_{name}" for name in ("TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV")
)


@pytest.mark.parametrize(
    ("profile", "flags", "number"),
    [
        (ALLOW, None, 0),
        (ALLOW, [], 0),
        (ALLOW, [LOG], 2),
        (ALLOW, [SPEC_ALLOW], 4),
        (ALLOW, [TSYNC, LOG, SPEC_ALLOW, LOG], 6),
        (ALLOW, [WAIT], 0),  # without a listener the kernel refuses it
        (NOTIFY, [WAIT], 32),
        (NOTIFY, [TSYNC], 0),  # with a listener the kernel refuses it
    ],
)
def test_flags(tmp_path, profile, flags, number):
    assert oci_filter(str(tmp_path), {**profile, "flags": flags}, "x86_64").flags == number


def test_the_listener_goes_with_notify_alone(tmp_path):
    found = oci_filter(str(tmp_path), {**NOTIFY, "listenerMetadata": "m"}, "x86_64")
    assert (found.listener_path, found.listener_metadata) == ("/run/agent", "m")
    unused = oci_filter(str(tmp_path), {**ALLOW, "listenerPath": "/run/agent", "listenerMetadata": "m"}, "x86_64")
    assert (unused.listener_path, unused.listener_metadata) == ("", "")


def test_a_hit_imports_little(tmp_path):
    """Starting a container must not pay for what only the compiler needs."""
    script = (
        "import os, sys; before = set(sys.modules)\n"
        "from podwright.security.seccomp_cache import oci_filter\n"
        "oci_filter(sys.argv[1], {'defaultAction': 'SCMP_ACT_ALLOW'}, 'x86_64')\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    for _ in range(2):
        command = [sys.executable, "-S", "-c", script, str(tmp_path)]
        environment = {"PYTHONPATH": os.path.dirname(os.path.dirname(podwright.__file__))}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    allowed = {"__future__", "_json", "_sha2", "_sha256", "hashlib", "_hashlib", "_blake2", "podwright",
               "podwright.errors", "podwright.jsontext", "podwright.security", "podwright.security.capabilities",
               "podwright.security.seccomp_cache"}  # fmt: skip
    assert set(done.stdout.split()) <= allowed


# seccompProfile of Kubernetes


def test_the_profiles_of_pods(tmp_path):
    root, folder = str(tmp_path / "root"), tmp_path / "profiles"
    (folder / "audit").mkdir(parents=True)
    (folder / "audit" / "log.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_LOG", "flags": [LOG]}))
    default = pod_filter(root, None, folder=str(folder))
    assert default is not None
    assert default.path == seccomp_cache.filter_file(root)
    runtime = pod_filter(root, {"type": "RuntimeDefault"}, folder=str(folder))
    assert runtime is not None
    assert runtime.path == default.path
    assert pod_filter(root, {"type": "Unconfined"}, folder=str(folder)) is None
    local = pod_filter(root, {"type": "Localhost", "localhostProfile": "audit/log.json"}, folder=str(folder))
    assert local is not None
    assert local.flags == 2
    assert local.path != default.path


def test_a_local_profile_may_depend_on_capabilities(tmp_path):
    rule = {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_BPF"]}}
    (tmp_path / "docker.json").write_text(json.dumps({**ALLOW, "syscalls": [rule]}))
    wanted = {"type": "Localhost", "localhostProfile": "docker.json"}
    found = [
        pod_filter(str(tmp_path / "root"), wanted, folder=str(tmp_path), caps=caps)
        for caps in (["CAP_BPF"], ["CAP_CHOWN"], ["CAP_KILL"])
    ]
    paths = [each.path for each in found if each]
    assert paths[0] != paths[1] == paths[2]


@pytest.mark.parametrize(
    ("profile", "error", "text"),
    [
        ({"type": "Default"}, ManifestError, "seccompProfile.type is 'Default'"),
        ({"type": ["Localhost"]}, ManifestError, "seccompProfile.type"),
        ({"type": "Localhost"}, ManifestError, "seccompProfile.localhostProfile is None"),
        ({"type": "Localhost", "localhostProfile": ""}, ManifestError, "seccompProfile.localhostProfile"),
        ({"type": "Localhost", "localhostProfile": "/etc/x"}, ManifestError, "seccompProfile.localhostProfile"),
        ({"type": "Localhost", "localhostProfile": "a/../../x"}, ManifestError, "seccompProfile.localhostProfile"),
        ({"type": "Localhost", "localhostProfile": "missing.json"}, HostError, "missing.json: No such file"),
        ({"type": "RuntimeDefault", "localhostProfile": "x"}, ManifestError, "seccompProfile.localhostProfile"),
    ],
)
def test_a_wrong_seccomp_profile_of_a_pod(tmp_path, profile, error, text):
    with pytest.raises(error, match=text):
        pod_filter(str(tmp_path), profile, folder=str(tmp_path))
