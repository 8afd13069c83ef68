# SPDX-License-Identifier: Apache-2.0
"""Plans for a container alone: every field edited once, and what its state asks for."""

from typing import Any

import pytest

from containertools import EDITS, Edit, base, edited
from podwright.manifest import check, lone
from podwright.manifest.normalise import NORMALISER_VERSION, normalise
from podwright.plan.model import Observed, Plan, Problem
from podwright.plan.planner import plan

RUNNING = Observed(state="running", problems=[], digests={})
FIELDS = {name for name in check.node_of("LoneContainer")["properties"] if name != "kind"}


def normal(container: dict[str, Any]) -> dict[str, Any]:
    return normalise({"kind": "Container", **container}).pod


def planned(before: dict[str, Any], after: dict[str, Any] | None, observed: Observed = RUNNING) -> Plan:
    recorded = {"pod": normal(before), "normaliser": NORMALISER_VERSION, "images": {}}
    return plan(None if after is None else normal(after), recorded, observed)


def with_rootfs(path: str) -> dict[str, Any]:
    container = base() | {"rootfs": path}
    del container["image"], container["imagePullPolicy"]
    return container


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_names_its_fields_and_what_they_take(edit: Edit) -> None:
    found = planned(base(), edited(edit))
    assert {change.path for change in found.changes} == edit.fields
    assert found.action == edit.action
    assert {change.effect for change in found.changes} == ({edit.effect} if edit.fields else set())
    again = planned(edited(edit), edited(edit))
    assert (again.action, again.changes) == ("none", [])


def test_every_field_is_edited() -> None:
    named = {path.partition("[")[0].partition(".")[0] for edit in EDITS for path in edit.fields}
    assert named == FIELDS - {"name", "namespace", "rootfs"}, "another name is another container"


@pytest.mark.parametrize(
    ("after", "fields"),
    [(with_rootfs("/srv/b"), {"rootfs"}), (base(), {"rootfs", "image", "imagePullPolicy"})],
)
def test_another_ground_is_a_restart(after: dict[str, Any], fields: set[str]) -> None:
    found = planned(with_rootfs("/srv/a"), after)
    assert ({change.path for change in found.changes}, found.action, found.restart) == (fields, "update", ["web"])


def test_all_fields_are_named_when_it_comes_and_goes() -> None:
    created = plan(normal(base()), None, Observed(state="absent", problems=[], digests={}))
    named = {change.path.partition("[")[0].partition(".")[0] for change in created.changes}
    assert (created.action, named) == ("create", FIELDS - {"rootfs", "runtimeClassName"})
    assert {change.effect for change in created.changes} == {"create container"}
    removed = planned(base(), None)
    assert removed.action == "delete"
    assert {change.path for change in removed.changes} == {change.path for change in created.changes}
    assert {change.effect for change in removed.changes} == {"delete container"}


def stopped(**fields: Any) -> dict[str, Any]:
    return base() | {"state": "stopped"} | fields


def test_a_stopped_container_only_records() -> None:
    found = planned(stopped(), stopped(labels={"app": "shop"}, restartPolicy="Never"))
    assert found.action == "update"
    assert {change.path: change.effect for change in found.changes} == {"labels[app]": "none", "restartPolicy": "none"}
    assert (found.restart, found.in_place) == ([], [])


def test_it_starts_with_what_has_changed_since() -> None:
    found = planned(stopped(), base() | {"restartPolicy": "Never"})
    assert found.action == "start"
    assert {change.path: change.effect for change in found.changes} == {
        "state": "start container",
        "restartPolicy": "none",
    }


def test_it_stops_with_what_has_changed_at_once() -> None:
    found = planned(base(), stopped(labels={"app": "shop"}))
    assert found.action == "stop"
    assert {change.path: change.effect for change in found.changes} == {
        "labels[app]": "none",
        "state": "stop container",
    }


def test_one_that_runs_though_it_is_stopped_is_stopped() -> None:
    runs = Observed(state="running", problems=[Problem("status", "it runs", "stop container")], digests={})
    found = planned(stopped(), stopped(), runs)
    assert (found.action, [change.path for change in found.changes]) == ("stop", ["status"])


def test_problems_are_told_in_its_own_words() -> None:
    problem = Problem("spec.containers[web]", "its last update was interrupted", "restart container web")
    found = planned(base(), base(), Observed(state="running", problems=[problem], digests={}))
    assert (found.action, found.restart) == ("update", ["web"])
    assert [(change.path, change.effect) for change in found.changes] == [("status", "restart container")]


def test_the_record_of_another_release_is_normalised_anew() -> None:
    recorded = {"pod": normal(base()), "normaliser": 0, "images": {}}
    assert plan(normal(base()), recorded, RUNNING).action == "none"
    assert normalise(lone.unwrap(normal(base()))).pod == normal(base())
