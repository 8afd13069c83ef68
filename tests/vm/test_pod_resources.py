# SPDX-License-Identifier: Apache-2.0
"""The groups of a pod on unified cgroups: what its resources become there, and how they change under it."""

import json
from typing import Any

from guest import PROGRAM, Guest

MIB = 1 << 20
PYTHON = PROGRAM.replace("podwright/bin/podwright", "podwright/bin/python3")
# Makes a pod's groups, and answers each request of a line with what the kernel holds then, or with the refusal.
SCRIPT = """
import json, subprocess, sys, time
from podwright.cgroups.hierarchy import detect
from podwright.errors import HostError
from podwright.manifest.normalise import normalise
from podwright.pods import resources
from podwright.pods.store import Record

def read(group, name):
    with open(f"/sys/fs/cgroup/pwtest/pod7/{group}/{name}") as file:
        return file.read().strip()

groups, answers, process = detect("/pwtest"), [], None
for step in json.load(sys.stdin):
    containers = [{"name": name, "image": "a", "resources": value} for name, value in step["containers"].items()]
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    pod = normalise({**manifest, "spec": {"containers": containers, "resources": step.get("pod", {})}}).pod
    record = Record("7", "running", pod, 1, {}, "")
    top, limits = resources.limits_of(record, 100)
    said = ""
    try:
        if process is None:
            directories = groups.create("7", top, limits)["app"]
            join = "".join(f"echo $$ > {directory}/cgroup.procs; " for directory in directories)
            hold = "x = bytearray(48 << 20); print(1, flush=True); import time; time.sleep(1000)"
            process = subprocess.Popen(["/bin/sh", "-c", f"{join} exec {sys.executable} -c '{hold}'"], stdout=-1)
            process.stdout.readline()
        else:
            fields = {item["name"]: resources.memory_field(record, item) for item in record.containers}
            groups.check_memory("7", top, limits, fields, [])
            groups.update("7", top, limits)
        said = str(groups.drift("7", top, limits) or "")
    except HostError as error:
        said = error.message
    files = ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "cpu.weight", "hugetlb.2MB.max")
    state = {group: {name: read(group, name) for name in files} for group in (".", "container-app", "container-b")}
    answers.append({"said": said, "alive": process.poll() is None, **state})
groups.kill("7")
groups.remove("7")
print(json.dumps(answers))
"""


def steps(guest: Guest, *wanted: dict[str, Any]) -> list[dict[str, Any]]:
    guest.write("/root/pod_resources.py", SCRIPT.encode())
    said = guest.sh(f"{PYTHON} /root/pod_resources.py", stdin=json.dumps(wanted).encode())
    found: list[dict[str, Any]] = json.loads(said.splitlines()[-1])
    return found


def app(memory: str, cpu: str = "500m", **more: str) -> dict[str, Any]:
    return {"app": {"limits": {"memory": memory, "cpu": cpu, **more}}, "b": {"requests": {"cpu": "250m"}}}


def test_a_pod_and_its_containers_get_what_they_ask_for_and_change_in_place(guest: Guest) -> None:
    pages = {"hugepages-2Mi": "4Mi"}
    own = {"limits": {"memory": "256Mi"}, "requests": {"cpu": "2"}}
    first, more, less = steps(
        guest,
        {"containers": app("128Mi", **pages), "pod": own},
        {"containers": app("512Mi", "1500m", **pages), "pod": {**own, "limits": {"memory": "1Gi"}}},
        {"containers": app("96Mi", "100m", **pages), "pod": {**own, "limits": {"memory": "128Mi"}}},
    )
    assert [step["said"] for step in (first, more, less)] == ["", "", ""]
    assert [step["alive"] for step in (first, more, less)] == [True, True, True]
    assert [step["."]["memory.max"] for step in (first, more, less)] == [str(n * MIB) for n in (256, 1024, 128)]
    assert [step["container-app"]["memory.max"] for step in (first, more, less)] == [
        str(n * MIB) for n in (128, 512, 96)
    ]
    assert [step["container-app"]["cpu.max"] for step in (first, more, less)] == [
        "50000 100000",
        "150000 100000",
        "10000 100000",
    ]
    assert first["container-app"] | {"cpu.max": ""} == {
        "memory.max": str(128 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "",
        "cpu.weight": "59",
        "hugetlb.2MB.max": str(4 * MIB),
    }
    assert (first["container-b"]["memory.max"], first["container-b"]["cpu.weight"]) == (str(256 * MIB), "35")
    assert first["container-b"]["hugetlb.2MB.max"] == str(4 * MIB), "the pod's, which got what its containers asked for"
    assert first["."]["cpu.weight"] == "174"
    assert (first["."]["cpu.max"], first["."]["hugetlb.2MB.max"]) == ("max 100000", str(4 * MIB))


def test_memory_in_use_is_not_taken_away(guest: Guest) -> None:
    first, refused = steps(guest, {"containers": app("128Mi")}, {"containers": app("16Mi")})
    assert first["said"] == ""
    assert first["container-app"]["hugetlb.2MB.max"] == "0"
    assert refused["said"].startswith(
        "spec.containers[app].resources.limits.memory cannot be lowered to 16777216 bytes"
    )
    assert refused["alive"], "this kernel would have killed it"
    assert refused["container-app"]["memory.max"] == str(128 * MIB)
