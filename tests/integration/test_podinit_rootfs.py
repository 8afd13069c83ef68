# SPDX-License-Identifier: Apache-2.0
"""The steps that make a container's root, that make it "/", and that fill a new tmpfs."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import (
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    MS_SLAVE,
    NOSUID,
    RDONLY,
    Pod,
    bind,
    default_steps,
    error_of,
    fresh_pod,
    mountinfo,
    run_with,
    shell,
    tmpfs,
)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


LOOK = "cat /proc/self/mountinfo"


def fill(folder: Path) -> None:
    """What a copy has to carry over: modes, owners, links, attributes, odd files."""
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/file").write_bytes(os.urandom(70000))
    (folder / "tool").write_text("#!/bin/sh\necho works\n")
    os.chown(folder / "tool", 12, 34)
    (folder / "tool").chmod(0o4751)
    os.setxattr(folder / "tool", "trusted.note", b"kept")
    capability = bytes.fromhex("0100000200040000" + "0" * 24)  # cap_net_bind_service+ep
    os.setxattr(folder / "deep/er/file", "security.capability", capability)
    (folder / "link").symlink_to("/nowhere/outside")
    os.lchown(folder / "link", 56, 78)
    os.mkfifo(folder / "fifo", 0o600)
    (folder / "deep").chmod(0o1770)
    os.utime(folder / "deep", (1000, 2000))
    os.chown(folder, 9, 9)
    folder.chmod(0o1711)


def test_copyup_brings_what_the_image_has(pod: Pod) -> None:
    fill(pod.image / "data")
    script = f"""
    stat -c '%n %a %u %g %F' /data /data/*; stat -c %Y /data/deep; readlink /data/link; /data/tool; {LOOK}
    cmp /data/deep/er/file /plain/deep/er/file && echo same; exec sleep 1000
    """
    pod.container(
        "app",
        shell(script),
        steps=default_steps(before=[bind(pod.image / "data", "/plain"), tmpfs("/data", copyup=True)]),
    )
    pod.start()
    root = Path(f"/proc/{pod.running('app')}/root/data")
    pod.wait_for_output("app", "same")
    output = pod.output("app")
    assert output.splitlines()[:8] == [
        "/data 1711 9 9 directory",
        "/data/deep 1770 0 0 directory",
        "/data/fifo 600 0 0 fifo",
        "/data/link 777 56 78 symbolic link",
        "/data/tool 4751 12 34 regular file",
        "2000",
        "/nowhere/outside",
        "works",
    ]
    assert os.getxattr(root / "tool", "trusted.note") == b"kept"
    assert os.getxattr(root / "deep/er/file", "security.capability").startswith(b"\1\0\0\2")
    assert "size=" not in str(mountinfo(output, "/data")[2])
    pod.stop()


def test_copyup_into_a_readonly_tmpfs_with_a_mode_of_its_own(pod: Pod) -> None:
    fill(pod.image / "data")
    step = tmpfs("/data", "mode=700", "size=1m", attributes=RDONLY | NOSUID, copyup=True)
    output = run_with(pod, step, script=f"stat -c '%a %u' /data; touch /data/x 2>&1; {LOOK}; exit 0")
    assert output.splitlines()[:2] == ["700 9", "touch: /data/x: Read-only file system"]
    assert mountinfo(output, "/data")[0] == {"ro", "nosuid", "relatime"}


def test_s29_copyup_follows_no_link_and_ends_when_full(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    (pod.image / "data").mkdir()
    (pod.image / "data/file").symlink_to(tmp_path / "secret")
    (pod.image / "data/folder").symlink_to(tmp_path)
    assert run_with(pod, tmpfs("/data", copyup=True), script="cat /data/file 2>&1; ls /data; exit 0").splitlines() == [
        "cat: can't open '/data/file': No such file or directory",
        "file",
        "folder",
    ]


def test_a_tmpfs_is_as_open_as_what_it_covers(pod: Pod) -> None:
    for name, mode in (("one", 0o1777), ("two", 0o700)):
        (pod.image / name).mkdir()
        (pod.image / name).chmod(mode)
    steps = (tmpfs("/one"), tmpfs("/two", "mode=711"), tmpfs("/new"))
    assert run_with(pod, *steps, script="stat -c %a /one /two /new").split() == ["1777", "711", "1777"]


def test_copyup_that_does_not_fit_is_an_error(pod: Pod) -> None:
    (pod.image / "data").mkdir()
    (pod.image / "data/big").write_bytes(bytes(200000))
    message = error_of(pod, tmpfs("/data", "size=64k", copyup=True))
    assert message == "step 7 mount: copy up: copy big: No space left on device"


def rootfs_steps(folder: Path, pivot: str = "pivot_root", *first: Any, after: Sequence[Any] = ()) -> list[Any]:
    steps = [step for step in default_steps(after=after) if step not in (["overlay"], ["pivot_root"])]
    index = next(i for i, step in enumerate(steps) if step[0] not in ("mount", "device", "symlink"))
    return [*first, ["rootfs", str(folder)], *steps[:index], [pivot], *steps[index:]]


@pytest.mark.parametrize("pivot", ["pivot_root", "move_root", "chroot"])
def test_a_directory_as_root(pod: Pod, pivot: str) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    script = "ls /; pwd; touch /made; ls /proc/1/root/; echo; cat /proc/self/mountinfo"
    end, output = pod.run(*shell(script), cwd="/srv/new", steps=rootfs_steps(pod.image, pivot))
    assert end["reason"] == "Completed", end
    assert output.split("\n", 5)[:5] == ["bin", "dev", "proc", "srv", "/srv/new"]
    assert (pod.image / "made").exists() and (pod.image / "srv/new").is_dir()
    assert os.listdir(pod.image / "dev") == []  # mounted in the container alone
    assert Path("/proc/self/mountinfo").read_text() == before
    if pivot != "chroot":
        lines = [line.split(" ")[4] for line in output.splitlines() if " - " in line]
        assert lines == ["/", "/proc", "/dev"]


@pytest.mark.parametrize(("after", "allowed"), [((), True), ((["readonly_path", "/proc/sys"],), False)])
def test_s36_a_moved_root_leaves_no_kernel_view_behind(pod: Pod, after: Sequence[Any], allowed: bool) -> None:
    """A user namespace may mount a procfs when a whole one is in its mount namespace, and be it out of sight."""
    script = "busybox unshare -U -r -m -p -f /bin/busybox mount -t proc proc /srv && echo mounted; exit 0"
    (pod.image / "srv").mkdir()
    _, output = pod.run(*shell(script), steps=rootfs_steps(pod.image, "move_root", after=after))
    assert ("mounted" in output.splitlines()) == allowed, pod.log_lines("app")


@pytest.mark.parametrize("shape", ["link", "file", "missing"])
def test_s26_the_root_is_a_real_directory(pod: Pod, tmp_path: Path, shape: str) -> None:
    path = tmp_path / "bundle"
    if shape == "link":
        path.symlink_to(pod.image)
    elif shape == "file":
        path.write_text("")
    end, _ = pod.run("ls", steps=rootfs_steps(path))
    assert end["message"].startswith(f"step 0 rootfs: rootfs {path}: ")


@pytest.mark.parametrize("flags", [MS_SLAVE | MS_REC, MS_PRIVATE | MS_REC, MS_SHARED | MS_REC])
def test_propagation_of_the_root(pod: Pod, flags: int) -> None:
    steps = rootfs_steps(pod.image, "pivot_root", ["propagation", flags], after=(["root_propagation", flags],))
    end, output = pod.run(*shell(LOOK), steps=steps)
    assert end["reason"] == "Completed", end
    shared = [field for field in mountinfo(output, "/")[1] if field.startswith("shared:")]
    assert bool(shared) == bool(flags & MS_SHARED)
    assert not any("master:" in line for line in output.splitlines())
    assert str(pod.image) not in Path("/proc/self/mountinfo").read_text()


def test_s35_a_mount_of_the_host_made_later_stays_outside(pod: Pod, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    (folder / "later").mkdir(parents=True)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "--make-shared", folder], check=True)
    try:
        pod.container("app", ["sleep", "1000"], steps=default_steps(before=[bind(folder, "/volume", recursive=True)]))
        pod.start()
        pid = pod.running("app")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder / "later"], check=True)
        assert "/volume/later" not in Path(f"/proc/{pid}/mountinfo").read_text()
        pod.stop()
    finally:
        subprocess.run(["umount", "-R", folder], check=True)
