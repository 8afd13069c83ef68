# SPDX-License-Identifier: Apache-2.0
"""Rights and volumes of a container are the same under podinit, crun and runc."""

import json
import shutil
from pathlib import Path

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, eventually

RUNTIMES = ["podwright", *(name for name in ("crun", "runc") if shutil.which(name))]
LOG = "grep -E '^(Uid|Gid|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; "


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """An installation that has the runtimes of this machine."""
    installation = Host(**{f"runtimes.{name}.path": shutil.which(name) for name in RUNTIMES[1:]})
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(layout)
    installation.run("import", layout, IMAGE)
    yield installation
    installation.close()


def said(host, runtime, script, **fields):
    """Return what a container says that runs a script under a runtime, then removes it."""
    container = {
        "kind": "Container",
        "name": "web",
        "image": IMAGE,
        "command": ["/bin/sh", "-c", f"exec 2>&1; {script}; echo the end; exec sleep 100000"],
        "terminationGracePeriodSeconds": 0,
        "runtimeClassName": runtime,
        **fields,
    }
    host.runtime.apply(container, wait=True)
    try:
        eventually(lambda: "the end" in host.runtime.logs("web", kind="Container"), "the end of the script", 15)
        return host.runtime.logs("web", kind="Container")[:-1]
    finally:
        host.delete("web", kind="container")


def alike(host, script, **fields):
    """Return what a container says, which must be the same under every runtime."""
    answers = [said(host, runtime, script, **fields) for runtime in RUNTIMES]
    assert all(answer == answers[0] for answer in answers[1:]), dict(zip(RUNTIMES, answers, strict=True))
    return answers[0]


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"runAsUser": 1234, "runAsGroup": 7, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        {"capabilities": {"add": ["NET_ADMIN"], "drop": ["KILL"]}},
        {"allowPrivilegeEscalation": True, "seccompProfile": {"type": "Unconfined"}},
    ],
    ids=["default", "less", "capabilities", "more"],
)
def test_rights(host, context):
    lines = alike(host, f"{LOG} touch /x; ls -d /proc/kcore", securityContext=context)
    assert ("touch: /x: Read-only file system" in lines) == bool(context.get("readOnlyRootFilesystem"))


def test_privileged(host):
    script = f"{LOG} ls /proc/kcore; cat /proc/sys/kernel/hostname"
    lines = alike(host, script, securityContext={"privileged": True})
    assert "Seccomp:\t0" in lines


def test_a_profile_of_the_hosts(host):
    folder = Path(host.config.root, "seccomp")
    folder.mkdir(exist_ok=True)
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    (folder / "no-mkdir.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    context = {"seccompProfile": {"type": "Localhost", "localhostProfile": "no-mkdir.json"}}
    assert alike(host, "mkdir /x 2>/dev/null; echo $?", securityContext=context) == ["1"]


def test_volumes(host, tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    volumes = [
        {"name": "disk"},
        {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "host", "hostPath": {"path": str(tmp_path)}},
    ]
    mounts = [
        {"name": "disk", "mountPath": "/disk"},
        {"name": "fast", "mountPath": "/fast"},
        {"name": "host", "mountPath": "/host", "readOnly": True},
        {"name": "disk", "mountPath": "/part", "subPath": "a/b"},
        {"name": "host", "mountPath": "/etc/one", "subPath": "file"},
    ]
    script = "cat /host/file /etc/one; touch /part/x; ls /disk/a/b; "
    script += "touch /disk/x /fast/x /host/x; df -k /fast | tail -n 1 | awk '{print $2}'"
    lines = alike(host, script, volumes=volumes, volumeMounts=mounts)
    assert lines == ["from the host", "from the host", "x", "touch: /host/x: Read-only file system", "1024"]
