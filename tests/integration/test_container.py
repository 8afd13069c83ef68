# SPDX-License-Identifier: Apache-2.0
"""Containers alone on this host: every field edited once, limits in place, stopped and started, nothing left."""

import copy
import json
import shutil
from pathlib import Path

import pytest

from containertools import EDITS, base, edited
from imagetools import make_busybox_image
from podtools import IMAGE, eventually
from podwright.errors import HostError, ManifestError

SLEEP = ["/bin/sh", "-c", "exec sleep 100000"]


@pytest.fixture(scope="module")
def shared(module_host, layout):
    """An installation with two names for one image."""
    module_host.run("import", layout, IMAGE)
    module_host.run("import", layout, "localhost/busybox:2")
    return module_host


def small(**fields):
    return {
        "kind": "Container",
        "name": "web",
        "image": IMAGE,
        "command": SLEEP,
        "terminationGracePeriodSeconds": 0,
    } | fields


def apply(machine, container):
    return machine.runtime.apply({"kind": "Container", **container}, wait=True, timeout=30)


def process(machine):
    """Return the one process of the container that runs."""
    return eventually(
        lambda: next((pid for pid, name in machine.processes().items() if name == "sleep"), None), "sleep"
    )


def status_of(machine, key):
    lines = Path(f"/proc/{process(machine)}/status").read_text().splitlines()
    return next(line.split(":")[1].split() for line in lines if line.startswith(f"{key}:"))


def inside(machine, path):
    """Return a path as the container sees it."""
    return Path(f"/proc/{process(machine)}/root{path}")


@pytest.fixture(scope="module")
def states(shared):
    """What the host has before any container, and with the base."""
    yield shared
    shared.delete("web", "shop", kind="container")


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_every_field_edited_once(states, edit):
    machine = states
    machine.runtime.delete("web", "shop", kind="Container", grace=0)
    first = apply(machine, base())
    assert (first.plan.action, first.pod["status"]["phase"]) == ("create", "Running")
    assert apply(machine, base()).plan.action == "none"
    pid = process(machine)

    plan = machine.runtime.plan({"kind": "Container", **edited(edit)})
    assert process(machine) == pid, "planning changed something"
    done = apply(machine, edited(edit))
    assert done.plan.as_dict() == plan.as_dict()
    assert (done.plan.action, {change.path for change in done.plan.changes}) == (edit.action, edit.fields)
    again = apply(machine, edited(edit))
    assert (again.plan.action, again.plan.changes) == ("none", [])
    if edit.action == "stop":
        assert not machine.processes()
        return
    assert (process(machine) == pid) == (edit.effect in ("", "none", "in-place"))
    assert again.pod["status"]["phase"] == "Running"
    assert (again.pod["uid"] == first.pod["uid"]) == (edit.action != "recreate")


def test_limits_change_in_place(machine):
    apply(machine, small(resources={"limits": {"memory": "64Mi"}}))
    pid = process(machine)
    before = limits(machine)
    apply(machine, small(resources={"limits": {"memory": "96Mi"}}))
    assert process(machine) == pid
    assert (before, limits(machine)) == ({64 << 20}, {96 << 20})


def limits(machine):
    files = [path / name for path in machine.cgroup_dirs() for name in ("memory.max", "memory.limit_in_bytes")]
    return {int(path.read_text()) for path in files if path.exists() and path.parent.name == "container-web"}


def test_nothing_is_left_of_a_removed_one(machine):
    apply(machine, base())
    machine.delete("web", "shop", kind="container")
    before = machine.snapshot()  # with what is the installation's own: the bridge, its NAT, layers, compiled filters
    apply(machine, base())
    plan = machine.runtime.plan_delete("web", "shop", "Container")
    assert plan.action == "delete"
    assert "image" in {change.path for change in plan.changes}
    machine.delete("web", "shop", kind="container")
    assert machine.runtime.delete("web", "shop", kind="Container").plan.action == "none"
    eventually(lambda: not machine.processes(), "the end of every process")
    assert machine.snapshot() == before


def test_stopped_is_recorded_and_runs_nothing(machine):
    volumes = {"volumes": [{"name": "data"}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    first = apply(machine, small(**volumes))
    inside(machine, "/data/kept").write_text("x")
    done = apply(machine, small(state="stopped", **volumes))
    assert [(change.path, change.before, change.after) for change in done.plan.changes] == [
        ("state", "present", "stopped")
    ]
    assert not machine.processes()
    assert not machine.cgroup_dirs()
    shown = machine.container("web")
    assert (shown["state"], shown["command"], shown["status"]["phase"]) == ("stopped", SLEEP, "Pending")
    assert "Stopped" in machine.run("get", "containers").stdout

    by_name = machine.runtime.apply({"kind": "Container", "name": "web", "state": "stopped"})
    assert by_name.plan.action == "none"
    started = apply(machine, small(**volumes))
    assert (started.plan.action, started.pod["uid"]) == ("start", first.pod["uid"])
    assert started.pod["status"]["podIP"] == first.pod["status"]["podIP"]
    assert inside(machine, "/data/kept").read_text() == "x"
    assert apply(machine, small(**volumes)).plan.action == "none"


def test_stopped_by_its_name_alone(machine):
    apply(machine, small(labels={"a": "b"}))
    done = machine.runtime.apply({"kind": "Container", "name": "web", "state": "stopped"})
    assert (done.plan.action, done.pod["labels"]) == ("stop", {"a": "b"})
    with pytest.raises(ManifestError, match=r"^image: required, but missing"):
        machine.runtime.apply({"kind": "Container", "name": "other", "state": "stopped"})


def test_one_that_never_ran_can_be_stopped(machine):
    done = machine.runtime.apply(small(state="stopped", image="localhost/none:1"))
    assert done.plan.action == "create"
    assert not machine.processes()
    assert machine.runtime.plan(small(state="stopped", image="localhost/none:1")).action == "none"


def test_one_that_runs_though_it_is_stopped_is_stopped(machine):
    """As after an apply that was killed between the start and the record."""
    apply(machine, small())
    (path,) = Path(machine.root, "lib/pods").glob("*/pod.json")
    record = json.loads(path.read_text())
    record |= {"state": "stopped", "pod": record["pod"] | {"state": "stopped"}}
    path.write_text(json.dumps(record))
    done = apply(machine, small(state="stopped"))
    assert (done.plan.action, [change.path for change in done.plan.changes]) == ("stop", ["status"])
    assert not machine.processes()


def test_a_rootfs_is_never_written(machine, tmp_path):
    apply(machine, small())
    copy_of_the_image = tmp_path / "rootfs, with: all"
    shutil.copytree(inside(machine, "/bin"), copy_of_the_image / "bin", symlinks=True)
    machine.delete("web", kind="container")
    lone = small(rootfs=str(copy_of_the_image), command=["/bin/sh", "-c", "echo hi > /written; exec sleep 100000"])
    del lone["image"]
    assert apply(machine, lone).plan.action == "create"
    assert eventually(lambda: inside(machine, "/written").exists(), "the file")
    assert sorted(path.name for path in copy_of_the_image.iterdir()) == ["bin"]
    assert apply(machine, lone).plan.action == "none"
    with pytest.raises(HostError, match=r"^rootfs: /none/such is not a directory of this host") as caught:
        apply(machine, lone | {"rootfs": "/none/such"})
    assert caught.value.field == "rootfs"
    assert process(machine)


def test_the_security_context(machine):
    context = {
        "runAsUser": 1234,
        "runAsGroup": 7,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }
    apply(machine, small(securityContext=context))
    assert (status_of(machine, "Uid")[0], status_of(machine, "Gid")[0]) == ("1234", "7")
    assert int(status_of(machine, "CapBnd")[0], 16) == 1 << 10
    assert (status_of(machine, "NoNewPrivs"), status_of(machine, "Seccomp")) == (["1"], ["2"])
    with pytest.raises(OSError, match="Read-only file system"):
        inside(machine, "/x").write_text("x")

    loose = {"allowPrivilegeEscalation": True, "runAsUser": 1234}
    apply(machine, small(securityContext=loose))
    assert (status_of(machine, "NoNewPrivs"), status_of(machine, "Seccomp")) == (["0"], ["2"])
    apply(machine, small(securityContext=loose | {"seccompProfile": {"type": "Unconfined"}}))
    assert (status_of(machine, "NoNewPrivs"), status_of(machine, "Seccomp")) == (["0"], ["0"])


def test_a_profile_of_the_hosts(machine):
    folder = Path(machine.config.root, "seccomp")
    folder.mkdir(exist_ok=True)
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    (folder / "no-mkdir.json").write_text(json.dumps(profile))
    context = {"seccompProfile": {"type": "Localhost", "localhostProfile": "no-mkdir.json"}}
    apply(machine, small(securityContext=context, command=["/bin/sh", "-c", "mkdir /x; echo $?; exec sleep 100000"]))
    process(machine)
    assert machine.run("logs", "container/web").stdout.splitlines()[-1] == "1"


@pytest.mark.parametrize(("user", "reason"), [("", "runs as root; set runAsUser"), ("root", "a name that could be")])
def test_not_root(machine, user, reason, tmp_path):
    make_busybox_image(tmp_path / "layout", {"User": user})
    machine.run("import", tmp_path / "layout", "localhost/user:1")
    before = machine.snapshot()
    with pytest.raises(ManifestError, match=reason) as caught:
        apply(machine, small(image="localhost/user:1", securityContext={"runAsNonRoot": True}))
    assert caught.value.field == "securityContext.runAsNonRoot"
    assert not machine.processes()
    assert machine.snapshot().cgroups == before.cgroups


def test_volumes_of_the_host(machine, tmp_path):
    (tmp_path / "file").write_text("from the host")
    volumes = [
        {"name": "made", "hostPath": {"path": f"{tmp_path}/made/here", "type": "DirectoryOrCreate"}},
        {"name": "file", "hostPath": {"path": f"{tmp_path}/file", "type": "File"}},
        {"name": "new", "hostPath": {"path": f"{tmp_path}/new", "type": "FileOrCreate"}},
    ]
    mounts = [
        {"name": "made", "mountPath": "/made"},
        {"name": "file", "mountPath": "/etc/settings", "readOnly": True},
        {"name": "new", "mountPath": "/new"},
    ]
    apply(machine, small(volumes=volumes, volumeMounts=mounts))
    inside(machine, "/made/x").write_text("from the container")
    assert (tmp_path / "made/here/x").read_text() == "from the container"
    assert inside(machine, "/etc/settings").read_text() == "from the host"
    with pytest.raises(OSError, match="Read-only file system"):
        inside(machine, "/etc/settings").write_text("x")
    assert ((tmp_path / "made").stat().st_mode & 0o777, (tmp_path / "new").stat().st_mode & 0o777) == (0o755, 0o644)
    assert [
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(tmp_path) in line
    ] == []

    wrong = copy.deepcopy(volumes)
    wrong[1]["hostPath"]["type"] = "Directory"
    pid = process(machine)
    with pytest.raises(HostError, match=r"^volumes\[file\]\.hostPath\.type: .* is not a directory"):
        apply(machine, small(volumes=wrong, volumeMounts=mounts))
    assert process(machine) == pid, "what cannot be is refused before anything is touched"


def test_an_empty_dir_in_memory_is_one_for_the_whole_pod(machine):
    script = "while ! cat /fast/x; do sleep 0.05; done; df /fast | tail -n 1; exec sleep 100000"
    mount = {"volumeMounts": [{"name": "fast", "mountPath": "/fast"}]}
    containers = [
        {"name": "writer", "image": IMAGE, "command": ["/bin/sh", "-c", "echo shared > /fast/x; exec sleep 100000"]}
        | mount,
        {"name": "reader", "image": IMAGE, "command": ["/bin/sh", "-c", script]} | mount,
    ]
    spec = {
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}}],
        "containers": containers,
    }
    machine.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "two"}, "spec": spec}, "--wait")
    lines = eventually(
        lambda: [line for line in machine.runtime.logs("two", container="reader") if "2048" in line], "df"
    )
    assert lines
    assert "shared" in machine.runtime.logs("two", container="reader")


def test_a_pod_and_a_container_may_have_one_name(machine):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    pod["spec"] = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "a", "image": IMAGE, "command": SLEEP}]}
    machine.apply(pod, "--wait")
    apply(machine, small())
    assert machine.pod("web")["metadata"]["uid"] != machine.container("web")["uid"]
    machine.delete("web")
    assert machine.container("web")["status"]["phase"] == "Running"
    assert [pod["metadata"]["name"] for pod in machine.pods()] == []


def test_privileged(machine):
    apply(machine, small(securityContext={"privileged": True}))
    bounding = Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0]
    assert (status_of(machine, "CapEff"), status_of(machine, "CapBnd")) == ([bounding], [bounding])
    assert (status_of(machine, "NoNewPrivs"), status_of(machine, "Seccomp")) == (["0"], ["0"])
    mounts = Path(f"/proc/{process(machine)}/mountinfo").read_text().splitlines()
    views = {line.split()[4]: line.split()[5].split(",")[0] for line in mounts}
    assert not [path for path in views if path.startswith("/proc/")], "something of /proc is masked or read-only"
    assert views["/sys"] == "rw"
    for path in (path for path in Path("/dev").iterdir() if path.is_block_device() or path.is_char_device()):
        if path.name not in ("console", "ptmx"):
            assert inside(machine, path).stat().st_rdev == path.stat().st_rdev, path


def test_all_devices_may_be_opened(machine):
    """A node of the kernel's log can be made by any container, and be opened by a privileged one."""
    script = ["/bin/sh", "-c", "mknod /node c 1 11; head -c 0 /node && echo opened; exec sleep 100000"]
    for privileged, expected in ((False, []), (True, ["opened"])):
        apply(machine, small(command=script, securityContext={"privileged": privileged}))
        process(machine)
        assert [
            line for line in machine.run("logs", "container/web").stdout.splitlines() if line == "opened"
        ] == expected
