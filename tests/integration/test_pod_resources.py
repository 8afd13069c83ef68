# SPDX-License-Identifier: Apache-2.0
"""What a pod's resources become in the kernel, and what its status says of them."""

import os
from pathlib import Path
from typing import Any

import pytest

from hosttools import Host
from podtools import container, eventually, pod, statuses

MIB = 1 << 20
SLEEP = "trap 'exit 0' TERM; while :; do sleep 1; done"
MEMORY = ("memory.max", "memory.limit_in_bytes")
QUOTA = ("cpu.max", "cpu.cfs_quota_us")


def value(machine: Host, group: str, names: tuple[str, ...]) -> str:
    """Return the first word of a file of one group, whichever version of cgroups has it."""
    paths = [path / name for path in machine.cgroup_dirs() if path.name == group for name in names]
    return next(path.read_text().split()[0] for path in paths if path.exists())


def group_of(machine: Host, name: str) -> str:
    return f"pod{machine.pod(name)['metadata']['uid']}"


def score(machine: Host, name: str) -> int:
    """Return the oom_score_adj of a container's first process."""
    paths = [path / "cgroup.procs" for path in machine.cgroup_dirs() if path.name == f"container-{name}"]
    pid = next(text.split()[0] for text in (path.read_text() for path in paths) if text)
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_a_pod_is_bounded_by_what_it_says_itself(machine):
    own = {"limits": {"cpu": "800m", "memory": "96Mi"}, "requests": {"cpu": "300m"}}
    app = container("app", SLEEP, resources={"limits": {"memory": "48Mi"}})
    machine.apply(pod("own", app, container("helper", SLEEP), resources=own), "--wait")
    top = group_of(machine, "own")
    assert value(machine, top, MEMORY) == str(96 * MIB)
    assert value(machine, top, QUOTA) == "80000"
    assert value(machine, "container-app", MEMORY) == str(48 * MIB)
    assert value(machine, "container-helper", MEMORY) == str(96 * MIB)
    status = machine.pod("own")["status"]
    assert status["qosClass"] == "Burstable"
    assert status["resources"]["limits"] == {"cpu": "800m", "memory": "96Mi"}
    assert status["allocatedResources"] == {"cpu": "300m", "memory": "48Mi"}
    assert statuses(machine.pod("own"))["app"]["allocatedResources"] == {"memory": "48Mi"}
    assert "resources" not in statuses(machine.pod("own"))["helper"]
    assert "unchanged" in machine.apply(pod("own", app, container("helper", SLEEP), resources=own)).stdout
    machine.delete("own")


def test_who_is_killed_first(machine):
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    half = {"requests": {"memory": str(total // 2)}}
    side = container("side", SLEEP, restartPolicy="Always")
    machine.apply(pod("burst", container("app", SLEEP, resources=half), initContainers=[side]), "--wait")
    assert machine.pod("burst")["status"]["qosClass"] == "Burstable"
    assert {name: score(machine, name) for name in ("app", "side")} == {"app": 500, "side": 500}
    machine.delete("burst")
    machine.apply(pod("best", container("app", SLEEP)), "--wait")
    assert score(machine, "app") == 1000
    machine.delete("best")


def hugetlb() -> bool:
    return any("hugetlb" in path.read_text() for path in Path("/sys/fs/cgroup").glob("**/cgroup.controllers"))


@pytest.mark.skipif(not hugetlb() or not Path("/sys/kernel/mm/hugepages/hugepages-2048kB").exists(),
                    reason="this kernel limits no huge pages")  # fmt: skip
def test_huge_pages_are_bounded(machine):
    limits: dict[str, Any] = {"hugepages-2Mi": "4Mi", "memory": "32Mi"}
    machine.apply(pod("huge", container("app", SLEEP, resources={"limits": limits}), container("b", SLEEP)), "--wait")
    files = ("hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes")
    assert value(machine, group_of(machine, "huge"), files) == str(4 * MIB)
    assert value(machine, "container-app", files) == str(4 * MIB)
    assert value(machine, "container-b", files) == "0"
    manifest = pod("odd", container("app", SLEEP, resources={"limits": {"hugepages-64Ki": "64Ki", "cpu": 1}}))
    refused = machine.apply(manifest, check=False)
    assert "spec.containers[app].resources.limits.hugepages-64Ki: this host has no such pages" in refused.stderr
    machine.delete("huge")


def hog(mib: int) -> str:
    """Return a script that keeps so much memory of its own."""
    return f"x=$(head -c {mib * MIB} /dev/zero | tr '\\0' x); echo has it; while :; do sleep 1; done"


def identity(machine: Host, name: str) -> dict[str, tuple[str, int]]:
    return {one: (it["containerID"], it["restartCount"]) for one, it in statuses(machine.pod(name)).items()}


def resized(name: str, script: str, memory: str, cpu: str, **spec: Any) -> dict[str, Any]:
    app = container("app", script, resources={"limits": {"memory": memory, "cpu": cpu}})
    return pod(name, app, container("b", SLEEP, resources={"requests": {"cpu": "100m"}}), **spec)


def test_other_limits_need_no_restart(machine):
    own = {"limits": {"memory": "128Mi"}}
    machine.apply(resized("size", SLEEP, "32Mi", "500m", resources=own), "--wait")
    before = identity(machine, "size")
    for memory, cpu, most in (("200Mi", "800m", "256Mi"), ("24Mi", "250m", "64Mi")):
        manifest = resized("size", SLEEP, memory, cpu, resources={"limits": {"memory": most}})
        said = machine.apply(manifest, "--dry-run").stdout
        assert "in-place" in said and "restart" not in said, said
        machine.apply(manifest)
        assert value(machine, group_of(machine, "size"), MEMORY) == str(int(most[:-2]) * MIB)
        assert value(machine, "container-app", MEMORY) == str(int(memory[:-2]) * MIB)
        assert value(machine, "container-app", QUOTA) == f"{cpu[:-1]}00"
        status = statuses(machine.pod("size"))["app"]
        assert status["resources"]["limits"] == {"memory": memory, "cpu": cpu}
        assert status["allocatedResources"] == {"memory": memory, "cpu": cpu}
        assert "unchanged" in machine.apply(manifest).stdout
    assert identity(machine, "size") == before
    machine.delete("size")


@pytest.mark.parametrize("of_pod", [False, True])
def test_memory_in_use_cannot_be_taken_away(machine, of_pod):
    def manifest(memory: str) -> dict[str, Any]:
        own = {"resources": {"limits": {"memory": memory}, "requests": {"memory": "1Mi"}}} if of_pod else {}
        app = container("app", hog(24), resources={"requests": {"memory": "1Mi"}})
        if not of_pod:
            app["resources"]["limits"] = {"memory": memory}
        return pod("use", app, **own)

    machine.apply(manifest("256Mi"), "--wait")
    eventually(lambda: "has it" in machine.run("logs", "use").stdout, "the memory to be used")
    before = identity(machine, "use")
    refused = machine.apply(manifest("16Mi"), check=False)
    field = "spec.resources.limits.memory" if of_pod else "spec.containers[app].resources.limits.memory"
    assert f"{field} cannot be lowered to 16777216 bytes while " in refused.stderr
    top = group_of(machine, "use")
    assert value(machine, top if of_pod else "container-app", MEMORY) == str(256 * MIB)
    assert "unchanged" in machine.apply(manifest("256Mi")).stdout, "nothing is left of the attempt"
    assert identity(machine, "use") == before
    machine.delete("use")


def test_a_container_that_has_to_start_again_finds_its_new_limit(machine):
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    seen = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; "

    def manifest(memory: str, cpu: str = "500m") -> dict[str, Any]:
        limits = {"memory": memory, "cpu": cpu}
        app = container("app", seen + hog(24), resources={"limits": limits}, resizePolicy=policy)
        return pod("jvm", app, container("b", SLEEP))

    machine.apply(manifest("256Mi"), "--wait")
    eventually(lambda: "has it" in machine.run("logs", "jvm", "-c", "app").stdout, "the memory to be used")
    machine.apply(manifest("256Mi", "600m"))
    before = identity(machine, "jvm")
    assert before["app"][1] == 0, "the policy is of memory only"
    said = machine.apply(manifest("8Mi", "600m"), "--dry-run").stdout
    assert "restart container app" in said, said
    machine.apply(manifest("8Mi", "600m"))
    after = identity(machine, "jvm")
    assert after["b"] == before["b"]
    assert after["app"][1] >= 1
    assert value(machine, "container-app", MEMORY) == str(8 * MIB)
    eventually(lambda: str(8 * MIB) in machine.run("logs", "jvm", "-c", "app").stdout, "what it finds at its start")
    machine.delete("jvm")


@pytest.mark.parametrize("what", ["volume", "root"])
def test_a_pod_that_takes_too_much_of_the_disk_is_evicted(machine, what):
    target = "/data/file" if what == "volume" else "/file"
    app = container(
        "app",
        f"head -c {3 * MIB} /dev/zero > {target}; {SLEEP}",
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
        resources={"limits": {"ephemeral-storage": "2Mi" if what == "root" else "1Gi"}},
    )
    volume = {"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}
    manifest = pod("greedy", app, container("other", SLEEP), volumes=[volume])
    machine.apply(manifest)
    status = eventually(lambda: (found := machine.pod("greedy")["status"]).get("reason") and found, "its eviction")
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert (
        status["message"]
        == {
            "volume": 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
            "root": "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
        }[what]
    )
    eventually(
        lambda: all("terminated" in item["state"] for item in statuses(machine.pod("greedy")).values()), "their end"
    )
    assert "unchanged" in machine.apply(manifest).stdout, "as in Kubernetes it stays as it is"
    manifest["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = "64Mi"
    app["resources"]["limits"]["ephemeral-storage"] = "64Mi"
    assert "recreate" in machine.apply(manifest, "--dry-run").stdout
    machine.apply(manifest, "--wait")
    assert machine.pod("greedy")["status"]["phase"] == "Running"
    machine.delete("greedy")
