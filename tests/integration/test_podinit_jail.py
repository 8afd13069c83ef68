# SPDX-License-Identifier: Apache-2.0
"""What podinit makes of a container's plan: its root, its privileges, and hostile images."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podinit_harness import (
    ALLOW_ALL,
    NO_CAPABILITIES,
    NODEV,
    NOEXEC,
    NOSUID,
    RDONLY,
    Pod,
    bind,
    default_steps,
    fresh_pod,
    shell,
)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder of the host that no image may reach."""
    folder = tmp_path / "canary"
    folder.mkdir()
    (folder / "secret").write_text("canary")
    return folder


def intact(canary: Path) -> bool:
    return os.listdir(canary) == ["secret"] and (canary / "secret").read_text() == "canary"


def test_dev_as_a_symlink_out_of_the_image(pod: Pod, canary: Path) -> None:
    up = "/".join([".."] * 20)
    for target in (f"{up}{canary}", str(canary)):
        (pod.image / "dev").unlink(missing_ok=True)
        (pod.image / "dev").symlink_to(target)
        pod.container("app", ["ls", "/dev/"])
        pod.start()
        assert pod.terminated("app")["reason"] == "Completed"
        assert "null" in pod.output("app", 0).split() or "null" in pod.output("app", 1).split()
        assert intact(canary)
        pod.stop()


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_proc_must_be_a_real_directory(pod: Pod, canary: Path, kind: str) -> None:
    if kind == "symlink":
        (pod.image / "proc").symlink_to("tmp")
        (pod.image / "tmp").mkdir()
    else:
        (pod.image / "proc").write_text("")
    end, _ = pod.run("ls")
    assert end["reason"] == "StartError"
    assert end["message"].startswith("step 1 mount: target /proc")


def test_bind_below_symlinked_folders_stays_inside(pod: Pod, canary: Path, tmp_path: Path) -> None:
    (pod.image / "etc").symlink_to(str(canary))
    (pod.image / "run").symlink_to("../../../usr/run")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost")
    binds = [bind(tmp_path / "hosts", path) for path in ("/etc/hosts", "/run/a/b/hosts", "/etc/secret")]
    end, output = pod.run("cat", "/etc/hosts", "/run/a/b/hosts", steps=default_steps(before=binds))
    assert end["reason"] == "Completed", end
    assert output == "127.0.0.1 localhost" * 2
    assert intact(canary)


def test_a_dangling_symlink_as_target_is_made_inside(pod: Pod, canary: Path, tmp_path: Path) -> None:
    (pod.image / "etc").mkdir()
    (pod.image / "etc/resolv.conf").symlink_to(f"{canary}/new/resolv.conf")
    (tmp_path / "resolv").write_text("nameserver 10.0.0.1")
    step = bind(tmp_path / "resolv", "/etc/resolv.conf")
    end, output = pod.run("cat", "/etc/resolv.conf", steps=default_steps(before=[step]))
    assert (end["reason"], output) == ("Completed", "nameserver 10.0.0.1")
    assert intact(canary)


def test_symlink_loop_is_an_error(pod: Pod) -> None:
    (pod.image / "a").symlink_to("b")
    (pod.image / "b").symlink_to("a")
    end, _ = pod.run("ls", steps=default_steps(before=[bind("/etc", "/a/c")]))
    assert end["message"].startswith("step 7 bind: target /a/c: ")


def test_device_over_what_the_image_has_is_an_error(pod: Pod, canary: Path) -> None:
    (pod.image / "nodes").mkdir()
    (pod.image / "nodes/zero").symlink_to(f"{canary}/node")
    end, _ = pod.run("ls", steps=default_steps(before=[["device", "c", "/nodes/zero", 1, 5, 0o666, 0, 0]]))
    assert "/nodes/zero exists and is not this device" in end["message"]
    assert intact(canary)


def test_a_faked_null_device_masks_nothing(pod: Pod) -> None:
    steps = [step for step in default_steps(after=[["mask_path", "/bin/busybox"]]) if step[2:3] != ["/dev/null"]]
    steps.insert(3, ["symlink", "/proc/sys/kernel/core_pattern", "/dev/null"])
    end, _ = pod.run("ls", steps=steps)
    assert "cannot mask /bin/busybox: /dev/null is not the null device" in end["message"]


def test_masked_and_readonly_paths(pod: Pod) -> None:
    after = [
        *(["readonly_path", path] for path in ("/proc/sys", "/missing", "/bin/busybox/below")),
        *(["mask_path", path] for path in ("/proc/kcore", "/proc/irq", "/missing")),
    ]
    script = """
    echo x 2>&1 > /proc/sys/vm/swappiness; cat /proc/kcore; ls /proc/irq; touch /proc/irq/x 2>&1
    grep -E ' /proc' /proc/self/mountinfo | while read _ _ _ _ path flags _; do echo $path $flags; done
    """
    end, output = pod.run(*shell(script + "exit 0"), steps=default_steps(after=after))
    assert end["reason"] == "Completed", end
    lines = output.splitlines()
    assert "touch: /proc/irq/x: Read-only file system" in lines
    assert "/proc rw,nosuid,nodev,noexec,relatime" in lines
    assert "/proc/sys ro,nosuid,nodev,noexec,relatime" in lines
    assert "/proc/irq ro,nosuid,nodev,noexec,relatime" in lines
    assert any(text.endswith("/proc/sys/vm/swappiness: Read-only file system") for _, _, text in pod.log_lines("app"))


def test_readonly_root_and_the_working_directory_is_made(pod: Pod) -> None:
    script = "readlink /proc/self/cwd; touch /x 2>&1; touch /dev/x && echo dev"
    end, output = pod.run(*shell(script), cwd="/srv/app", steps=default_steps(after=[["root_readonly"]]))
    assert output.splitlines() == ["/srv/app", "touch: /x: Read-only file system", "dev"]
    assert end["exitCode"] == 0


def test_bind_flags_hold_for_submounts(pod: Pod, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "inner").mkdir(parents=True)
    assert os.spawnlp(os.P_WAIT, "mount", "mount", "-t", "tmpfs", "tmpfs", str(outer / "inner")) == 0
    try:
        flags = RDONLY | NOSUID | NODEV | NOEXEC
        steps = default_steps(before=[bind(outer, "/data", recursive=True, recursiveSet=flags)])
        _, output = pod.run(*shell("touch /data/x /data/inner/x 2>&1; grep /data /proc/self/mountinfo"), steps=steps)
        lines = output.splitlines()
        assert [line.rsplit(":", 1)[1] for line in lines[:2]] == [" Read-only file system"] * 2
        assert [line.split(" ")[5].split(",")[:4] for line in lines[2:]] == [["ro", "nosuid", "nodev", "noexec"]] * 2
        assert not any(" shared:" in line or " master:" in line for line in lines[2:])
        pod.stop()
    finally:
        assert os.spawnlp(os.P_WAIT, "umount", "umount", str(outer / "inner")) == 0


def test_user_groups_and_streams_of_its_own(pod: Pod) -> None:
    script = "id; echo again > /dev/stdout; grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status"
    _, output = pod.run(*shell(script), steps=default_steps(user=[1000, 1001, [5, 6]]))
    lines = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
    assert output.startswith("uid=1000 gid=1001 groups=5,6")
    assert "again" in output.splitlines()
    assert lines["CapEff"].strip() == lines["CapPrm"].strip() == lines["CapInh"].strip() == "0" * 16
    assert lines["CapBnd"].strip() == "00000000a80425fb"


def test_ambient_capabilities_reach_an_ordinary_user(pod: Pod) -> None:
    one = "0000000000000400"  # NET_BIND_SERVICE
    steps = [
        ["capabilities", dict.fromkeys(NO_CAPABILITIES, one)] if step[0] == "capabilities" else step
        for step in default_steps(user=[1000, 1000, []])
    ]
    _, output = pod.run("grep", "^Cap", "/proc/self/status", steps=steps)
    assert [line.split("\t")[1] for line in output.splitlines()] == [one] * 5


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_seccomp_filter_is_loaded(pod: Pod, tmp_path: Path, no_new_privileges: bool) -> None:
    (tmp_path / "filter").write_bytes(ALLOW_ALL)
    steps = [*default_steps(), ["seccomp", str(tmp_path / "filter"), 0, "", ""]]
    if not no_new_privileges:
        steps.remove(["no_new_privileges"])
    _, output = pod.run("grep", "-E", "^(Seccomp|NoNewPrivs|CapEff):", "/proc/self/status", steps=steps)
    assert output.splitlines() == ["CapEff:\t00000000a80425fb", f"NoNewPrivs:\t{int(no_new_privileges)}", "Seccomp:\t2"]


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (None, 0o644, "No such file or directory"),
        (b"", 0o644, "is not a filter: 0 bytes"),
        (ALLOW_ALL[:-1], 0o644, "is not a filter: 7 bytes"),
        (ALLOW_ALL * 4097, 0o644, "is not a filter: 32776 bytes"),
        (ALLOW_ALL, 0o666, "must be a file of root that nobody else may write"),
        (b"\xff" * 8, 0o644, "Invalid argument"),
    ],
)
def test_a_bad_filter_is_refused(pod: Pod, tmp_path: Path, content: bytes | None, mode: int, message: str) -> None:
    path = tmp_path / "filter"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    end, _ = pod.run("ls", steps=[*default_steps(), ["seccomp", str(path), 0, "", ""]])
    assert (end["exitCode"], end["reason"]) == (128, "StartError")
    assert message in end["message"]


def test_limits_umask_sysctl_and_oom_score(pod: Pod) -> None:
    after = [
        ["sysctl", "net.ipv4.ip_unprivileged_port_start", "1"],
        ["sysctl", "kernel/shmmni", "100"],
        ["rlimit", "RLIMIT_NOFILE", 100, 200],
        ["rlimit", "RLIMIT_CORE", 0, 0],
        ["oom_score_adj", 500],
    ]
    steps = default_steps(after=after)
    steps[steps.index(["umask", 0o22])] = ["umask", 0o77]
    script = """
    cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni /proc/self/oom_score_adj
    ulimit -Sn; ulimit -Hn; umask
    """
    _, output = pod.run(*shell(script), steps=steps)
    assert output.splitlines() == ["1", "100", "500", "100", "200", "0077"]


@pytest.mark.parametrize("key", ["../../etc/x", "net..x", "kernel.none"])
def test_a_bad_sysctl_is_an_error(pod: Pod, key: str) -> None:
    end, _ = pod.run("ls", steps=default_steps(after=[["sysctl", key, "1"]]))
    assert end["message"].startswith("step 8 sysctl: ")


def test_what_the_supervisor_has_does_not_reach_a_container(pod: Pod) -> None:
    script = "cat /proc/self/oom_score_adj; umask; grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -Hn"
    _, output = pod.run(*shell(script))
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    assert output.splitlines()[:4] == [own, "0022", "SigBlk:\t" + "0" * 16, "SigIgn:\t" + "0" * 16]


def test_s42_each_container_has_a_session_keyring_of_its_own(pod: Pod, tmp_path: Path) -> None:
    source, program = tmp_path / "keyring.c", pod.image / "bin/keyring"
    call = "syscall(SYS_keyctl, 0, -3, 0)"  # KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING
    head = "#include <stdio.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n"
    source.write_text(head + f'int main(void) {{ printf("%ld\\n", {call}); return 0; }}\n')
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    for name in ("one", "two"):
        pod.container(name, ["keyring"])
    pod.start()
    found = [subprocess.run([program], check=True, capture_output=True, text=True).stdout.strip()]
    for name in ("one", "two"):
        pod.terminated(name)
        found.append(pod.output(name))
    assert len(set(found)) == 3
    assert all(int(number) > 0 for number in found)
