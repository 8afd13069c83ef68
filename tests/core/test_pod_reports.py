# SPDX-License-Identifier: Apache-2.0
"""Events of a pod, and conditions that others set."""

import json
from pathlib import Path
from typing import Any

import pytest

from podwright.errors import HostError, NotFound, PodwrightError
from podwright.pods import conditions, events
from podwright.pods.store import PodStore, Record
from podwright.runtime_reports import Reports


def record() -> Record:
    spec = {"containers": [{"name": "app"}], "initContainers": [{"name": "first"}]}
    pod = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    return Record("u1", "running", pod, 1, {}, "then")


def line(container: str, reason: str) -> str:
    entry = {"time": "2026-01-02T03:04:05Z", "type": "Normal", "reason": reason, "container": container, "message": "m"}
    return json.dumps(entry) + "\n"


def test_events_are_kubernetes(tmp_path: Path) -> None:
    assert events.read(str(tmp_path), record()) == []
    (tmp_path / "events.log.1").write_text(line("first", "Started"))
    lines = [line("app", "Started"), line("app", "Killing"), line("", "Evicted"), '{"time": "20']
    (tmp_path / "events.log").write_text("".join(lines))
    found = events.read(str(tmp_path), record())
    assert [event["reason"] for event in found] == ["Started", "Started", "Killing", "Evicted"]
    assert found[1] == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "default",
            "name": "web",
            "uid": "u1",
            "fieldPath": "spec.containers{app}",
        },
        "type": "Normal",
        "reason": "Started",
        "message": "m",
        "source": {"component": "podwright"},
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "count": 1,
    }
    assert found[0]["involvedObject"]["fieldPath"] == "spec.initContainers{first}"
    assert "fieldPath" not in found[3]["involvedObject"], "it is of the pod itself"


def test_a_condition_keeps_its_time_as_long_as_its_status(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert conditions.read(folder) == []
    conditions.write(folder, {"type": "b", "status": "False"})
    path = tmp_path / "conditions.json"
    path.write_text(path.read_text().replace("20", "19"))
    conditions.write(folder, {"type": "b", "status": "False", "message": "still"})
    conditions.write(folder, {"type": "a", "status": "True"})
    first, second = conditions.read(folder)
    assert (first["type"], second["type"], second["message"]) == ("a", "b", "still")
    assert second["lastTransitionTime"].startswith("19")
    conditions.write(folder, {"type": "b", "status": "True"})
    assert not conditions.read(folder)[1]["lastTransitionTime"].startswith("19")


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"type": "Ready", "status": "True"}, "type"),
        ({"type": "a b", "status": "True"}, "type"),
        ({"type": "", "status": "True"}, "type"),
        ({"type": "a", "status": "true"}, "status"),
        ({"type": "a", "status": "True", "message": "x" * 1025}, "message"),
    ],
)
def test_a_bad_condition_is_refused(condition: dict[str, str], field: str) -> None:
    with pytest.raises(PodwrightError) as caught:
        conditions.check(condition)
    assert caught.value.field == field


def test_only_a_pod_that_runs_has_conditions(tmp_path: Path) -> None:
    def missing(*_: Any) -> Record:
        raise NotFound("there is no pod web")

    store = PodStore(str(tmp_path / "root"), str(tmp_path / "run"))
    good = {"type": "a", "status": "True"}
    with pytest.raises(HostError, match="pod web does not run"):
        Reports(store, lambda *_: record()).set_condition("web", good)
    with pytest.raises(NotFound):
        Reports(store, missing).set_condition("web", good)
