# SPDX-License-Identifier: Apache-2.0
"""One large Pod through its whole life: the event log tells in which order things happened."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pod_observe import Pod
from pod_rows import SHELL, WORDS, edited

from hosttools import Host
from imagetools import make_busybox_image
from podtools import eventually

MANIFEST = Path(__file__).parent / "scenario.yaml"
Event = tuple[str, str]


@pytest.fixture(scope="module")
def machine(module_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    layout = make_busybox_image(tmp_path_factory.mktemp("image") / "layout")
    for name in (SHELL, WORDS):
        module_host.run("import", f"oci:{layout}", name)
    return module_host


class Life:
    """The pod of the scenario, what is beside it in its stream, and its events, which outlive it here."""

    def __init__(self, host: Host, pages: Path) -> None:
        self.host = host
        self.pages = pages
        *self.objects, self.manifest = yaml.safe_load_all(MANIFEST.read_text().replace("${DIR}", str(pages)))
        self._seen = 0

    def apply(self) -> None:
        self.host.run("apply", "-f", "-", stdin=yaml.safe_dump_all([*self.objects, self.manifest]))
        uid = self.status()["metadata"]["uid"]
        self._log = (self.host.root / "lib/pods" / uid / "events.log").open()

    def edit(self, changes: dict[str, Any]) -> dict[str, str]:
        """Apply the pod with other values, and return what the plan for that said."""
        self.manifest = edited(self.manifest, changes)
        plan = self.host.runtime.plan(self.manifest, beside=self.objects)
        self.host.run("apply", "-f", "-", stdin=yaml.safe_dump_all([*self.objects, self.manifest]))
        return {change.path: change.effect for change in plan.changes}

    def status(self) -> dict[str, Any]:
        return self.host.pod("scenario")

    def is_ready(self) -> bool:
        conditions = {item["type"]: item["status"] for item in self.status()["status"]["conditions"]}
        return conditions["Ready"] == "True"

    def restarts(self) -> dict[str, int]:
        status = self.status()["status"]
        both = [*status["initContainerStatuses"], *status["containerStatuses"]]
        return {item["name"]: item["restartCount"] for item in both}

    def events(self) -> list[Event]:
        """Return what happened since the last call: container and reason; one failure of a probe for many."""
        self._log.seek(self._seen)
        lines = self._log.readlines()
        self._seen = self._log.tell()
        found: list[Event] = []
        for event in map(json.loads, lines):
            words = (event["container"], _title(event))
            if not found or found[-1] != words:
                found.append(words)
        return found

    def close(self) -> None:
        self._log.close()


@pytest.fixture
def life(machine: Host, tmp_path: Path) -> Iterator[Life]:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("live", "ready"):
        (pages / name).write_text("yes\n")
    made = Life(machine, pages)
    made.apply()
    yield made
    made.close()


def test_the_life_of_a_pod(life: Life) -> None:
    started_in_order(life)
    made_unready(life)
    restarted_by_its_liveness(life)
    resized(life)
    updated_by_one_image(life)
    terminated_in_order(life)


def started_in_order(life: Life) -> None:
    eventually(life.is_ready, "the pod to be ready", 60)
    assert (life.pages / "log").read_text().splitlines() == ["fetch", "proxy", "migrate shop", "cache", "web hook"]
    # a sidecar's startup probe fails at first, and the next one waits
    assert _without(life.events(), "Readiness", "Liveness") == [
        ("fetch", "Started"),
        ("fetch", "Completed"),
        ("proxy", "Started"),
        ("proxy", "Startup"),
        ("migrate", "Started"),
        ("migrate", "Completed"),
        ("cache", "Started"),
        ("cache", "Startup"),
        ("web", "Started"),
        ("worker", "Started"),
    ]
    assert set(life.restarts().values()) == {0}


def made_unready(life: Life) -> None:
    (life.pages / "ready").unlink()
    eventually(lambda: not life.is_ready(), "the pod to be unready")
    (life.pages / "ready").write_text("again\n")
    eventually(life.is_ready, "the pod to be ready again")
    assert life.events() == [("web", "Readiness")]
    assert set(life.restarts().values()) == {0}


def restarted_by_its_liveness(life: Life) -> None:
    (life.pages / "live").unlink()
    eventually(lambda: life.restarts()["web"] == 1, "the restart")
    (life.pages / "live").write_text("again\n")
    eventually(life.is_ready, "the pod to be ready again")
    told = _without(life.events(), "Readiness")
    assert told[:4] == [("web", "Liveness"), ("web", "Killing"), ("web", "Completed"), ("web", "Started")]
    assert set(told[4:]) <= {("web", "Liveness")}, "asked before the page was there again"
    assert {name for name, count in life.restarts().items() if count} == {"web"}
    assert (life.pages / "log").read_text().splitlines()[5:] == ["web pre-stop", "web end", "web hook"]


def resized(life: Life) -> None:
    limits = {"cpu": "250m", "memory": "96Mi"}
    plan = life.edit({"containers.worker.resources": {"limits": limits}})
    assert set(plan.values()) == {"in-place"}
    pod = Pod(life.host, "scenario", "default", life.pages, "")
    wanted = {"worker": {"memory.limit_in_bytes": 96 << 20, "memory.max": 96 << 20}}
    assert pod.seen("cgroup", wanted) == wanted
    assert life.restarts()["worker"] == 0
    assert life.events() == []


def updated_by_one_image(life: Life) -> None:
    plan = life.edit({"containers.worker.image": WORDS})
    assert plan == {"spec.containers[worker].image": "restart container worker"}
    eventually(life.is_ready, "the pod to be ready again")
    told = _without(life.events(), "Readiness", "Liveness")
    assert told == [("worker", "Killing"), ("worker", "Completed"), ("worker", "Started")]
    assert life.restarts() == {"fetch": 0, "proxy": 0, "migrate": 0, "cache": 0, "web": 1, "worker": 1}


def terminated_in_order(life: Life) -> None:
    life.host.run("delete", "pod", "scenario")
    told = _without(life.events(), "Readiness")
    # all are told at once; who ends when follows from that
    asked, ended = told[: told.index(("web", "Killing")) + 2], [event for event in told if event[1] == "Completed"]
    assert {event for event in asked if event[1] == "Killing"} >= {("web", "Killing"), ("worker", "Killing")}
    assert sorted(ended[:2]) == [("web", "Completed"), ("worker", "Completed")]
    assert ended[2:] == [("cache", "Completed"), ("proxy", "Completed")]
    written = (life.pages / "log").read_text().splitlines()
    assert written.index("web pre-stop", 6) < written.index("web end", 7) < written.index("cache end")
    assert written[-2:] == ["cache end", "proxy end"]


def _without(events: list[Event], *titles: str) -> list[Event]:
    """Return the events but those of probes that ask before somebody is there to answer."""
    return [event for event in events if event[1] not in titles]


def _title(event: dict[str, str]) -> str:
    """Return an event's reason, and of a probe that failed which one it was."""
    return str(event["message"].split()[0] if event["reason"] == "Unhealthy" else event["reason"])
