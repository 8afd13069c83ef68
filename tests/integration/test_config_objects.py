# SPDX-License-Identifier: Apache-2.0
"""Pods that are configured by ConfigMaps, Secrets and what they know of themselves."""

import base64
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import yaml

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod
from podwright.errors import ManifestError

PASSWORD = "hunter2"
ON_NO_DISK = "correct horse battery staple"


@pytest.fixture(scope="module")
def machine(module_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    layout = make_busybox_image(tmp_path_factory.mktemp("image") / "layout")
    module_host.run("import", layout, IMAGE)
    return module_host


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def variable(name: str, key: str) -> dict[str, Any]:
    return {"name": "A", "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}


def apply(machine: Host, *documents: dict[str, Any], check: bool = True, options: tuple[str, ...] = ()) -> Any:
    return machine.run("apply", "-f", "-", *options, stdin=yaml.safe_dump_all(documents), check=check)


def log(machine: Host, name: str) -> list[str]:
    return machine.run("logs", name).stdout.splitlines()


def wanted() -> dict[str, Any]:
    env = [
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "ALL", "value": "$(LEVEL) $(P_user) $(IP) $(MEMORY)"},
    ]
    script = 'echo "$ALL $TOKEN"; exec sleep 600'
    fields = {"env": env, "envFrom": [{"prefix": "P_", "secretRef": {"name": "login"}}]}
    resources = {"limits": {"memory": "64Mi"}}
    return pod("configured", container("app", script, resources=resources, **fields))


def test_variables_of_objects_in_one_stream(machine: Host) -> None:
    objects = [config_map("settings", level="info"), secret("login", user="u", password=PASSWORD)]
    planned = apply(machine, wanted(), *objects, options=("--dry-run",))
    assert "pod/configured created (dry run)" in planned.stdout
    assert machine.run("get", "configmaps").stdout.splitlines() == ["NAME   DATA"]
    done = apply(machine, wanted(), *objects)
    assert done.stdout.splitlines() == ["configmap/settings created", "secret/login created", "pod/configured created"]
    address = machine.pod("configured")["status"]["podIP"]
    assert eventually(lambda: log(machine, "configured"), "its line") == [f"info u {address} 64 {PASSWORD}"]
    assert PASSWORD not in done.stdout + machine.run("get", "pod", "configured", "-o", "json").stdout
    again = apply(machine, wanted(), *objects).stdout.splitlines()
    assert [line.split()[1] for line in again] == ["unchanged"] * 3


def test_what_is_missing_stops_all_before_anything_starts(machine: Host) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}}]
    lost = pod("lost", container("app", "sleep", "600", env=env))
    for options in ((), ("--dry-run",)):
        done = apply(machine, lost, check=False, options=options)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "spec.containers[app].env[A].valueFrom.configMapKeyRef: CreateContainerConfigError: " in done.stderr
        assert 'configmap "none" not found in namespace default; apply the ConfigMap with the pod' in done.stderr
    assert [one["metadata"]["name"] for one in machine.pods()] == ["configured"]


def test_an_edited_object_restarts_who_reads_it_and_nobody_else(machine: Host) -> None:
    watcher = container("watcher", 'echo "$A"; exec sleep 600', env=[variable("settings", "level")])
    manifest = pod("edited", watcher, container("idle", "sleep", "600"))
    apply(machine, manifest, config_map("settings", level="one"))
    edit = config_map("settings", level="two")
    planned = apply(machine, manifest, edit, options=("--dry-run",)).stdout
    assert '  data[level]: "one" -> "two" (none)' in planned
    assert "spec.containers[watcher].env[A].valueFrom.configMapKeyRef: " in planned
    assert "(restart container watcher)" in planned
    done = apply(machine, manifest, edit)
    assert done.stdout.splitlines() == ["configmap/settings configured", "pod/edited configured"]
    counts = {one["name"]: one["restartCount"] for one in machine.pod("edited")["status"]["containerStatuses"]}
    assert counts == {"watcher": 1, "idle": 0}
    assert eventually(lambda: machine.run("logs", "edited", "-c", "watcher").stdout, "its line") == "two\n"
    more = config_map("settings", level="two", other="x")
    assert apply(machine, manifest, more).stdout.splitlines()[1] == "pod/edited unchanged"
    machine.delete("edited")


def test_an_edited_secret_shows_that_it_differs_and_no_more(machine: Host) -> None:
    source = {"secretKeyRef": {"name": "login", "key": "password"}}
    manifest = pod("secretive", container("app", "sleep", "600", env=[{"name": "A", "valueFrom": source}]))
    apply(machine, manifest, secret("login", user="u", password=PASSWORD))
    other = secret("login", user="u", password="correct horse")
    planned = machine.runtime.plan(manifest, beside=[other])
    path = "spec.containers[app].env[A].valueFrom.secretKeyRef"
    hidden = ("<hidden>", "<hidden, another value>")
    assert planned.changes == [(path, *hidden, "restart container app")]
    assert apply(machine, manifest, other).stdout.splitlines()[1] == "pod/secretive configured"
    assert apply(machine, manifest, other).stdout.splitlines()[1] == "pod/secretive unchanged"
    machine.run("delete", "secret", "login")
    done = apply(machine, manifest, check=False)
    assert 'secret "login" not found' in done.stderr
    machine.delete("secretive")


def inside(machine: Host, name: str, script: str) -> str:
    """Return what a shell script says in the mount namespace and root of a pod's only container."""
    uid = machine.pod(name)["metadata"]["uid"]
    state = json.loads((machine.run_dir / "run" / "pods" / uid / "state.json").read_text())
    pid = str(state["containers"][0]["pid"])
    command = ["nsenter", "-t", pid, "-m", "-r", "-w", "/bin/sh", "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def mounted(volume: dict[str, Any], **spec: Any) -> dict[str, Any]:
    mount = {"name": "config", "mountPath": "/config"}
    return pod(
        "mounted",
        container("app", "sleep", "600", volumeMounts=[mount], resources={"limits": {"cpu": "500m"}}),
        volumes=[{"name": "config", **volume}],
        **spec,
    )


def on_disk(machine: Host, text: str) -> list[str]:
    """Return the files of the installation that hold a text."""
    command = ["grep", "-rlF", text, str(machine.root), str(machine.run_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_a_secret_is_mounted_from_memory_and_never_on_a_disk(machine: Host) -> None:
    volume = {"secret": {"secretName": "login", "defaultMode": 0o400}}
    apply(machine, mounted(volume), secret("login", user="u", password=ON_NO_DISK))
    assert inside(machine, "mounted", "cat /config/password") == ON_NO_DISK
    assert inside(machine, "mounted", "ls /config").split() == ["password", "user"]
    assert inside(machine, "mounted", "stat -L -c %a /config/password") == "400\n"
    assert "tmpfs" in inside(machine, "mounted", "grep ' /config ' /proc/1/mounts")
    assert "Read-only file system" in inside(machine, "mounted", "touch /config/x 2>&1 || true")
    assert on_disk(machine, ON_NO_DISK) == []
    assert on_disk(machine, base64.b64encode(ON_NO_DISK.encode()).decode()) == [
        f"{machine.root}/lib/secrets/default_login"
    ]
    machine.delete("mounted")
    machine.run("delete", "secret", "login")


def test_an_edited_config_map_is_swapped_in_place(machine: Host) -> None:
    volume = {"configMap": {"name": "settings"}}
    apply(machine, mounted(volume), config_map("settings", **{"a.conf": "one", "old": "x"}))
    assert inside(machine, "mounted", "cat /config/a.conf; readlink /config/a.conf") == "one..data/a.conf\n"
    before = inside(machine, "mounted", "readlink /config/..data")
    edit = config_map("settings", **{"a.conf": "two", "new": "z"})
    planned = apply(machine, mounted(volume), edit, options=("--dry-run",)).stdout
    assert "spec.volumes[config].configMap" in planned
    assert "(in-place)" in planned
    assert inside(machine, "mounted", "cat /config/a.conf") == "one"
    assert apply(machine, mounted(volume), edit).stdout.splitlines()[1] == "pod/mounted configured"
    assert inside(machine, "mounted", "cat /config/a.conf; ls /config") == "twoa.conf\nnew\n"
    assert inside(machine, "mounted", "readlink /config/..data") != before
    (status,) = machine.pod("mounted")["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    assert apply(machine, mounted(volume), edit).stdout.splitlines()[1] == "pod/mounted unchanged"
    machine.delete("mounted")


def test_what_a_pod_knows_of_itself_changes_in_place(machine: Host) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "sub/cpu", "resourceFieldRef": {"containerName": "app", "resource": "limits.cpu", "divisor": "1m"}},
    ]
    manifest = mounted({"downwardAPI": {"items": items}})
    manifest["metadata"]["labels"] = {"app": "one"}
    apply(machine, manifest)
    assert inside(machine, "mounted", "cat /config/labels; echo; cat /config/sub/cpu") == 'app="one"\n500'
    manifest["metadata"]["labels"] = {"app": "two"}
    manifest["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "250m"
    apply(machine, manifest)
    assert inside(machine, "mounted", "cat /config/labels; echo; cat /config/sub/cpu") == 'app="two"\n250'
    machine.delete("mounted")


def test_several_sources_in_one_volume_and_a_pod_that_is_repaired(machine: Host) -> None:
    sources = [
        {"configMap": {"name": "settings", "items": [{"key": "level", "path": "etc/level", "mode": 0o600}]}},
        {"secret": {"name": "login"}},
        {"secret": {"name": "none", "optional": True}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    manifest = mounted({"projected": {"sources": sources}})
    objects = [config_map("settings", level="info"), secret("login", password=PASSWORD)]
    apply(machine, manifest, *objects)
    script = "cd /config; cat etc/level password name; stat -L -c ' %a' etc/level"
    assert inside(machine, "mounted", script) == f"info{PASSWORD}mounted 600\n"
    uid = machine.pod("mounted")["metadata"]["uid"]
    state = json.loads((machine.run_dir / "run" / "pods" / uid / "state.json").read_text())
    os.kill(state["supervisorPid"], signal.SIGKILL)
    eventually(lambda: machine.pod("mounted")["status"]["phase"] == "Unknown", "its end")
    assert apply(machine, manifest, *objects).stdout.splitlines()[-1] == "pod/mounted repaired"
    assert inside(machine, "mounted", script) == f"info{PASSWORD}mounted 600\n"
    machine.delete("mounted")


def test_a_missing_object_or_key_of_a_volume_is_named(machine: Host) -> None:
    done = apply(machine, mounted({"configMap": {"name": "none"}}), check=False)
    words = 'spec.volumes[config].configMap: CreateContainerConfigError: configmap "none" not found'
    assert words in done.stderr
    volume = {"configMap": {"name": "settings", "items": [{"key": "none", "path": "a"}]}}
    done = apply(machine, mounted(volume), config_map("settings", level="x"), check=False)
    assert "couldn't find key none in ConfigMap default/settings" in done.stderr
    assert "mounted" not in [one["metadata"]["name"] for one in machine.pods()]


def test_the_api_takes_the_same_stream(machine: Host) -> None:
    text = yaml.safe_dump_all([mounted({"configMap": {"name": "own"}}), config_map("own", level="info")])

    def ask(action: str, **fields: Any) -> dict[str, Any]:
        request = {"version": 1, "action": action, "text": text, **fields}
        answer = json.loads(machine.run("api", stdin=json.dumps(request)).stdout)
        assert answer["status"] == "ok", answer
        return answer["result"]

    planned = ask("plan")
    assert planned["action"] == "create"
    assert planned["changes"][0]["path"] == "ConfigMap[own].data[level]"
    assert ask("apply")["changed"]
    assert not ask("apply")["changed"]
    assert ask("delete", dry_run=True)["changes"][0]["path"] == "ConfigMap[own].data[level]"
    assert ask("delete", grace=0)["changed"]
    assert [one["metadata"]["name"] for one in machine.runtime.objects.list("ConfigMap")] == ["settings"]


def test_a_container_alone_names_its_own_fields(machine: Host) -> None:
    app = {
        "kind": "Container",
        **container("alone", "sleep", "600", envFrom=[{"configMapRef": {"name": "settings"}}]),
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}],
        "terminationGracePeriodSeconds": 0,
    }
    with pytest.raises(ManifestError, match=r'^env\[A\]\.valueFrom\.secretKeyRef: .*secret "none" not found') as caught:
        machine.runtime.plan(app)
    assert caught.value.field == "env[A].valueFrom.secretKeyRef"
    stopped = machine.runtime.apply({**app, "state": "stopped"})
    assert stopped.plan.action == "create"
    del app["env"]
    assert machine.runtime.apply(app, wait=True).plan.action == "start"
    machine.runtime.objects.apply(config_map("settings", level="other"))
    edited = machine.runtime.apply(app).plan
    assert [(one.path, one.effect) for one in edited.changes] == [("envFrom[0].configMapRef", "restart container")]
    machine.delete("alone", kind="container")


KILLED = """
import json, os, signal, sys
from podwright.pods import atomic_tree
from podwright.runtime import Runtime

def killed(folder, files):
    os.mkdir(f"{folder}/..half")  # as a writer leaves it
    os.kill(os.getpid(), signal.SIGKILL)

atomic_tree.write = killed
Runtime().apply(json.load(sys.stdin))
"""


def test_a_caller_that_is_killed_while_it_fills_a_volume(machine: Host) -> None:
    manifest = mounted({"configMap": {"name": "settings"}})

    def killed() -> int:
        command = [sys.executable, "-c", KILLED]
        return subprocess.run(command, env=machine.env, input=json.dumps(manifest), text=True, check=False).returncode

    apply(machine, config_map("settings", level="one"))
    assert killed() == -signal.SIGKILL
    assert machine.pod("mounted")["status"]["phase"] == "Pending"
    assert apply(machine, manifest).stdout == "pod/mounted recreated\n"
    assert inside(machine, "mounted", "ls /config; cat /config/level") == "level\none"
    apply(machine, config_map("settings", level="two"))
    assert killed() == -signal.SIGKILL
    assert inside(machine, "mounted", "cat /config/level") == "one"
    assert apply(machine, manifest).stdout == "pod/mounted configured\n"
    assert inside(machine, "mounted", "ls -a /config; cat /config/level").endswith("level\ntwo")
    assert "..half" not in inside(machine, "mounted", "ls -a /config")
    machine.delete("mounted")
