# SPDX-License-Identifier: Apache-2.0
"""podinit supervise against the real kernel, with plans written by hand: a pod's life."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import UID, Pod, bind, cgroup, children, default_steps, fresh_pod, processes_under, shell, until
from podwright.errors import HostError
from podwright.files import is_locked
from podwright.pods.supervisor import Supervisor

not_sanitized = pytest.mark.skipif(
    "asan" in os.environ.get("PODINIT", ""),
    reason="the sanitized binary is large, and dynamic: no container can run it",
)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


KILL, TERM = int(signal.SIGKILL), int(signal.SIGTERM)


def test_two_containers_share_what_a_pod_shares_and_leave_nothing(pod: Pod, tmp_path: Path) -> None:
    look = "hostname; cat /proc/self/status; for n in net ipc uts pid mnt cgroup; do readlink /proc/1/ns/$n; done"
    pod.container("server", shell(f"{look}; echo done; exec sleep 1000"))
    pod.container("client", shell(f"{look}; echo done; exec sleep 1000"))
    assert pod.start() == {"status": "ok"}
    assert pod.running("server") != pod.running("client")
    for name in ("server", "client"):
        pod.wait_for_output(name, "done")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert pod.ask("signal", container="client", signal=KILL) == {"id": 7, "status": "ok"}
    end = pod.terminated("client")
    assert (end["exitCode"], end["signal"], end["reason"]) == (137, 9, "Error")
    assert pod.stop(grace=0) == 0

    server, client = (pod.output(name).splitlines() for name in ("server", "client"))
    for lines in (server, client):
        assert lines[0] == "web-host"
        assert {"CapEff:\t00000000a80425fb", "CapBnd:\t00000000a80425fb", "NoNewPrivs:\t1"} <= set(lines)
    assert server[-7:-4] == client[-7:-4]  # net, ipc, uts
    assert not set(server[-4:-1]) & set(client[-4:-1])  # pid, mnt, cgroup
    assert os.readlink("/proc/self/ns/net") not in server
    assert processes_under(str(tmp_path)) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert sorted(os.listdir(pod.run_dir)) == ["lock", "state.json"]
    assert pod.state()["pausePid"] == 0


def test_a_container_starts_with_nothing_but_its_streams(pod: Pod) -> None:
    pod.container("app", ["sleep", "1000"])
    pod.start()
    fds = Path(f"/proc/{pod.running('app')}/fd")
    targets = {entry.name: os.readlink(entry) for entry in fds.iterdir()}
    assert targets.keys() == {"0", "1", "2"}
    assert (fds / "0").stat().st_rdev == os.makedev(1, 3)  # its name depends on the root of who asks
    assert targets["1"].endswith("app.out") and targets["2"].endswith("app.err")
    environment = (fds.parent / "environ").read_bytes()
    assert environment == b"PATH=/usr/bin:/bin\0GREETING=hello\0"


@not_sanitized
def test_a_container_that_runs_podinit_cannot_write_to_it(pod: Pod) -> None:
    end, _ = pod.run("/proc/self/exe")  # CVE-2019-5736
    assert end["exitCode"] == 2
    assert any(line.startswith("usage: podinit supervise") for _, _, line in pod.log_lines("app"))
    for pid in (pod.pid, pod.state()["pausePid"]):
        assert os.statvfs(f"/proc/{pid}/exe").f_flag & os.ST_RDONLY


def test_supervisor_and_pause_enter_their_cgroup(pod: Pod) -> None:
    with cgroup("pids", "sandbox") as sandbox, cgroup("pids", "app") as group:
        pod.sandbox["cgroups"] = [str(sandbox)]
        pod.container("app", ["sleep", "1000"], cgroups=[str(group)])
        pod.start()
        inside = {int(pid) for pid in (sandbox / "cgroup.procs").read_text().split()}
        assert inside == {pod.pid, pod.state()["pausePid"]}
        assert (group / "cgroup.procs").read_text().split() == [str(pod.running("app"))]
        assert pod.stop() == 0


def test_exit_code_and_log_in_cri_format(pod: Pod) -> None:
    end, _ = pod.run(*shell("echo one; echo two >&2; printf three; exit 3"))
    assert (end["exitCode"], end["reason"], "signal" in end) == (3, "Error", False)
    lines = pod.log_lines("app")
    assert [line for line in lines if line[0] == "stdout"] == [("stdout", "F", "one"), ("stdout", "P", "three")]
    assert ("stderr", "F", "two") in lines
    stamp = (pod.pod_dir / "containers/app/logs/0.log").read_text().split(" ", 1)[0]
    assert len(stamp) == len("2026-01-02T03:04:05.123456789Z") and stamp.endswith("Z")


def test_long_lines_are_split_at_16_kib(pod: Pod) -> None:
    pod.run(
        *shell("dd if=/dev/zero bs=20000 count=1 2>/dev/null; echo; dd if=/dev/zero bs=16384 count=1 2>/dev/null; echo")
    )
    assert [(tag, len(text)) for _, tag, text in pod.log_lines("app")] == [("P", 16384), ("F", 3616), ("F", 16384)]


@pytest.mark.parametrize(
    ("args", "fields", "message"),
    [
        (["nothing-here"], {}, "exec nothing-here: executable file not found in $PATH"),
        (["/bin/none"], {}, "exec /bin/none: No such file or directory"),
        (["/bin"], {}, "exec /bin: Permission denied"),
        (["sleep"], {"cwd": "/bin/busybox"}, "working directory /bin/busybox: Not a directory"),
        (["sleep"], {"cwd": "/proc/self/fd/7"}, "working directory /proc/self/fd/7: No such file or directory"),
        (["sleep"], {"lower": ["/does/not/exist"]}, "step 0 overlay: layer /does/not/exist: No such file or directory"),
        (["sleep"], {"cgroups": ["/does/not/exist"]}, "enter cgroup /does/not/exist: No such file or directory"),
        (["sleep"], {"steps": default_steps(before=[["mount", "none", "", "/x", 0, [], {}]])}, "step 7 mount: file"),
        (["sleep"], {"steps": default_steps(before=[bind("/etc/hosts", "/")])}, "step 7 bind: target / is"),
        (["sleep"], {"steps": default_steps(before=[bind("/etc/hosts", "/proc/version")])}, "is inside /proc"),
        (["sleep"], {"steps": [["overlay"], ["fly"]]}, "plan.json: step 1: unknown kind"),
        (["sleep"], {"steps": [["pivot_root"], ["overlay"]]}, "plan.json: step 1 overlay: out of order"),
        (["sleep"], {"steps": [["overlay"], ["pivot_root"]]}, "steps lack one of overlay or rootfs, pivot_root"),
        (["sleep"], {"steps": [["overlay", 1]]}, "plan.json: step 0 overlay: wrong arguments"),
        (["sleep"], {"surprise": 1}, "plan.json: unknown field surprise"),
        (["sleep"], {"version": 1}, "plan.json: field version must be an integer from 2 to 2"),
        (["sleep"], {"stopSignal": 1.5}, "plan.json: not valid JSON at byte"),
    ],
)  # fmt: skip
def test_what_cannot_start_says_why(pod: Pod, args: list[str], fields: dict[str, Any], message: str) -> None:
    end, _ = pod.run(*args, **fields)
    assert (end["exitCode"], end["reason"]) == (128, "StartError")
    assert message in end["message"]
    assert pod.stop() == 0


def test_a_bad_sandbox_plan_is_an_error_and_leaves_nothing(pod: Pod) -> None:
    pod.container("app", ["sleep", "1000"])
    pod.sandbox["surprise"] = True
    assert pod.start() == {"status": "error", "message": "sandbox.json: unknown field surprise"}
    until(lambda: all(not processes_under(str(pod.pod_dir)) for _ in children()), "it lives on")
    assert "unknown field surprise" in pod.supervisor_log()


def test_a_sandbox_that_fails_is_undone(pod: Pod) -> None:
    pod.container("app", ["sleep", "1000"])
    pod.sandbox["hostname"] = "x" * 65
    answer = pod.start()
    assert answer["status"] == "error" and "hostname" in answer["message"]
    assert os.listdir(pod.run_dir) == ["lock"]


def test_restart_is_immediate_once_then_backs_off_on_a_fresh_root(pod: Pod) -> None:
    pod.restart_policy = "Always"
    deep = "/".join("d" * 100)
    pod.container("app", shell(f"[ -e /marker ] && echo stale; mkdir -p /{deep}; touch /marker; exit 1"))
    pod.start()
    waiting = until(
        lambda: pod.status("app")["state"].get("waiting", {}).get("message") and pod.status("app"), "no back-off"
    )
    assert waiting["restartCount"] == waiting["attempt"] == 1
    assert waiting["pid"] == 0
    assert waiting["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": f"back-off 10s restarting failed container=app pod=web_default({UID})",
    }
    assert waiting["lastState"]["terminated"]["exitCode"] == 1
    assert (pod.output("app", 0), pod.output("app", 1)) == ("", "")
    assert os.listdir(pod.pod_dir / "containers/app/rw") == ["1"]
    assert pod.stop() == 0


@pytest.mark.parametrize(("policy", "code", "restarts"), [("OnFailure", 0, 0), ("OnFailure", 1, 1), ("Never", 1, 0)])
def test_restart_policy(pod: Pod, policy: str, code: int, restarts: int) -> None:
    pod.restart_policy = policy
    pod.container("app", shell(f"exit {code}"))
    pod.start()
    until(lambda: "running" not in (entry := pod.status("app"))["state"] and entry["restartCount"] == restarts, policy)
    if not restarts:
        assert pod.terminated("app")["reason"] == ("Error" if code else "Completed")


def test_update_restarts_one_container_from_its_new_plan(pod: Pod) -> None:
    for name in ("app", "other"):
        pod.container(name, shell("trap 'exit 0' TERM; echo old; while :; do sleep 0.01; done"))
    pod.start()
    app, other = pod.running("app"), pod.running("other")
    pod.wait_for_output("app", "old")  # before its trap stands, PID 1 of a namespace ignores the signal
    pod.container("app", shell("echo new; exec sleep 1000"), hash="1" * 64)
    assert pod.ask("update", containers=["app"], grace=20) == {"id": 7, "status": "ok"}
    entry = pod.status("app")
    assert "running" in entry["state"] and entry["pid"] != app
    assert (entry["restartCount"], entry["hash"]) == (1, "1" * 64)
    assert entry["lastState"]["terminated"]["exitCode"] == 0
    assert pod.running("other") == other
    pod.wait_for_output("app", "new", 1)
    pod.container("app", ["nothing-here"])
    assert pod.ask("update", containers=["app"], grace=0)["status"] == "ok"
    assert pod.terminated("app")["reason"] == "StartError"


def test_a_held_container_starts_with_the_next_update(pod: Pod) -> None:
    for name in ("app", "other"):
        pod.container(name, shell("echo up; exec sleep 1000"))
    pod.start()
    other = pod.running("other")
    pod.wait_for_output("app", "up")
    assert pod.ask("hold", containers=["app"], grace=0) == {"id": 7, "status": "ok"}
    held = pod.status("app")
    assert (held["pid"], held["restartCount"]) == (0, 0)
    assert held["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert pod.ask("hold", containers=["app"], grace=0)["status"] == "ok"
    time.sleep(0.3)
    assert pod.status("app")["pid"] == 0
    assert pod.ask("update", containers=["app"], grace=0)["status"] == "ok"
    assert pod.running("app")
    assert pod.status("app")["restartCount"] == 1
    assert pod.running("other") == other
    pod.ask("hold", containers=["app"], grace=0)
    assert pod.stop(grace=0) == 0


def test_stop_sends_the_stop_signal_then_kills_after_the_grace_period(pod: Pod) -> None:
    pod.container("deaf", shell("trap '' TERM; echo up; while :; do sleep 0.01; done"))
    pod.container(
        "good", shell("trap 'exit 5' USR1; echo up; while :; do sleep 0.01; done"), stopSignal=int(signal.SIGUSR1)
    )
    pod.start()
    pod.wait_for_output("deaf", "up")
    pod.wait_for_output("good", "up")
    assert pod.stop(grace=1) == 0
    assert pod.terminated("deaf")["exitCode"] == 137
    assert pod.terminated("good")["exitCode"] == 5


def test_sigterm_stops_the_pod(pod: Pod) -> None:
    pod.sandbox["gracePeriod"] = 0
    pod.container("app", ["sleep", "1000"])
    pod.start()
    os.kill(pod.pid, TERM)
    assert pod.wait() == 0
    assert children() == []


def test_containers_outlive_a_killed_supervisor_and_numbers_go_on(pod: Pod) -> None:
    pod.container("app", shell("while echo alive; do sleep 0.01; done"))
    pod.start()
    app, pause = pod.running("app"), pod.state()["pausePid"]
    until(lambda: pod.output("app"), "no output")
    os.kill(pod.pid, KILL)
    assert pod.wait() == -9
    assert {app, pause} <= set(children())
    written = Path(f"/proc/{app}/io").read_text()
    until(lambda: Path(f"/proc/{app}/io").read_text() != written, "the container does not go on")
    os.kill(app, KILL)
    os.kill(pause, KILL)

    pod.container("app", ["sleep", "1000"])
    assert pod.start() == {"status": "ok"}
    entry = pod.status("app")
    assert (entry["restartCount"], entry["attempt"]) == (1, 1)
    assert os.listdir(pod.pod_dir / "containers/app/rw") == ["1"]


def test_a_second_supervisor_is_refused(pod: Pod) -> None:
    pod.container("app", ["sleep", "1000"])
    pod.start()
    first, app = pod.pid, pod.running("app")
    assert pod.start() == {"status": "error", "message": "lock: the pod has a supervisor"}
    pod.pid = first
    assert pod.running("app") == app
    assert pod.ask("hello") == {"id": 7, "status": "ok", "version": 1}


def test_a_lost_sandbox_ends_the_pod(pod: Pod) -> None:
    pod.container("app", ["sleep", "1000"])
    pod.start()
    os.kill(pod.state()["pausePid"], KILL)
    assert pod.wait() == 1
    end = pod.terminated("app")
    assert (end["exitCode"], end["message"]) == (137, "the pod's sandbox was lost: its pause process ended")


def test_memory_hog_is_oom_killed(pod: Pod) -> None:
    with cgroup("memory", "oom") as group:
        (group / "memory.limit_in_bytes").write_text(str(32 << 20))
        events = {"file": str(group / "memory.oom_control"), "key": "oom_kill"}
        end, _ = pod.run("dd", "if=/dev/zero", "of=/dev/null", "bs=200M", cgroups=[str(group)], oomEvents=events)
        assert (end["exitCode"], end["signal"], end["reason"]) == (137, 9, "OOMKilled")
        pod.container("app", shell("exit 137"), cgroups=[str(group)], oomEvents=events)
        pod.ask("update", containers=["app"], grace=0)
        assert pod.terminated("app")["reason"] == "Error"  # the counter did not move
        pod.stop()


def test_fork_bomb_stops_at_the_pid_limit(pod: Pod) -> None:
    with cgroup("pids", "bomb") as group:
        (group / "pids.max").write_text("20")
        pod.container("app", shell("while :; do sleep 1000 & done; exec sleep 1000"), cgroups=[str(group)])
        pod.start()
        until(lambda: pod.log_lines("app"), "no complaint")
        assert any("fork" in text for _, _, text in pod.log_lines("app"))
        assert int((group / "pids.current").read_text()) <= 20
        assert pod.stop() == 0
        assert (group / "cgroup.procs").read_text() == ""


def test_a_full_disk_drops_lines_and_stops_nobody(pod: Pod, tmp_path: Path) -> None:
    logs = pod.pod_dir / "containers/app/logs"
    logs.mkdir(parents=True)
    assert os.spawnlp(os.P_WAIT, "mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(logs)) == 0
    try:
        end, _ = pod.run(*shell("yes 0123456789 | dd bs=1000 count=1000 2>/dev/null; echo end >&2"))
        assert end["reason"] == "Completed"
        lines = pod.log_lines("app")
        assert 0 < len(lines) < 2000
        assert {text for _, tag, text in lines if tag == "F"} <= {"0123456789", "end"}
        pod.stop()
    finally:
        assert os.spawnlp(os.P_WAIT, "umount", "umount", str(logs)) == 0


@not_sanitized
def test_an_idle_pod_costs_less_than_2_mb(pod: Pod) -> None:
    for name in ("app", "other"):
        pod.container(name, shell("yes | dd bs=1000 count=500 2>/dev/null; echo; echo end; exec sleep 1000"))
    pod.start()
    for name in ("app", "other"):
        pod.wait_for_output(name, "end")
    kibibytes = 0
    for pid in (pod.pid, pod.state()["pausePid"]):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kibibytes += int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))
    print(f"supervisor and pause: {kibibytes} KiB")
    assert kibibytes < 2048


def test_a_log_is_bounded_and_shows_the_last_lines(pod: Pod) -> None:
    script = "yes 0123456789 | dd bs=1M count=20 iflag=fullblock 2>/dev/null; dd if=/dev/zero bs=1M count=5; echo end"
    end, output = pod.run(*shell(script))
    assert end["reason"] == "Completed"
    assert output.endswith("end")
    logs = pod.pod_dir / "containers/app/logs"
    assert sorted(path.name for path in logs.iterdir()) == ["0.log", "0.log.1"]
    assert all(path.stat().st_size < 11 << 20 for path in logs.iterdir())
    assert (logs / "0.log.1").stat().st_size >= 10 << 20
    pod.stop()


def with_content(pod: Pod) -> None:
    """Give the pod a volume that is to be filled, which its container reads."""
    (pod.pod_dir / "volumes" / "v").mkdir(parents=True)
    pod.sandbox["memoryVolumes"] = [{"path": "volumes/v", "size": 0, "content": True}]
    seen = bind(pod.pod_dir / "volumes" / "v", "/v")
    pod.container("app", shell("cat /v/word; echo done; exec sleep 1000"), steps=default_steps(before=[seen]))


def test_volumes_with_a_content_are_filled_before_a_container_starts(pod: Pod) -> None:
    with_content(pod)
    pod.write_sandbox()

    def fill(folder: str) -> None:
        assert not (pod.run_dir / "state.json").exists(), "a container was begun before"
        Path(folder, "volumes/v/word").write_text("filled\n")

    supervisor = Supervisor(pod.binary, str(pod.pod_dir), str(pod.run_dir))
    supervisor.start(fill)
    pod.pid = pod.state()["supervisorPid"]
    pod.wait_for_output("app", "filled\ndone")
    assert os.readlink(f"/proc/{pod.pid}/fd/0") == "/dev/null"
    assert os.listdir(pod.pod_dir / "volumes" / "v") == [], "it is on the disk"
    with supervisor.folder() as folder:
        assert Path(folder, "volumes/v/word").read_text() == "filled\n"


def test_a_supervisor_whose_volumes_nobody_fills_ends(pod: Pod) -> None:
    with_content(pod)
    with open(pod.spawn(), "rb") as ready:
        lines = [json.loads(line) for line in ready]
    assert [line["status"] for line in lines] == ["mounted", "error"]
    assert lines[1]["message"] == "memoryVolumes: whoever started the pod has not filled them"
    until(lambda: not is_locked(f"{pod.run_dir}/lock"), "it does not end")
    assert not (pod.pod_dir / "containers" / "app" / "logs").exists()


def test_who_cannot_fill_leaves_no_supervisor(pod: Pod) -> None:
    with_content(pod)
    pod.write_sandbox()
    pids = []

    def fill(folder: str) -> None:
        pids.append(os.stat(folder))
        raise HostError("no room")

    supervisor = Supervisor(pod.binary, str(pod.pod_dir), str(pod.run_dir))
    with pytest.raises(HostError, match="no room"):
        supervisor.start(fill)
    assert len(pids) == 1
    until(lambda: not supervisor.alive(), "it does not end")
