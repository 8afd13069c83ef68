# SPDX-License-Identifier: Apache-2.0
"""Pods under runc, crun and youki: the same supervisor drives them, and a pod is the same pod."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from hosttools import Host
from imagetools import busybox_layer, make_layout
from podtools import IMAGE, container, eventually, pod, statuses
from podwright.pods import external

RUNTIMES = {name: f"{shutil.which(name)}" for name in ("crun", "runc")}
if YOUKI := shutil.which("youki"):  # Debian has none
    RUNTIMES["youki"] = YOUKI
FOREVER = "while true; do sleep 1; done"


class RuntimeHost(Host):
    """An installation whose pods ask for no filter when their runtime was built without seccomp."""

    def fitting(self, manifest: dict) -> dict:
        if external.can_filter(RUNTIMES[self.config.pods_runtime]):
            return manifest
        context = {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
        return manifest | {"spec": manifest["spec"] | context}

    def apply(self, manifest: dict, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return super().apply(self.fitting(manifest), *options, check=check)


@pytest.fixture(scope="module", params=sorted(RUNTIMES))
def host(request, tmp_path_factory):
    """An installation whose pods run under that runtime."""
    name = request.param
    host = RuntimeHost(**{f"runtimes.{name}.path": RUNTIMES[name], "pods.runtime": name})
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_layout(layout, [busybox_layer()])
    host.run("import", layout, IMAGE)
    yield host
    host.close()


@pytest.fixture(scope="module")
def name(host):
    return host.config.pods_runtime


def logs(host: Host, pod_name: str, which: str) -> list[str]:
    return host.run("logs", pod_name, "-c", which).stdout.splitlines()


def state_of(host: Host, pod_name: str, which: str) -> dict:
    """What the supervisor says of a container, with its PID."""
    uid = host.pod(pod_name)["metadata"]["uid"]
    state = json.loads((host.run_dir / f"run/pods/{uid}/state.json").read_text())
    return next(item for item in state["containers"] if item["name"] == which)


def ask_runtime(host: Host, pod_name: str, *words: str) -> str:
    """What the runtime itself says of a pod's containers."""
    uid = host.pod(pod_name)["metadata"]["uid"]
    command = [RUNTIMES[host.config.pods_runtime], "--root", f"{host.run_dir}/run/pods/{uid}/runtime", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_pod_of_two_containers_shares_localhost(host):
    serve = "mkdir -p /www; echo it-works > /www/index.html; httpd -p 127.0.0.1:8080 -h /www; exec sleep 1000"
    ask = "while true; do wget -q -O - http://localhost:8080/; sleep 1; done"
    host.apply(pod("web", container("server", serve), container("client", ask)), "--wait")
    eventually(lambda: "it-works" in logs(host, "web", "client"), "an answer over localhost")
    assert host.apply(pod("web", container("server", serve), container("client", ask))).stdout.count("unchanged") == 1
    state = json.loads(ask_runtime(host, "web", "state", "server"))
    assert (state["id"], state["status"], state["pid"]) == ("server", "running", state_of(host, "web", "server")["pid"])
    host.delete("web")


def test_it_is_confined_as_under_podinit(host):
    script = (
        "id; hostname; grep -E '^(Cap[A-Z][a-z]*|NoNewPrivs|Seccomp):' /proc/self/status; unshare -U true 2>&1;"
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; touch /dev/shm/x && echo shm; echo $PPID $$;"
        "mknod /tun c 10 200; cat /tun 2>&1; ls /sys/fs/cgroup;"
        "touch /sys/fs/cgroup/x 2>&1; ls /proc/self/fd 2>/dev/null; true"
    )
    seen = {}
    for own in (False, True):
        extra = {"runtimeClassName": "podwright"} if own else {}
        host.apply(pod("c", container("c", script), restartPolicy="Never", **extra), "--wait")
        seen[own] = logs(host, "c", "c")
        host.delete("c")
    assert seen[False] == seen[True]


def test_output_and_exit_codes(host):
    manifest = pod(
        "codes",
        container("good", "echo out; echo err >&2; exit 0"),
        container("bad", "exit 7 # bad"),
        container("killed", "kill -9 $$ # itself; process 1 of its namespace does not hear it\nexit 3"),
        restartPolicy="Never",
    )
    host.apply(manifest)
    eventually(lambda: host.pod("codes")["status"]["phase"] == "Failed", "the end of all containers")
    ended = statuses(host.pod("codes"))
    assert {name: item["state"]["terminated"]["exitCode"] for name, item in ended.items()} == {
        "good": 0,
        "bad": 7,
        "killed": 3,
    }
    assert sorted(logs(host, "codes", "good")) == ["err", "out"]
    host.delete("codes")


def test_a_killed_container_is_started_again(host):
    host.apply(pod("again", container("a", FOREVER), container("b", FOREVER)), "--wait")
    before = {which: state_of(host, "again", which)["pid"] for which in "ab"}
    for _ in range(2):
        count = statuses(host.pod("again"))["a"]["restartCount"]
        os.kill(state_of(host, "again", "a")["pid"], signal.SIGKILL)
        eventually(lambda count=count: statuses(host.pod("again"))["a"]["restartCount"] > count, "a restart", 40)
        eventually(lambda: statuses(host.pod("again"))["a"]["ready"], "the container to run again", 40)
    after = {which: state_of(host, "again", which)["pid"] for which in "ab"}
    assert after["a"] != before["a"] and after["b"] == before["b"]
    assert statuses(host.pod("again"))["a"]["lastState"]["terminated"]["exitCode"] == 137
    host.delete("again")


def test_an_update_restarts_one_container(host):
    script = f'trap "exit 0" TERM; echo $GREETING; {FOREVER}'
    first = pod("up", container("a", script, env=[{"name": "GREETING", "value": "one"}]), container("b", script))
    host.apply(first, "--wait")
    before = state_of(host, "up", "b")
    first["spec"]["containers"][0]["env"][0]["value"] = "two"
    host.apply(first, "--wait")
    eventually(lambda: logs(host, "up", "a") == ["two"], "the new value")
    assert state_of(host, "up", "b") == before
    host.delete("up")


def test_a_container_over_its_memory_limit(host):
    hog = "x=0123456789abcdef; while true; do x=$x$x; done"
    limits = {"resources": {"limits": {"memory": "64Mi"}}}  # youki copies its own 11 MB into memory
    host.apply(pod("oom", container("hog", hog, **limits), restartPolicy="OnFailure"))
    for count in (1, 2):  # the limit holds after a restart too
        eventually(lambda count=count: statuses(host.pod("oom"))["hog"]["restartCount"] >= count, "a restart", 60)
        ended = statuses(host.pod("oom"))["hog"]["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    host.delete("oom")


def test_delete_leaves_nothing(host):
    before = host.snapshot()
    script = f"mkdir /made; {FOREVER}"
    host.apply(pod("gone", container("a", script), container("b", script)), "--wait")
    host.delete("gone")
    left = host.snapshot().new_since(before)
    assert {field: lines for field, lines in left.items() if field != "files"} == {}
    assert [path for path in left.get("files", []) if "/pods/" in path] == []


def test_s11_the_hosts_null_device_stays_roots(host):
    """runc 1.1 gives what it has as standard streams to the container's user."""
    before = os.stat("/dev/null")
    user = {"securityContext": {"runAsUser": 4711}}
    host.apply(pod("user", container("a", "cat; id -u", **user), restartPolicy="Never"), check=False)
    eventually(lambda: statuses(host.pod("user"))["a"]["state"].get("terminated"), "the end")
    assert host.runtime.logs("user") == ["4711"]  # and its standard input was at its end
    assert os.stat("/dev/null") == before
    host.delete("user")


def test_a_program_that_is_not_there(host, name):
    host.apply(pod("typo", container("a", "/nowhere"), restartPolicy="Never"), check=False)
    ended = eventually(lambda: statuses(host.pod("typo"))["a"]["state"].get("terminated"), "the end")
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert ended["message"].startswith(f"{name} ") and "/nowhere" in ended["message"]
    host.delete("typo")


def test_a_container_that_fails_to_start_keeps_its_cgroups(host):
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    manifest = pod("retry", container("a", "/nowhere", **limits), restartPolicy="Always")
    host.apply(manifest, check=False)
    eventually(lambda: statuses(host.pod("retry"))["a"]["restartCount"] >= 1, "a restart", 40)
    assert "/nowhere" in statuses(host.pod("retry"))["a"]["lastState"]["terminated"]["message"]
    # the limits are set; while a runtime makes the container anew, it has some devices more
    eventually(lambda: host.runtime.plan(host.fitting(manifest)).changes == [], "the limits that it shall have")
    host.delete("retry")


def test_the_supervisor_is_killed(host):
    manifest = pod("repair", container("a", FOREVER), container("b", FOREVER))
    host.apply(manifest, "--wait")
    uid = host.pod("repair")["metadata"]["uid"]
    state = json.loads((host.run_dir / f"run/pods/{uid}/state.json").read_text())
    os.kill(state["supervisorPid"], signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{state['supervisorPid']}").exists(), "the supervisor's end")
    host.apply(manifest, "--wait")
    assert host.pod("repair")["metadata"]["uid"] == uid
    pids = {item["pid"] for item in state["containers"]}
    assert not any(Path(f"/proc/{pid}/root").exists() for pid in pids)
    host.delete("repair")


def test_a_user_of_its_own_may_reopen_its_output(host, tmp_path):
    make_layout(tmp_path / "layout", [busybox_layer()], config={"User": "1000:1000"})
    host.run("import", tmp_path / "layout", "localhost/user:1")
    script = "id -u; echo reopened > /dev/stdout; echo done"
    host.apply(pod("user", container("u", script, image="localhost/user:1"), restartPolicy="Never"), "--wait")
    assert logs(host, "user", "u") == ["1000", "reopened", "done"]
    host.delete("user")


def test_a_broken_runtime_is_one_clear_error(tmp_path):
    program = tmp_path / "broken"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo broken 1 +SECCOMP && exit\necho no luck >&2\nexit 1\n')
    program.chmod(0o755)
    host = Host(**{"runtimes.broken.path": str(program), "runtimes.gone.path": str(tmp_path / "gone")})
    try:
        make_layout(tmp_path / "layout", [busybox_layer()])
        host.run("import", tmp_path / "layout", IMAGE)
        host.apply(pod("p", container("a", FOREVER), runtimeClassName="broken", restartPolicy="Never"))
        message = statuses(host.pod("p"))["a"]["state"]["terminated"]["message"]
        assert message == "broken create ended with exit code 1 and gave no reason"
        failed = host.apply(pod("q", container("a", FOREVER), runtimeClassName="gone"), check=False)
        assert failed.returncode and "runtimes.gone.path of the configuration" in failed.stderr
        failed = host.apply(pod("q", container("a", FOREVER), runtimeClassName="other"), check=False)
        assert failed.returncode and "add a section [runtimes.other]" in failed.stderr
        assert [item["metadata"]["name"] for item in host.pods()] == ["p"]
    finally:
        host.close()


def test_a_change_of_the_class_makes_the_pod_anew(tmp_path):
    host = Host(**{"runtimes.crun.path": RUNTIMES["crun"]})
    try:
        make_layout(tmp_path / "layout", [busybox_layer()])
        host.run("import", tmp_path / "layout", IMAGE)
        manifest = pod("p", container("a", FOREVER))
        host.apply(manifest, "--wait")
        manifest["spec"]["runtimeClassName"] = "crun"
        plan = host.runtime.plan(manifest)
        assert (plan.action, [change.path for change in plan.changes]) == ("recreate", ["spec.runtimeClassName"])
        host.apply(manifest, "--wait")
        assert "crun" in program_of(host, "p")
        default = host.config_path.read_text()
        del manifest["spec"]["runtimeClassName"]
        host.apply(manifest, "--wait")
        host.config_path.write_text(f'pods.runtime = "crun"\n{default}')
        assert host.runtime.plan(manifest).action == "none"  # the default holds for pods to come
        host.config_path.write_text(default)
    finally:
        host.close()


def program_of(host: Host, pod_name: str) -> str:
    """The program that the pod's supervisor was given."""
    uid = host.pod(pod_name)["metadata"]["uid"]
    return json.loads((host.root / f"lib/pods/{uid}/sandbox.json").read_text())["runtime"]["path"]


def test_probes_and_hooks_run_in_such_a_container(host: Host) -> None:
    def command(script: str) -> dict:
        return {"exec": {"command": ["/bin/sh", "-c", script]}}

    mount = [{"name": "data", "mountPath": "/data"}]
    app = container(
        "app",
        "trap 'echo told >> /data/log; exit 0' TERM; while :; do sleep 0.05; done",
        volumeMounts=mount,
        readinessProbe={**command("test -e /data/begun && test $(id -u) = 0"), "periodSeconds": 1},
        lifecycle={"postStart": command("touch /data/begun"), "preStop": command("echo pre >> /data/log")},
    )
    other = container("other", FOREVER, volumeMounts=mount)
    manifest = pod("hooked", app, other, volumes=[{"name": "data", "emptyDir": {}}], terminationGracePeriodSeconds=30)
    host.apply(manifest, "--wait")
    uid = host.pod("hooked")["metadata"]["uid"]
    log = Path(host.config.root) / f"pods/{uid}/volumes/data/log"
    host.apply(manifest | {"spec": manifest["spec"] | {"containers": [app | {"args": ["again"]}, other]}}, "--wait")
    assert log.read_text().split() == ["pre", "told"]
    host.run("delete", "pod", "hooked", "--grace-period", "0")
