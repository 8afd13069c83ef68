# SPDX-License-Identifier: Apache-2.0
"""podinit supervise evicts a pod whose files take too much of the disk."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, bind, default_steps, fresh_pod, shell, until

KIB = 1 << 10
SLEEP = "exec sleep 1000"


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


def bound(pod: Pod, kib: int, *paths: str, message: str = "too much") -> None:
    """Bound the sum of some folders, which is looked at often."""
    storage = pod.sandbox["storage"]
    storage["period"] = 50
    storage["paths"] += [path for path in paths if path not in storage["paths"]]
    indices = [storage["paths"].index(path) for path in paths]
    storage["bounds"].append({"limit": kib * KIB, "message": message, "paths": indices})


def state(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((pod.run_dir / "state.json").read_text())
    return found


def evicted(pod: Pod) -> bool:
    return state(pod).get("reason") == "Evicted"


def looked(pod: Pod) -> None:
    """Wait until the pod's files have been added up a few times."""
    time.sleep(0.5)
    assert state(pod)["containers"], "the supervisor lives"


def test_what_a_container_writes_into_its_root_counts(pod: Pod) -> None:
    bound(pod, 512, "containers/app/rw", "containers/app/logs")
    pod.container("app", shell("head -c 300000 /dev/zero > /first; echo up; read x < /dev/null; sleep 1;"
                               "head -c 300000 /dev/zero > /second; " + SLEEP))  # fmt: skip
    pod.container("other", shell(SLEEP))
    pod.start()
    pod.wait_for_output("app", "up")
    assert not evicted(pod)
    until(lambda: evicted(pod), "the eviction")
    assert state(pod)["message"] == "too much"
    events = [json.loads(line) for line in (pod.pod_dir / "events.log").read_text().splitlines()]
    (own,) = (event for event in events if event["reason"] == "Evicted")
    assert (own["type"], own["container"], own["message"]) == ("Warning", "", "too much")
    for name in ("app", "other"):
        assert pod.terminated(name)["exitCode"] == 137
    assert pod.ask("update", containers=["app"], grace=0)["status"] == "ok"
    assert pod.status("app")["pid"] == 0, "it stays evicted"
    assert pod.stop(grace=0) == 0


def test_the_first_bound_that_is_exceeded_gives_the_message(pod: Pod) -> None:
    bound(pod, 1024, "volumes/one", message="of one")
    bound(pod, 8, "volumes/one", "volumes/two", message="of both")
    bound(pod, 0, "volumes/two", message="of two")
    for name in ("one", "two"):
        (pod.pod_dir / "volumes" / name).mkdir(parents=True)
        (pod.pod_dir / "volumes" / name / "file").write_bytes(b"x" * 5000)
    pod.container("app", shell(SLEEP))
    pod.start()
    until(lambda: evicted(pod), "the eviction")
    assert state(pod)["message"] == "of both"


def test_a_file_counts_once_and_only_what_is_below(pod: Pod, tmp_path: Path) -> None:
    volume = pod.pod_dir / "volumes/data"
    (volume / "deep/er").mkdir(parents=True)
    (volume / "file").write_bytes(b"x" * 100 * KIB)
    for number in range(500):
        os.link(volume / "file", volume / f"deep/{number}")
    (volume / "sparse").touch()
    os.truncate(volume / "sparse", 1 << 30)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(b"x" * 900 * KIB)
    (volume / "link").symlink_to(elsewhere)
    bound(pod, 300, "volumes/data")
    pod.container("app", shell(SLEEP))
    pod.start()
    looked(pod)
    assert not evicted(pod)
    for number in range(40):
        (volume / f"deep/er/{number}").write_bytes(b"x" * 8 * KIB)
    until(lambda: evicted(pod), "the eviction")


def test_a_tree_too_deep_to_be_measured_is_too_much(pod: Pod) -> None:
    volume = pod.pod_dir / "volumes/data"
    volume.mkdir(parents=True)
    bound(pod, 1 << 30, "volumes/data")
    pod.container("app", shell(SLEEP))
    pod.start()
    _dig(volume, 4000)
    looked(pod)
    assert not evicted(pod)
    _dig(volume / "other", 4200)
    until(lambda: evicted(pod), "the eviction")
    subprocess.run(["rm", "-rf", volume], check=True)  # pytest cannot


def _dig(folder: Path, depth: int) -> None:
    folder.mkdir(exist_ok=True)
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def test_entries_that_come_and_go_do_no_harm(pod: Pod) -> None:
    volume = pod.pod_dir / "volumes/data"
    volume.mkdir(parents=True)
    churn = "cd /data; while :; do mkdir -p a/b/c; echo x > a/b/f; mv a z; ln -s / a; rm a; rm -rf z; done"
    bound(pod, 4 << 10, "volumes/data")
    pod.container("app", shell(churn), steps=default_steps(before=[bind(volume, "/data")]))
    pod.start()
    time.sleep(2)
    assert not evicted(pod)
    assert "running" in pod.status("app")["state"]


def test_nothing_is_left_of_the_process_that_adds_up(pod: Pod) -> None:
    volume = pod.pod_dir / "volumes/data"
    volume.mkdir(parents=True)
    for number in range(3000):
        (volume / str(number)).touch()
    bound(pod, 1 << 20, "volumes/data")
    pod.sandbox["storage"]["period"] = 1
    pod.container("app", shell(SLEEP))
    pod.start()
    time.sleep(0.3)
    assert pod.stop(grace=0) == 0


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        ([], "field storage must be an object"),
        ({"period": 0, "paths": [], "bounds": []}, "field period"),
        ({"period": 1, "paths": ["../x"], "bounds": []}, "storage: ../x is no folder of the pod's"),
        ({"period": 1, "paths": ["volumes/../../x"], "bounds": []}, "is no folder of the pod's"),
        ({"period": 1, "paths": ["etc"], "bounds": []}, "storage: etc is no folder of the pod's"),
        ({"period": 1, "paths": [], "bounds": [1]}, "a bound of storage is not an object"),
        (
            {"period": 1, "paths": ["volumes/a"], "bounds": [{"limit": 1, "message": "m", "paths": [1]}]},
            "a bound of storage is of a path that is not there",
        ),
    ],
)
def test_a_plan_that_is_none(pod: Pod, storage: Any, reason: str) -> None:
    pod.sandbox["storage"] = storage
    pod.container("app", shell(SLEEP))
    answer = pod.start()
    assert answer["status"] == "error"
    assert reason in answer["message"]
