# SPDX-License-Identifier: Apache-2.0
"""The steps of a plan that mount something, and what the kernel then says of the mounts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import (
    MS_REC,
    MS_SHARED,
    NODEV,
    NOEXEC,
    NOSUID,
    RDONLY,
    Pod,
    bind,
    default_steps,
    error_of,
    fresh_pod,
    mountinfo,
    run_with,
    tmpfs,
)

NOATIME, STRICTATIME, NODIRATIME, NOSYMFOLLOW = 0x10, 0x20, 0x80, 0x200000


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


RACER = """
import ctypes, sys
one, other = (path.encode() for path in sys.argv[1:])
rename = ctypes.CDLL(None).renameat2
while True:
    rename(-100, one, -100, other, 2)  # RENAME_EXCHANGE
"""
LOOK = "cat /proc/self/mountinfo"


@pytest.mark.parametrize("kind", ["proc", "sysfs"])
@pytest.mark.parametrize("shape", ["link", "parent", "file"])
def test_s17_kernel_views_only_on_a_real_directory(pod: Pod, kind: str, shape: str) -> None:
    (pod.image / "real/view").mkdir(parents=True)
    (pod.image / "link").symlink_to("real/view")
    (pod.image / "parent").symlink_to("real")
    (pod.image / "file").write_text("")
    target = {"link": "/link", "parent": "/parent/view", "file": "/file"}[shape]
    message = error_of(pod, ["mount", kind, kind, target, NOSUID, [], {}])
    assert message.startswith(f"step 7 mount: target {target}")


def test_s17_a_bound_procfs_too(pod: Pod) -> None:
    (pod.image / "real").mkdir()
    (pod.image / "link").symlink_to("real")
    assert error_of(pod, bind("/proc", "/link", recursive=True)).startswith("step 7 bind: target /link: ")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (tmpfs("/proc"), "is /proc, on which only a procfs may be mounted"),
        (tmpfs("/proc/sys"), "is inside /proc"),
        (tmpfs("/alias/sys/kernel"), "is inside /proc"),
        (bind("/etc", "/proc"), "is /proc, on which only a procfs may be mounted"),
        (bind("/etc/hosts", "/proc/version"), "is inside /proc"),
        (bind("/etc/hosts", "/version"), "is inside /proc"),
        (bind("/etc/hosts", "/proc/1/cmdline"), "is inside /proc"),
        (bind("/etc/hosts", "/proc/self/status"), "is inside /proc"),
        (bind("/etc", "/proc/1/net"), "is inside /proc"),
        (bind("/proc/sys", "/proc"), "is /proc, on which only a procfs may be mounted"),
    ],
)
def test_s18_nothing_is_mounted_over_proc(pod: Pod, step: list[Any], message: str) -> None:
    (pod.image / "alias").symlink_to("proc")
    (pod.image / "version").symlink_to("proc/version")
    assert message in error_of(pod, step)


def test_s18_before_the_procfs_is_there_its_place_is_kept_too(pod: Pod) -> None:
    steps = default_steps()
    steps.insert(1, tmpfs("/proc"))
    end, _ = pod.run("ls", steps=steps)
    assert end["message"].startswith("step 1 mount: target /proc is /proc")


def test_s18_what_lxcfs_serves_may_be_bound(pod: Pod, tmp_path: Path) -> None:
    names = ("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg")
    for name in names:
        (tmp_path / name).write_text(f"fake {name}\n")
    binds = [bind(tmp_path / name, f"/proc/{name}") for name in names]
    output = run_with(pod, *binds, script="cat " + " ".join(f"/proc/{name}" for name in names))
    assert output.splitlines() == [f"fake {name}" for name in names]


def test_s18_a_procfs_may_take_the_place_of_another(pod: Pod) -> None:
    output = run_with(pod, bind("/proc", "/proc", recursive=True), script="ls -d /proc/[0-9]* | grep -c .")
    assert int(output) > 3  # the host's


@pytest.mark.parametrize("target", ["/", "/.", "/a/..", "/up/../..", "/link", "//"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_s19_the_root_is_no_target(pod: Pod, kind: str, target: str) -> None:
    (pod.image / "a").mkdir()
    (pod.image / "up").mkdir()
    (pod.image / "link").symlink_to("/")
    message = error_of(pod, tmpfs(target) if kind == "tmpfs" else bind("/etc", target))
    assert "is the container's root itself" in message


def test_attributes_of_a_new_mount(pod: Pod) -> None:
    everything = RDONLY | NOSUID | NODEV | NOEXEC | NOATIME | NODIRATIME | NOSYMFOLLOW
    output = run_with(
        pod,
        tmpfs("/all", attributes=everything),
        tmpfs("/strict", attributes=STRICTATIME),
        tmpfs("/plain"),
        script=LOOK,
    )
    assert mountinfo(output, "/all")[0] == {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"}
    assert mountinfo(output, "/strict")[0] == {"rw"}
    assert mountinfo(output, "/plain")[0] == {"rw", "relatime"}


def test_parameters_reach_the_file_system(pod: Pod) -> None:
    step = tmpfs("/data", "size=64k", "mode=750", "uid=7", "gid=8", "nr_inodes=20", "lazytime", "dirsync", "sync")
    output = run_with(pod, step, script=f"{LOOK}; stat -c '%a %u %g' /data")
    options = mountinfo(output, "/data")[2]
    assert {"size=64k", "nr_inodes=20", "lazytime", "dirsync", "sync"} <= options
    assert output.splitlines()[-1] == "750 7 8"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (tmpfs("/x", "size=64k", "colour=blue"), "file system tmpfs: colour=blue: Invalid argument"),
        (tmpfs("/x", "size=much"), "file system tmpfs: size=much: Invalid argument"),
        (tmpfs("/x", "size=" + "1" * 256), "has more than the 255 bytes that the kernel takes"),
        (tmpfs("/x", "=1"), "parameter =1 has no usable name"),
        (["mount", "nothing", "x", "/x", 0, [], {}], "file system nothing: the kernel does not know it"),
    ],
)
def test_the_parameter_that_is_wrong_is_named(pod: Pod, step: list[Any], message: str) -> None:
    assert message in error_of(pod, step)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (tmpfs("/x", attributes=0x40000000), "step 7 mount: mount attributes 0x40000000 are not allowed"),
        (tmpfs("/x", colour=1), "step 7 mount: unknown field colour"),
        (tmpfs("/x", copyup=1), "step 7 mount: option copyup is neither true nor false"),
        (tmpfs("/x", propagation=1), "step 7 mount: option propagation has bits that are not allowed"),
        (bind("/etc", "/x", 0x100000), "step 7 bind: mount attributes 0x100000 are not allowed"),
        (bind("/etc", "/x", recursiveSet=1 << 40), "step 7 bind: option recursiveSet has bits that are not allowed"),
        (bind("/etc", "/x", idmap={"uid": [[0, 1]], "gid": []}), "idmap uid: a mapping is not three numbers"),
        (bind("/etc", "/x", idmap={"uid": [], "gid": []}), "idmap uid has 0 mappings"),
        (["mount", "tmpfs", "tmpfs", "/x", 0, [1], {}], "step 7 mount: a parameter is not a string"),
    ],
)
def test_a_step_is_checked_before_anything_is_done(pod: Pod, step: list[Any], message: str) -> None:
    said = error_of(pod, step)
    assert said.startswith("plan.json: ") and message in said
    assert os.listdir(pod.pod_dir / "containers/app/rootfs") == []


def test_other_file_systems(pod: Pod) -> None:
    steps = [
        ["mount", "sysfs", "sysfs", "/sys", RDONLY | NOSUID | NODEV | NOEXEC, [], {}],
        ["mount", "devpts", "devpts", "/dev/pts", NOSUID | NOEXEC, ["newinstance", "ptmxmode=0666", "mode=0620"], {}],
        ["mount", "mqueue", "mqueue", "/dev/mqueue", NOSUID | NODEV | NOEXEC, [], {}],
        ["mount", "cgroup", "cgroup", "/cg/pids", NOSUID | NODEV | NOEXEC, ["pids"], {}],
        ["mount", "cgroup", "systemd", "/cg/systemd", RDONLY, ["none", "name=systemd"], {}],
        ["mount", "cgroup2", "cgroup", "/cg/unified", NOSUID, [], {}],
    ]
    output = run_with(pod, *steps, script=f"{LOOK}; stat -c '%a %t,%T' /dev/pts/ptmx; ls /cg/pids/cgroup.procs")
    for step in steps:
        assert mountinfo(output, step[3])
    assert output.splitlines()[-2:] == ["666 5,2", "/cg/pids/cgroup.procs"]
    assert "ro" in mountinfo(output, "/sys")[0] and "ro" in mountinfo(output, "/cg/systemd")[0]


def test_propagation_of_a_mount(pod: Pod, tmp_path: Path) -> None:
    output = run_with(
        pod,
        tmpfs("/shared", propagation=MS_SHARED),
        tmpfs("/plain"),
        bind("/etc", "/bound", recursive=True),
        bind("/etc", "/bound-shared", propagation=MS_SHARED | MS_REC),
        bind("/etc", "/unbindable", propagation=1 << 17),
        script=LOOK,
    )
    found = {
        name: mountinfo(output, name)[1] for name in ("/shared", "/plain", "/bound", "/bound-shared", "/unbindable")
    }
    assert {field.split(":")[0] for field in found["/shared"] | found["/bound-shared"]} == {"shared"}
    assert found["/plain"] == found["/bound"] == set()
    assert found["/unbindable"] == {"unbindable"}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host with a tmpfs mounted in it."""
    outer = tmp_path / "outer"
    (outer / "inner").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,nosuid", "tmpfs", outer / "inner"], check=True)
    yield outer
    subprocess.run(["umount", outer / "inner"], check=True)


def test_bind_attributes_are_for_the_mount_unless_recursive(pod: Pod, tree: Path) -> None:
    output = run_with(
        pod,
        bind(tree, "/one", RDONLY | NOEXEC),
        bind(tree, "/all", RDONLY, recursive=True),
        bind(tree, "/deep", recursive=True, recursiveSet=NODEV | NOEXEC | NOATIME, recursiveClear=RDONLY),
        bind(tree / "inner", "/clear", NODEV, RDONLY | NOSUID),
        script=LOOK,
    )
    assert mountinfo(output, "/one")[0] == {"ro", "noexec", "relatime"}
    assert "/one/inner" not in output
    assert mountinfo(output, "/all")[0] == {"ro", "relatime"}
    assert mountinfo(output, "/all/inner")[0] == {"ro", "nosuid", "relatime"}
    assert mountinfo(output, "/deep")[0] == {"rw", "nodev", "noexec", "noatime"}
    assert mountinfo(output, "/deep/inner")[0] == {"rw", "nosuid", "nodev", "noexec", "noatime"}
    assert mountinfo(output, "/clear")[0] == {"rw", "nodev", "relatime"}
    assert "ro,nosuid" in Path("/proc/self/mountinfo").read_text()  # the host's own is as it was


def test_bind_of_files_makes_its_target(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("names")
    os.mkfifo(tmp_path / "fifo")
    output = run_with(
        pod,
        bind(tmp_path / "hosts", "/etc/deep/hosts"),
        bind(tmp_path / "fifo", "/run/fifo"),
        bind("/dev/full", "/dev/full"),
        script="cat /etc/deep/hosts; echo; stat -c %F /run/fifo /dev/full",
    )
    assert output.splitlines() == ["names", "fifo", "character special file"]


def test_bind_without_symlinks(pod: Pod) -> None:
    (pod.image / "real").mkdir()
    (pod.image / "link").symlink_to("real")
    right = bind("/etc", "/real/sub", noSymlinks=True)
    message = error_of(pod, right, bind("/etc", "/link/sub", noSymlinks=True))
    assert message.startswith("step 8 bind: target /link/sub: ")  # musl and glibc word ELOOP differently


def test_a_missing_source_is_an_error(pod: Pod) -> None:
    assert "step 7 bind: source /none/here: No such file or directory" in error_of(pod, bind("/none/here", "/x"))


def test_idmapped_bind_shows_other_owners(pod: Pod, tmp_path: Path) -> None:
    folder = tmp_path / "owned"
    folder.mkdir()
    (folder / "file").write_text("")
    os.chown(folder / "file", 1000, 2000)
    mapping = {"uid": [[1000, 5000, 10]], "gid": [[0, 100, 1], [2000, 6000, 10]]}
    output = run_with(pod, bind(folder, "/data", RDONLY, idmap=mapping), script=f"stat -c '%u %g' /data/file; {LOOK}")
    assert output.splitlines()[0] == "5000 6000"
    assert {"ro", "idmapped"} <= mountinfo(output, "/data")[0]
    assert (folder / "file").stat().st_uid == 1000


def test_idmap_below_needs_recursive(pod: Pod, tree: Path) -> None:
    mapping = {"uid": [[0, 5000, 10]], "gid": [[0, 5000, 10]]}
    script = "stat -c %u /flat /flat/inner /deep /deep/inner"
    output = run_with(
        pod,
        bind(tree, "/flat", recursive=True, idmap=mapping),
        bind(tree, "/deep", recursive=True, idmap={**mapping, "recursive": True}),
        script=script,
    )
    assert output.splitlines() == ["5000", "0", "5000", "5000"]


def test_an_idmap_that_cannot_be_is_an_error(pod: Pod) -> None:
    mapping = {"uid": [[0, 5000, 10]], "gid": [[0, 5000, 10]]}
    assert "map the IDs of the source" in error_of(pod, bind("/proc", "/x", idmap=mapping))


def test_s14_to_s16_a_racer_leads_no_mount_out_of_the_root(pod: Pod, tmp_path: Path) -> None:
    """A volume that another container shares: its folder and a link to the host's take each other's place all along."""
    volume, canary = tmp_path / "volume", tmp_path / "canary"
    (volume / "turn").mkdir(parents=True)
    canary.mkdir()
    (volume / "link").symlink_to("/".join([".."] * 20) + str(canary))
    steps = [bind(volume, "/v"), tmpfs("/v/turn/a/b"), bind("/etc", "/v/turn/c/d"), bind("/etc/hosts", "/v/turn/e")]
    steps += [["device", "c", "/v/turn/null", 1, 3, 0o666, 0, 0], ["symlink", "x", "/v/turn/symlink"]]
    for number in range(12):
        pod.container(f"app-{number}", ["ls"], steps=default_steps(before=steps))
    racer = subprocess.Popen([sys.executable, "-c", RACER, volume / "turn", volume / "link"])
    try:
        pod.start()
        for number in range(12):
            pod.terminated(f"app-{number}")
    finally:
        racer.kill()
        racer.wait()
    assert os.listdir(canary) == []
    assert any((volume / name / "a/b").exists() for name in ("turn", "link"))  # some came through
