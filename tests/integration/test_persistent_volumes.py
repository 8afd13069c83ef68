# SPDX-License-Identifier: Apache-2.0
"""Volumes that outlive their pods."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hosttools import Host
from imagetools import make_busybox_image
from podtools import IMAGE, container, eventually, pod
from podwright.errors import HostError

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "labels": {"app": "web"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.fixture(scope="module")
def machine(module_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    layout = make_busybox_image(tmp_path_factory.mktemp("image") / "layout")
    module_host.run("import", layout, IMAGE)
    return module_host


def using(name: str, script: str, claim: str = "data", read_only: bool = False, **spec: Any) -> dict[str, Any]:
    app = container("app", f"{script}; echo end; exec sleep 1000", volumeMounts=[{"name": "v", "mountPath": "/data"}])
    source = {"claimName": claim, "readOnly": read_only}
    return pod(name, app, volumes=[{"name": "v", "persistentVolumeClaim": source}], **spec)


def said(machine: Host, name: str) -> list[str]:
    lines = eventually(lambda: [lines for lines in [machine.runtime.logs(name)] if "end" in lines], "its output")[0]
    return lines[: lines.index("end")]


def test_a_volume_outlives_the_pod_that_made_it(machine: Host) -> None:
    machine.apply(using("one", "echo first > /data/file"))
    said(machine, "one")
    assert machine.run("get", "pvc").stdout.splitlines()[1].split() == ["data", "<none>", "<none>", "pod", "one"]
    with pytest.raises(HostError, match="persistentvolumeclaim data is used by pod one; delete that first"):
        machine.runtime.objects.delete({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}})
    machine.delete("one")
    machine.run("prune", "--all")
    layout = machine.root / "layout"
    make_busybox_image(layout)
    machine.run("import", layout, IMAGE)
    machine.apply(using("two", "cat /data/file; (echo x > /data/file) 2>&1", read_only=True))
    lines = said(machine, "two")
    assert lines[0] == "first"
    assert "Read-only file system" in lines[1]
    machine.delete("two")


def test_a_claim_in_the_pods_stream(machine: Host) -> None:
    documents = yaml.safe_dump_all([using("web", "cat /data/file"), CLAIM])
    planned = machine.run("apply", "-f", "-", "--dry-run", stdin=documents)
    assert "persistentvolumeclaim/data configured (dry run)" in planned.stdout
    done = machine.run("apply", "-f", "-", stdin=documents)
    assert done.stdout.splitlines() == ["persistentvolumeclaim/data configured", "pod/web created"]
    assert "warning: spec.resources.requests[storage]: kept, but what a volume holds is limited by" in done.stderr
    assert said(machine, "web") == ["first"]
    again = machine.run("apply", "-f", "-", stdin=documents).stdout.splitlines()
    assert again == ["persistentvolumeclaim/data unchanged", "pod/web unchanged"]
    shown = json.loads(machine.run("get", "pvc", "data", "-o", "json").stdout)
    assert shown["spec"] == CLAIM["spec"]
    request = {"version": 1, "action": "delete", "text": documents}
    answer = json.loads(machine.run("api", stdin=json.dumps(request)).stdout)
    assert answer["status"] == "ok"
    assert machine.pods() == []
    assert (machine.root / "lib/volumes/default_data/data/file").read_text() == "first\n"


def test_a_volume_goes_when_it_is_asked_for(machine: Host) -> None:
    folder = machine.root / "lib/volumes"
    assert machine.run("delete", "pvc", "data").stdout == "persistentvolumeclaim/data deleted\n"
    assert [one.name for one in folder.iterdir()] == [".lock"]
    missing = machine.run("delete", "persistentvolumeclaim", "data", check=False)
    assert (missing.returncode, "there is no persistentvolumeclaim data" in missing.stderr) == (1, True)


def test_two_pods_share_a_volume_and_its_group(machine: Host) -> None:
    context = {"runAsUser": 1000, "fsGroup": 2000}
    machine.apply(using("writer", "echo shared > /data/file", "both", securityContext=context))
    said(machine, "writer")
    reading = using("reader", "cat /data/file; stat -c '%a %g' /data /data/file", "both", securityContext=context)
    machine.apply(reading)
    assert said(machine, "reader") == ["shared", "2777 2000", "664 2000"]
    for name in ("writer", "reader"):
        machine.delete(name)


def test_a_container_alone_has_one_too(machine: Host) -> None:
    alone = {
        "kind": "Container",
        "name": "alone",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", "echo x > /data/sub/file; exec sleep 1000"],
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "own"}}],
        "volumeMounts": [{"name": "v", "mountPath": "/data/sub", "subPath": "sub"}],
    }
    machine.runtime.apply(alone, wait=True)
    file = Path(machine.root / "lib/volumes/default_own/data/sub/file")
    eventually(file.exists, "the file in its volume")
    assert "container alone" in machine.run("get", "pvc", "own").stdout
    machine.delete("alone", kind="container")
    assert file.exists()
