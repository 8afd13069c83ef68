# SPDX-License-Identifier: Apache-2.0
"""SIGKILL anywhere: the next apply converges, and delete leaves nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod, statuses

KILLER = Path(__file__).with_name("killer.py")
MANIFEST = pod("web", container("a", "sleep 100000"), container("b", "while true; do date; sleep 1; done"))


@pytest.fixture
def host(host: Host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    host.run("import", tmp_path / "layout", IMAGE)
    return host


def edited(value: str) -> dict:
    manifest = json.loads(json.dumps(MANIFEST))
    manifest["spec"]["containers"][0]["env"] = [{"name": "EDIT", "value": value}]
    return manifest


def killed_at(host: Host, step: int, *arguments: str, manifest: dict | None = None) -> tuple[bool, int]:
    """Run podwright and kill it at its N-th touch of the host; tell whether it was killed, and how many there were."""
    command = [sys.executable, KILLER, str(step), *arguments]
    text = json.dumps(manifest) if manifest else ""
    done = subprocess.run(command, env=host.env, input=text, text=True, capture_output=True, timeout=120)
    if done.returncode == -signal.SIGKILL:
        return True, step
    assert done.returncode == 0, done.stderr
    return False, int(done.stderr.splitlines()[-1])


def well(host: Host) -> bool:
    found = host.pod("web")
    states = statuses(found)
    return found["status"]["phase"] == "Running" and all("running" in item["state"] for item in states.values())


def steps(total: int, wanted: int) -> list[int]:
    return sorted({1 + index * (total - 1) // (wanted - 1) for index in range(wanted)})


def test_apply_killed_at_any_step_converges(host):
    _, total = killed_at(host, 0, "apply", "-f", "-", manifest=MANIFEST)
    assert well(host)
    host.delete("web")
    kills = 0
    for step in steps(total, 25):
        killed, _ = killed_at(host, step, "apply", "-f", "-", manifest=MANIFEST)
        kills += killed
        host.apply(MANIFEST, "--wait")
        assert well(host), f"after a kill at step {step} of {total}"
        assert "unchanged" in host.apply(MANIFEST).stdout
        host.delete("web")
    assert kills > 20, "the steps are fewer than were counted"


def test_apply_killed_and_then_deleted_leaves_nothing(host):
    _, total = killed_at(host, 0, "apply", "-f", "-", manifest=MANIFEST)
    host.delete("web")
    before = host.snapshot()
    for step in steps(total, 15):
        killed_at(host, step, "apply", "-f", "-", manifest=MANIFEST)
        host.run("delete", "pod", "web", "--grace-period", "0", check=False)  # early on there is no pod yet
        eventually(lambda: not host.processes(), "the end of all processes")
        assert not _relevant(host.snapshot().new_since(before)), f"step {step} of {total}"


def test_delete_killed_at_any_step_can_be_repeated(host):
    host.apply(MANIFEST)
    _, total = killed_at(host, 0, "delete", "pod", "web", "--grace-period", "0")
    before = host.snapshot()
    for step in steps(total, 15):
        host.apply(MANIFEST)
        killed_at(host, step, "delete", "pod", "web", "--grace-period", "0")
        host.run("delete", "pod", "web", "--grace-period", "0", check=False)
        eventually(lambda: not host.processes(), "the end of all processes")
        assert not _relevant(host.snapshot().new_since(before)), f"step {step} of {total}"


def test_update_killed_at_any_step_ends_at_what_was_asked_last(host):
    host.apply(MANIFEST)
    _, total = killed_at(host, 0, "apply", "-f", "-", manifest=edited("0"))
    for step in steps(total, 12):
        killed_at(host, step, "apply", "-f", "-", manifest=edited(str(step)))
        last = edited("0") if step % 2 else edited(f"{step}-after")  # back to the old words, or on to new ones
        host.apply(last, "--wait")
        assert _env_of(host, "a") == last["spec"]["containers"][0]["env"][0]["value"], f"step {step} of {total}"
        assert "unchanged" in host.apply(last).stdout
    host.delete("web")


def resized(mib: int) -> dict:
    """The first container has to start again for other memory; the second one has not."""
    manifest = json.loads(json.dumps(MANIFEST))
    for index, item in enumerate(manifest["spec"]["containers"]):
        item["resources"] = {"limits": {"memory": f"{mib + index}Mi"}}
    manifest["spec"]["containers"][0]["resizePolicy"] = [
        {"resourceName": "memory", "restartPolicy": "RestartContainer"}
    ]
    return manifest


def test_resize_killed_at_any_step_ends_at_what_was_asked_last(host):
    host.apply(resized(32))
    _, total = killed_at(host, 0, "apply", "-f", "-", manifest=resized(64))
    for step in steps(total, 12):
        killed_at(host, step, "apply", "-f", "-", manifest=resized(70 + step))
        last = resized(64) if step % 2 else resized(48)
        host.apply(last, "--wait")
        assert well(host), f"after a kill at step {step} of {total}"
        limits = [statuses(host.pod("web"))[name]["resources"]["limits"] for name in "ab"]
        assert limits == [item["resources"]["limits"] for item in last["spec"]["containers"]]
        assert "unchanged" in host.apply(last).stdout, "nor do the cgroups differ"
    host.delete("web")


def test_apply_killed_at_ten_random_moments_converges(host):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    begin = time.monotonic()
    host.apply(MANIFEST)
    usual = time.monotonic() - begin
    host.delete("web")
    command = [Path(sys.executable).with_name("podwright"), "apply", "-f", "-"]
    for _ in range(10):
        with subprocess.Popen(command, env=host.env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as caller:
            caller.stdin.write(json.dumps(MANIFEST).encode())
            caller.stdin.close()
            time.sleep(moments.uniform(0, usual))
            caller.kill()
        host.apply(MANIFEST, "--wait")
        assert well(host)
        host.delete("web")


def test_a_killed_supervisor_is_named_and_repaired(host):
    host.apply(MANIFEST, "--wait")
    before = host.pod("web")
    supervisor = _supervisor_state(host)["supervisorPid"]
    containers = [item["pid"] for item in _supervisor_state(host)["containers"]]
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: host.pod("web")["status"]["phase"] == "Unknown", "the loss to be seen")
    assert all(map(_lives, containers)), "the containers died with their supervisor"
    plan = host.apply(MANIFEST, "--dry-run").stdout
    assert "repaired" in plan
    assert "supervisor" in plan
    assert "repaired" in host.apply(MANIFEST, "--wait").stdout
    assert well(host)
    assert host.pod("web")["metadata"]["uid"] == before["metadata"]["uid"]
    assert host.pod("web")["status"]["podIP"] == before["status"]["podIP"]
    assert not any(map(_lives, containers)), "the old containers still run"
    assert "unchanged" in host.apply(MANIFEST).stdout
    host.delete("web")


def test_delete_after_the_supervisor_was_killed_leaves_nothing(host):
    host.apply(MANIFEST)
    host.delete("web")  # the first pod leaves what is the installation's: bridge, folders, lock files
    before = host.snapshot()
    host.apply(MANIFEST, "--wait")
    os.kill(_supervisor_state(host)["supervisorPid"], signal.SIGKILL)
    host.delete("web")
    eventually(lambda: not host.processes(), "the end of all processes")
    assert not _relevant(host.snapshot().new_since(before))


def test_a_killed_pause_is_repaired(host):
    host.apply(MANIFEST, "--wait")
    os.kill(_supervisor_state(host)["pausePid"], signal.SIGKILL)
    eventually(lambda: "repaired" in host.apply(MANIFEST, "--wait").stdout, "the repair")
    assert well(host)
    host.delete("web")


def test_a_killed_container_is_restarted_without_an_apply(host):
    host.apply(MANIFEST, "--wait")
    os.kill(_supervisor_state(host)["containers"][0]["pid"], signal.SIGKILL)
    eventually(lambda: statuses(host.pod("web"))["a"]["restartCount"] == 1, "the restart")
    eventually(lambda: well(host), "the container to run again")
    assert statuses(host.pod("web"))["a"]["lastState"]["terminated"]["exitCode"] == 137
    assert statuses(host.pod("web"))["b"]["restartCount"] == 0
    host.delete("web")


def _lives(pid: int) -> bool:
    """Tell whether a process runs; one that its new parent has not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _supervisor_state(host: Host) -> dict:
    uid = host.pod("web")["metadata"]["uid"]
    return json.loads((host.run_dir / "run/pods" / uid / "state.json").read_text())


def _env_of(host: Host, name: str) -> str:
    pid = next(item["pid"] for item in _supervisor_state(host)["containers"] if item["name"] == name)
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((item[5:].decode() for item in environment if item.startswith(b"EDIT=")), "")


def _relevant(new: dict) -> dict:
    """Leave out what belongs to the installation and not to the pod: its bridge, its NAT, and folders for good."""
    keep = {"processes", "mounts", "namespaces", "cgroups", "leases", "files"}
    return {what: items for what, items in new.items() if what in keep and items}
