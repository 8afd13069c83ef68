# SPDX-License-Identifier: Apache-2.0
"""Pods that are configured by ConfigMaps, Secrets and what they know of themselves."""

from typing import Any

import pytest
import yaml

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod

PASSWORD = "hunter2"


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
