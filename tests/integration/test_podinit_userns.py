# SPDX-License-Identifier: Apache-2.0
"""The steps in a user namespace, where the host's side has to help, and the steps of an exec."""

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import (
    ALLOW_ALL,
    FOURTEEN,
    MOUNTS,
    NO_CAPABILITIES,
    NOSUID,
    RDONLY,
    bind,
    build_image,
    mountinfo,
    shell,
    tmpfs,
)

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "runtime_core/podinit"
SET = {**NO_CAPABILITIES, **dict.fromkeys(("bounding", "effective", "permitted"), FOURTEEN)}
END: list[Any] = [["capabilities", SET], ["user", 0, 0, []], ["no_new_privileges"]]
BASE = 100000


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("driver") / "steps_driver"
    sources = [path for path in sorted(SOURCE.glob("*.c")) if path.name != "main.c"]
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    subprocess.run(["gcc", *flags, "-I", SOURCE, "-o", binary, HERE / "steps_driver.c", *sources], check=True)
    return binary


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may pass, with a root in it that belongs to the namespace's root."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        image = build_image(path / "image")
        for entry in (image, *image.rglob("*")):
            os.lchown(entry, BASE, BASE)
        yield path


def drive(
    driver: Path, folder: Path, steps: list[Any], args: list[str], mode: str = "userns", **how: bool
) -> tuple[int, str, str]:
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"steps": steps, "args": args, "cwd": "/", "deny": False, "hostPid": False, **how}))
    command = [driver, mode, plan]
    done = subprocess.run(command, env={"ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def steps_in(folder: Path, *before: list[Any], after: Sequence[list[Any]] = (), end: list[Any] = END) -> list[Any]:
    return [["rootfs", str(folder / "image")], *MOUNTS, *before, ["pivot_root"], *after, *end]


def succeed(driver: Path, folder: Path, steps: list[Any], script: str) -> list[str]:
    code, output, errors = drive(driver, folder, steps, shell(script))
    assert (code, errors) == (0, "")
    return output.splitlines()


def test_mounts_of_a_user_namespace(driver: Path, folder: Path) -> None:
    steps = steps_in(
        folder,
        ["mount", "sysfs", "sysfs", "/sys", NOSUID, [], {}],
        ["mount", "devpts", "devpts", "/dev/pts", NOSUID, ["newinstance", "ptmxmode=0666", "gid=5"], {}],
        ["mount", "mqueue", "mqueue", "/dev/mqueue", NOSUID, [], {}],
        tmpfs("/bin", copyup=True),
        after=[["readonly_path", "/proc/sys"], ["mask_path", "/proc/version"], ["mask_path", "/sys/firmware"]],
    )
    lines = succeed(
        driver, folder, steps, "cat /proc/self/uid_map; ls /bin/sh; cat /proc/version; cat /proc/self/mountinfo"
    )
    assert lines[0].split() == ["0", str(BASE), "65536"]
    assert lines[1] == "/bin/sh"
    output = "\n".join(lines)
    for path in ("/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/mqueue", "/bin"):
        assert mountinfo(output, path)
    assert "ro" in mountinfo(output, "/proc/sys")[0]
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


def test_devices_of_a_user_namespace_are_the_hosts(driver: Path, folder: Path) -> None:
    steps = steps_in(
        folder,
        ["device", "c", "/dev/other-name", 1, 7, 0o666, 0, 0],
        ["device", "p", "/dev/queue", 0, 0, 0o640, 5, 6],
    )
    script = (
        "stat -c '%n %F %t,%T' /dev/null /dev/zero /dev/other-name; stat -c '%F %a %u %g' /dev/queue; echo >/dev/null"
    )
    assert succeed(driver, folder, steps, script) == [
        "/dev/null character special file 1,3",
        "/dev/zero character special file 1,5",
        "/dev/other-name character special file 1,7",
        "fifo 640 5 6",
    ]


def test_a_device_that_the_host_lacks(driver: Path, folder: Path) -> None:
    steps = steps_in(folder, ["device", "c", "/dev/none", 240, 77, 0o666, 0, 0])
    code, _, errors = drive(driver, folder, steps, ["/bin/sh"])
    assert code == 125
    assert errors.startswith(
        "step 7 device: /dev/none: the host has no such device, and a user namespace cannot make one"
    )


@pytest.mark.parametrize("shape", ["link", "directory"])
def test_s20_a_bound_device_follows_no_link(driver: Path, folder: Path, shape: str) -> None:
    path = folder / "image/node"
    path.symlink_to("bin/busybox") if shape == "link" else path.mkdir()
    code, _, errors = drive(driver, folder, steps_in(folder, ["device", "c", "/node", 1, 7, 0o666, 0, 0]), ["/bin/sh"])
    assert (code, errors) == (125, "step 7 device: /node exists and is not this device\n")


def test_binds_of_what_only_the_host_may_see(driver: Path, folder: Path) -> None:
    secret = folder / "private/secret"
    secret.mkdir(parents=True)
    (folder / "private").chmod(0o700)
    (secret / "file").write_text("found")
    (secret / "file").chmod(0o600)
    mapping = {"uid": [[0, BASE, 65536]], "gid": [[0, BASE, 65536]]}
    steps = steps_in(folder, bind(secret, "/plain", RDONLY), bind(secret, "/mapped", idmap=mapping))
    look = "stat -c '%u %g' /plain/file /mapped/file; cat /mapped/file; echo; cat /proc/self/mountinfo"
    script = f"cat /plain/file 2>&1; {look}"
    lines = succeed(driver, folder, steps, script)
    assert lines[:4] == ["cat: can't open '/plain/file': Permission denied", "65534 65534", "0 0", "found"]
    assert "ro" in mountinfo("\n".join(lines), "/plain")[0]
    assert "idmapped" in mountinfo("\n".join(lines), "/mapped")[0]


def test_a_bind_that_fails_on_the_host_names_its_step(driver: Path, folder: Path) -> None:
    code, _, errors = drive(driver, folder, steps_in(folder, bind("/none", "/x")), ["/bin/sh"])
    assert (code, errors) == (125, "step 7 bind: source /none: No such file or directory\n")


def test_hooks_without_anybody_to_run_them_are_an_error(driver: Path, folder: Path) -> None:
    code, _, errors = drive(driver, folder, steps_in(folder, ["hooks"]), ["/bin/sh"])
    assert (code, errors) == (125, "step 7 hooks: nobody is there to run them\n")


def test_limits_and_names_of_a_user_namespace(driver: Path, folder: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    after = [
        ["hostname", "inside"],
        ["sysctl", "net.ipv4.ip_unprivileged_port_start", "80"],
        ["rlimit", "RLIMIT_NOFILE", hard, hard],
        ["rlimit", "RLIMIT_CORE", 0, 0],
        ["oom_score_adj", 500],
        ["umask", 0o27],
    ]
    script = """
    hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ulimit -Hn; ulimit -c
    cat /proc/self/oom_score_adj; umask; grep CapEff /proc/self/status
    """
    lines = succeed(driver, folder, steps_in(folder, after=after), script)
    assert lines == ["inside", "80", str(hard), "0", "500", "0027", f"CapEff:\t{int(FOURTEEN, 16):016x}"]


def test_s33_where_setgroups_is_denied_there_are_no_groups_to_set(driver: Path, folder: Path) -> None:
    code, output, errors = drive(driver, folder, steps_in(folder), shell("echo works"), deny=True)
    assert (code, output, errors) == (0, "works\n", "")
    steps = steps_in(folder, end=[END[0], ["user", 0, 0, [5]]])
    code, _, errors = drive(driver, folder, steps, shell("echo works"), deny=True)
    assert (code, errors) == (125, "setgroups : Operation not permitted\n")


@pytest.mark.parametrize("shape", ["bound", "none"])
def test_s24_without_a_pid_namespace_the_hosts_procfs_is_written(driver: Path, folder: Path, shape: str) -> None:
    """A user namespace may mount a procfs only for a PID namespace of its own."""
    mounts = steps_in(folder, after=[["oom_score_adj", 400], ["sysctl", "net.ipv4.ip_unprivileged_port_start", "7"]])
    mounts[1:2] = [bind("/proc", "/proc", recursive=True)] if shape == "bound" else []
    script = "cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_unprivileged_port_start"
    code, output, _ = drive(driver, folder, mounts, shell(script if shape == "bound" else "echo works"), hostPid=True)
    assert (code, output) == (0, "400\n7\n" if shape == "bound" else "works\n")


def test_a_filter_is_read_where_the_host_sees_it(driver: Path, folder: Path) -> None:
    (folder / "filter").write_bytes(ALLOW_ALL)
    (folder / "filter").chmod(0o600)
    steps = steps_in(folder, end=[*END, ["seccomp", str(folder / "filter"), 0, "", ""]])
    assert succeed(driver, folder, steps, "grep ^Seccomp: /proc/self/status") == ["Seccomp:\t2"]


@pytest.mark.parametrize("nnp", [True, False])
def test_steps_of_an_exec(driver: Path, folder: Path, nnp: bool) -> None:
    (folder / "filter").write_bytes(ALLOW_ALL)
    steps = [
        ["rlimit", "RLIMIT_CORE", 0, 0],
        ["oom_score_adj", 500],
        ["umask", 0o77],
        ["scheduler", 3, 0, 0, 0, 0, 0, 0],
        ["capabilities", SET],
        ["user", 1000, 1000, [7]],
        *([["no_new_privileges"]] if nnp else []),
        ["seccomp", str(folder / "filter"), 1, "/run/listener.sock", "about"],  # with TSYNC, which a listener rules out
    ]
    script = "umask; cat /proc/self/oom_score_adj; id -G; grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status"
    code, output, errors = drive(driver, folder, steps, shell(script), mode="exec")
    assert (code, errors) == (0, "")
    expected = ["listener /run/listener.sock about", "0077", "500", "1000 7"]
    assert output.splitlines() == [*expected, f"CapBnd:\t{int(FOURTEEN, 16):016x}", f"NoNewPrivs:\t{int(nnp)}"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (["overlay"], "step 0 overlay: not in a plan for exec"),
        (tmpfs("/x"), "step 0 mount: not in a plan for exec"),
        (["pivot_root"], "step 0 pivot_root: not in a plan for exec"),
        (["hostname", "x"], "step 0 hostname: not in a plan for exec"),
        (["umask", 0], "steps lack one of capabilities, user"),
    ],
)
def test_a_plan_for_exec_is_about_a_process(driver: Path, folder: Path, step: list[Any], message: str) -> None:
    code, _, errors = drive(driver, folder, [step], ["/bin/sh"], mode="exec")
    assert (code, errors) == (125, f"{message}\n")
