# SPDX-License-Identifier: Apache-2.0
"""The steps that make devices, hide paths and say what the container's program is as a process."""

import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import (
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


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


def device(path: str, major: int, minor: int, mode: int = 0o666, kind: str = "c", owner: int = 0) -> list[Any]:
    return ["device", kind, path, major, minor, mode, owner, owner]


def test_s20_dev_as_a_link_out_of_the_image(pod: Pod, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (pod.image / "nodes").symlink_to("/".join([".."] * 20) + str(canary))
    steps = (device("/nodes/full", 1, 7), ["symlink", "/proc/kcore", "/nodes/core"])
    output = run_with(pod, *steps, script="stat -c %t,%T /nodes/full; readlink /nodes/core")
    assert output.splitlines() == ["1,7", "/proc/kcore"]
    assert os.listdir(canary) == []


def test_s21_nodes_have_the_type_mode_and_owner_asked_for(pod: Pod) -> None:
    steps = (
        device("/dev/full", 1, 7, 0o640, owner=7),
        device("/dev/deep/loop", 7, 200, 0o4711, "b"),
        device("/dev/queue", 0, 0, 0o622, "p", 5),
        device("/dev/.hidden", 1, 8),
    )
    output = run_with(
        pod, *steps, script="stat -c '%n %F %a %u %g %t,%T' /dev/full /dev/deep/loop /dev/queue /dev/.hidden"
    )
    assert output.splitlines() == [
        "/dev/full character special file 640 7 7 1,7",
        "/dev/deep/loop block special file 4711 0 0 7,c8",
        "/dev/queue fifo 622 5 5 0,0",
        "/dev/.hidden character special file 666 0 0 1,8",
    ]


@pytest.mark.parametrize("shape", ["file", "link", "fifo", "other", "directory"])
def test_s21_what_stands_there_already_must_be_it(pod: Pod, shape: str) -> None:
    path = pod.image / "node"
    if shape == "file":
        path.write_text("")
    elif shape == "link":
        path.symlink_to("dev/null")
    elif shape == "fifo":
        os.mkfifo(path)
    elif shape == "other":
        os.mknod(path, 0o20666, os.makedev(1, 5))
    else:
        path.mkdir()
    assert error_of(pod, device("/node", 1, 3)) == "step 7 device: /node exists and is not this device"


def test_s11_a_right_node_is_kept_as_it_is(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    os.mknod(tmp_path / "dev/full", 0o20600, os.makedev(1, 7))
    (tmp_path / "dev/core").symlink_to("/proc/kcore")
    run_with(
        pod,
        bind(tmp_path / "dev", "/d"),
        device("/d/full", 1, 7, 0o666, owner=9),
        ["symlink", "/proc/kcore", "/d/core"],
    )
    status = (tmp_path / "dev/full").stat()
    assert (status.st_mode, status.st_uid) == (0o20600, 0)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (device("/dev/x", 4096, 0), "no such device number"),
        (device("/dev/x", 1, 3, kind="q"), "kind q is none of c, b, p"),
        (device("/dev/x", 1, 3, mode=0o10000), "no such mode, user ID or group ID"),
        (device("/dev/x", 1, 3, owner=2**32 - 1), "no such mode, user ID or group ID"),
        (device("/dev/..", 1, 3), "no usable last component"),
        (["symlink", "else", "/dev/fd"], "symlink /dev/fd: File exists"),
        (["symlink", "x", "/dev/null"], "symlink /dev/null: File exists"),
    ],
)
def test_a_wrong_node_is_an_error(pod: Pod, step: list[Any], message: str) -> None:
    assert message in error_of(pod, step)


def test_the_same_link_again_is_fine(pod: Pod) -> None:
    assert run_with(pod, ["symlink", "/proc/self/fd", "/dev/fd"], script="readlink /dev/fd") == "/proc/self/fd"


@pytest.mark.parametrize("path", ["/proc/version", "/bin/busybox"])
def test_s22_a_faked_null_device_masks_nothing(pod: Pod, tmp_path: Path, path: str) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    steps = [step for step in default_steps(after=[["mask_path", path]]) if step[2:3] != ["/dev/null"]]
    steps.insert(3, bind(tmp_path / "dev", "/dev"))
    end, _ = pod.run("ls", steps=steps)
    assert f"cannot mask {path}: /dev/null is not the null device" in end["message"]


def test_s22_masked_directories_are_empty_and_stay_so(pod: Pod) -> None:
    (pod.image / "one").mkdir()
    (pod.image / "two").mkdir()
    (pod.image / "two/secret").write_text("canary")
    after = [["mask_path", path] for path in ("/one", "/two", "/proc/irq", "/proc/kcore", "/missing", "/proc/kcore/x")]
    script = "ls -A /one /two /proc/irq; touch /two/x 2>&1; cat /proc/kcore; cat /proc/self/mountinfo"
    lines = run_with(pod, script=script, after=after).splitlines()
    assert lines[:8] == ["/one:", "", "/proc/irq:", "", "/two:", "touch: /two/x: Read-only file system", *lines[6:8]]
    for path in ("/one", "/two", "/proc/irq"):
        assert mountinfo("\n".join(lines), path)[0] >= {"ro", "nosuid", "nodev", "noexec"}


def test_s25_readonly_paths_keep_the_flags_of_their_mount(pod: Pod) -> None:
    output = run_with(
        pod,
        tmpfs("/data", attributes=NOSUID | NODEV | NOEXEC | 0x10),
        script="cat /proc/self/mountinfo",
        after=[["readonly_path", path] for path in ("/proc/sys", "/data")],
    )
    assert mountinfo(output, "/proc/sys")[0] == {"ro", "nosuid", "nodev", "noexec", "relatime"}
    assert mountinfo(output, "/data")[0] == {"ro", "nosuid", "nodev", "noexec", "noatime"}


def test_attributes_are_set_late(pod: Pod) -> None:
    after = [["attributes", "/dev", RDONLY | 0x10, NOSUID], ["root_readonly"]]
    output = run_with(pod, script="touch /dev/x 2>&1; touch /x 2>&1; cat /proc/self/mountinfo", after=after)
    assert mountinfo(output, "/dev")[0] == {"ro", "noatime"}
    assert output.splitlines()[:2] == [f"touch: {path}: Read-only file system" for path in ("/dev/x", "/x")]
    assert "ro" in mountinfo(output, "/")[0]


def test_attributes_need_a_mount(pod: Pod) -> None:
    message = error_of(pod, after=[["attributes", "/bin", RDONLY, 0]])
    assert message == "step 8 attributes: set attributes of the mount /bin: Invalid argument"


def test_s24_a_faked_proc_of_the_image_catches_no_write(pod: Pod) -> None:
    """What the runtime writes below /proc goes to a procfs of its own, whatever the container has there."""
    for name in ("self/oom_score_adj", "sys/kernel/shmmni"):
        path = pod.image / "proc" / name
        path.parent.mkdir(parents=True)
        path.write_text("fake")
    steps = default_steps(after=[["oom_score_adj", 321], ["sysctl", "kernel.shmmni", "77"]])
    del steps[1]
    pod.container("app", ["sleep", "1000"], steps=steps)
    pod.start()
    pid = pod.running("app")
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "321\n"
    fakes = [f"/proc/{pid}/root/proc/{name}" for name in ("self/oom_score_adj", "sys/kernel/shmmni")]
    assert [Path(fake).read_text() for fake in fakes] == ["fake", "fake"]
    pod.stop()


def test_names_of_the_container(pod: Pod) -> None:
    after = [["hostname", "a.long.name"], ["domainname", "example.org"]]
    script = "hostname; cat /proc/sys/kernel/domainname"
    assert run_with(pod, script=script, after=after).splitlines() == ["a.long.name", "example.org"]


def test_a_name_that_is_too_long(pod: Pod) -> None:
    assert error_of(pod, after=[["hostname", "x" * 65]]).endswith(": Invalid argument")


@pytest.mark.parametrize(("kind", "name"), [("apparmor", "no-such-profile"), ("selinux", "system_u:system_r:x_t:s0")])
def test_s30_a_security_module_that_cannot_is_an_error(pod: Pod, kind: str, name: str) -> None:
    message = error_of(pod, after=[[kind, name]])
    assert message.startswith(f"step 8 {kind}: ") and name in message


def test_scheduling_and_limits(pod: Pod) -> None:
    after = [
        ["scheduler", 3, 5, 0, 0, 0, 0, 0],  # SCHED_BATCH, nice 5
        ["io_priority", 2, 6],
        ["personality", 0x0040000],  # ADDR_NO_RANDOMIZE
        ["memory_policy", 2, 0, [0]],  # MPOL_BIND
        ["rlimit", "RLIMIT_CORE", 0, -1],
        ["rlimit", "RLIMIT_NOFILE", 64, 128],
    ]
    pod.container("app", ["sleep", "1000"], steps=default_steps(after=after))
    pod.start()
    proc = Path(f"/proc/{pod.running('app')}")
    fields = (proc / "stat").read_text().rpartition(") ")[2].split(" ")
    assert (int(fields[41 - 3]), int(fields[19 - 3])) == (3, 5)  # policy, nice: proc(5)
    assert (proc / "personality").read_text() == "00040000\n"
    assert "bind:0" in (proc / "numa_maps").read_text()
    limits = (proc / "limits").read_text()
    assert "Max core file size        0                    unlimited" in limits
    assert "Max open files            64                   128" in limits
    found = subprocess.run(["ionice", "-p", proc.name], capture_output=True, text=True, check=True)
    assert found.stdout == "best-effort: prio 6\n"
    pod.stop()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (["scheduler", 77, 0, 0, 0, 0, 0, 0], "set the scheduling policy: Invalid argument"),
        (["scheduler", 2**32, 0, 0, 0, 0, 0, 0], "no such policy, nice value or priority"),
        (["io_priority", 4, 0], "classes go to 3"),
        (["personality", 2**32 - 1], "no such personality"),
        (["memory_policy", 2, 0, []], "set the memory policy: Invalid argument"),
        (["memory_policy", 2, 0, [1024]], "a node is not a number below 1024"),
        (["rlimit", "RLIMIT_NONE", 1, 1], "unknown limit RLIMIT_NONE"),
        (["rlimit", "RLIMIT_CORE", 2, 1], "soft 2, hard 1: Invalid argument"),
        (["oom_score_adj", 1001], "write /proc self/oom_score_adj: Invalid argument"),
    ],
)
def test_s40_a_wrong_value_is_an_error(pod: Pod, step: list[Any], message: str) -> None:
    assert message in error_of(pod, after=[step])


def run_as(pod: Pod, sets: dict[str, str], user: list[Any], *last: list[Any]) -> dict[str, str]:
    """Return what /proc/self/status says in a container with these sets, user and last steps."""
    steps = [step for step in default_steps() if step[0] not in ("capabilities", "user", "no_new_privileges")]
    steps += [["capabilities", sets], ["user", *user], *last]
    _, output = pod.run("cat", "/proc/self/status", steps=steps)
    return {key: value.strip() for key, _, value in (line.partition(":") for line in output.splitlines())}


@pytest.mark.parametrize("last", [[], [["no_new_privileges"]]])
def test_s38_every_set_is_as_asked(pod: Pod, last: list[list[Any]]) -> None:
    sets = {"bounding": "c21", "effective": "421", "permitted": "c21", "inheritable": "c01", "ambient": "401"}
    status = run_as(pod, sets, [1000, 1001, [7, 8]], *last)
    # execve by an ordinary user leaves what is ambient; the inheritable and bounding sets stay
    found = [int(status[f"Cap{name}"], 16) for name in ("Bnd", "Eff", "Prm", "Inh", "Amb")]
    assert found == [0xC21, 0x401, 0x401, 0xC01, 0x401]
    assert (status["Uid"], status["Gid"], status["Groups"]) == ("\t".join(["1000"] * 4), "\t".join(["1001"] * 4), "7 8")
    assert status["NoNewPrivs"] == str(len(last))


def test_s33_s39_without_groups_and_inheritable_there_are_none(pod: Pod) -> None:
    sets = {**dict.fromkeys(("bounding", "effective", "permitted"), "400"), "inheritable": "0", "ambient": "0"}
    status = run_as(pod, sets, [0, 0, []])
    assert status["CapInh"] == status["CapAmb"] == "0" * 16
    assert status["Groups"] == ""


def deny(*numbers: int) -> bytes:
    """Make a filter of BPF that answers these system calls with EPERM."""
    code = [struct.pack("=HBBI", 0x20, 0, 0, 0)]  # load the number
    code += [struct.pack("=HBBI", 0x15, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    code += [struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000), struct.pack("=HBBI", 0x06, 0, 0, 0x00050001)]
    return b"".join(code)


GETCWD, CHDIR, WRITE, CLOSE, PRCTL, SETGROUPS = 79, 80, 1, 3, 157, 116


@pytest.mark.parametrize("last", [[], [["no_new_privileges"]]])
def test_s41_a_filter_that_denies_what_the_runtime_does(pod: Pod, tmp_path: Path, last: list[list[Any]]) -> None:
    (tmp_path / "filter").write_bytes(deny(GETCWD, CHDIR, WRITE, CLOSE, *([PRCTL, SETGROUPS] if last else [])))
    steps = default_steps()[:-1] + last
    steps += [["seccomp", str(tmp_path / "filter"), 2, "", ""]]  # SECCOMP_FILTER_FLAG_LOG
    end, _ = pod.run("sh", "-c", "exit 7", cwd="/srv/app", steps=steps)
    assert (end["exitCode"], end["reason"]) == (7, "Error")


def test_a_filter_with_unknown_flags_is_refused(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "filter").write_bytes(deny(GETCWD))
    end, _ = pod.run("ls", steps=[*default_steps(), ["seccomp", str(tmp_path / "filter"), 1 << 20, "", ""]])
    assert end["message"] == "seccomp (are the filter and its flags valid?): Invalid argument"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([["rootfs", "relative"]], "step 0 rootfs: wrong arguments"),
        ([["rootfs", "/a"], ["overlay"]], "step 1 overlay: out of order or given twice"),
        ([["overlay"], ["propagation", 0]], "step 1 propagation: out of order or given twice"),
        ([["overlay"], ["pivot_root"], ["chroot"]], "step 2 chroot: out of order or given twice"),
        ([["overlay"], ["hooks"], ["symlink", "a", "/b"]], "step 2 symlink: out of order or given twice"),
        ([["overlay"], ["pivot_root"], ["hooks"]], "step 2 hooks: out of order or given twice"),
    ],
)
def test_order_of_the_steps(pod: Pod, steps: Sequence[list[Any]], message: str) -> None:
    end, _ = pod.run("ls", steps=list(steps))
    assert message in end["message"]
