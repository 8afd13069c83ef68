# SPDX-License-Identifier: Apache-2.0
"""The features document says what the compiler takes."""

import pytest

from ocispecs import compiled_with, last_mount
from podwright.oci.features import features
from podwright.oci.scheduling import memory_policy_step
from podwright.security import capabilities

FEATURES = features()
SPECIFIED = """
async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec noiversion
nolazytime norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec
rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw
rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync
tmpcopyup unbindable idmap ridmap mand nomand acl noacl
"""


def test_all_options_of_the_specification_are_known():
    assert set(SPECIFIED.split()) <= set(FEATURES["mountOptions"])
    assert FEATURES["mountOptions"] == sorted(FEATURES["mountOptions"])


@pytest.mark.parametrize("option", FEATURES["mountOptions"])
def test_a_known_option_is_no_parameter_of_the_file_system(option):
    mount = {"destination": "/x", "type": "bind", "source": "/y", "options": [option]}
    mappings = [{"containerID": 0, "hostID": 0, "size": 1}]
    if option == "tmpcopyup":
        mount = {"destination": "/x", "type": "tmpfs", "options": [option]}
    elif "idmap" in option:
        mount |= {"uidMappings": mappings, "gidMappings": mappings}
    assert last_mount(mount)


def test_hooks_and_namespaces_are_taken():
    plan = compiled_with("hooks", {name: [{"path": "/x"}] for name in FEATURES["hooks"]})
    assert plan["state"]
    namespaces = [{"type": name} for name in FEATURES["linux"]["namespaces"] if name != "user"]
    assert len(compiled_with("linux.namespaces", namespaces)["namespaces"]) == 7


def test_memory_policies_are_taken():
    policies = FEATURES["linux"]["memoryPolicy"]
    for mode in policies["modes"]:
        memory_policy_step({"mode": mode, "nodes": "" if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") else "0"})
    for flag in policies["flags"]:
        memory_policy_step({"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]})


def test_the_rest():
    linux = FEATURES["linux"]
    assert linux["capabilities"] == list(capabilities.NAMES)
    assert linux["cgroup"]["systemd"] is True
    assert linux["intelRdt"] == {"enabled": False}
    assert "SCMP_ACT_NOTIFY" in linux["seccomp"]["actions"]
    assert "SCMP_CMP_MASKED_EQ" in linux["seccomp"]["operators"]
    assert "SCMP_ARCH_X86_64" in linux["seccomp"]["archs"]
    assert (FEATURES["ociVersionMin"], FEATURES["ociVersionMax"]) == ("1.0.0", "1.3.0")
