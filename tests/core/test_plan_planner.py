# SPDX-License-Identifier: Apache-2.0
"""The planner: desired, recorded and observed in, a plan out."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from manifesttools import good_pods
from podwright.manifest.normalise import NORMALISER_VERSION, normalise
from podwright.plan.model import Change, Observed, Plan, Problem
from podwright.plan.planner import plan

TWO = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"tier": "front"}},
    "spec": {
        "containers": [
            {
                "name": "server",
                "image": "httpd:2",
                "env": [{"name": "GREETING", "value": "hello"}],
                "resources": {"limits": {"memory": "64Mi"}},
            },
            {"name": "client", "image": "curl", "args": ["http://127.0.0.1"]},
        ]
    },
}
RUNNING = Observed("running", [], {})
ABSENT = Observed("absent", [], {})
DIGESTS = {"server": "sha256:" + "1" * 64, "client": "sha256:" + "2" * 64}


def normal(manifest: dict[str, Any] = TWO) -> dict[str, Any]:
    return normalise(manifest).pod


def record(manifest: dict[str, Any] = TWO, version: int = NORMALISER_VERSION) -> dict[str, Any]:
    return {"pod": normal(manifest), "normaliser": version, "images": DIGESTS}


def edited(edit: Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], object]) -> dict[str, Any]:
    """Return TWO, changed by a function of its metadata, its spec and its first container."""
    manifest = copy.deepcopy(TWO)
    spec: Any = manifest["spec"]
    edit(manifest["metadata"], spec, spec["containers"][0])  # type: ignore[arg-type]  # a literal's inferred type
    return manifest


def short(planned: Plan) -> tuple[str, list[tuple[str, str]], list[str], list[str]]:
    changes = [(change.path, change.effect) for change in planned.changes]
    return planned.action, changes, planned.restart, planned.in_place


def test_nothing_to_do() -> None:
    planned = plan(normal(), record(), RUNNING, ["careful"])
    assert short(planned) == ("none", [], [], [])
    assert not planned.changed
    assert planned.as_dict() == {
        "changed": False,
        "action": "none",
        "changes": [],
        "warnings": ["careful"],
        "diff": {"before": "", "after": ""},
    }


@settings(max_examples=100, deadline=None)
@given(good_pods)
def test_what_was_just_applied_needs_nothing(manifest: dict[str, Any]) -> None:
    recorded = {"pod": normal(manifest), "normaliser": NORMALISER_VERSION, "images": {}}
    assert not plan(normal(manifest), recorded, RUNNING).changed
    assert not plan(normal(manifest), {**recorded, "normaliser": 0}, RUNNING).changed


def test_create() -> None:
    planned = plan(normal(), None, ABSENT)
    assert (planned.action, planned.changed) == ("create", True)
    assert {change.effect for change in planned.changes} == {"create pod"}
    assert {change.before for change in planned.changes} == {None}
    diff = planned.as_dict()["diff"]
    assert diff["before"] == ""
    assert 'spec.containers[server].env[GREETING].value: "hello"\n' in diff["after"]


def test_delete() -> None:
    planned = plan(None, record(), RUNNING)
    assert planned.action == "delete"
    assert {change.effect for change in planned.changes} == {"delete pod"}
    assert planned.as_dict()["diff"]["after"] == ""
    assert plan(None, None, ABSENT).action == "none"
    for state in ("unfinished", "deleting"):
        assert plan(None, record(), Observed(state, [], {})).action == "delete"
        assert plan(None, None, Observed(state, [], {})).action == "delete"


SERVER = "spec.containers[server]"
EDITS: list[tuple[Any, str, list[tuple[str, str]], list[str], list[str]]] = [
    (
        lambda _m, _s, c: c["env"][0].update(value="bye"),
        "update",
        [(f"{SERVER}.env[GREETING].value", "restart container server")],
        ["server"],
        [],
    ),
    (
        lambda _m, _s, c: c["env"].append({"name": "MORE", "value": "1"}),
        "update",
        [(f"{SERVER}.env[MORE].value", "restart container server")],
        ["server"],
        [],
    ),
    (
        lambda _m, _s, c: c.pop("env"),
        "update",
        [(f"{SERVER}.env[GREETING].value", "restart container server")],
        ["server"],
        [],
    ),
    (
        lambda _m, _s, c: c.update(image="httpd:3"),
        "update",
        [(f"{SERVER}.image", "restart container server")],
        ["server"],
        [],
    ),
    (
        lambda _m, s, c: (c.update(command=["x"]), s["containers"][1].update(workingDir="/tmp")),
        "update",
        [
            ("spec.containers[client].workingDir", "restart container client"),
            (f"{SERVER}.command", "restart container server"),
        ],
        ["server", "client"],
        [],
    ),
    (
        lambda _m, _s, c: c["resources"]["limits"].update(memory="128Mi"),
        "update",
        [(f"{SERVER}.resources.limits[memory]", "in-place"), (f"{SERVER}.resources.requests[memory]", "in-place")],
        [],
        ["server"],
    ),
    (
        lambda _m, _s, c: (c["resources"]["limits"].update(cpu=1), c.update(args=["x"])),
        "update",
        [
            (f"{SERVER}.args", "restart container server"),
            (f"{SERVER}.resources.limits[cpu]", "in-place"),
            (f"{SERVER}.resources.requests[cpu]", "in-place"),
        ],
        ["server"],
        [],
    ),
    (
        lambda _m, _s, c: c.update(ports=[{"containerPort": 80}]),
        "update",
        [(f"{SERVER}.ports[80/TCP]", "in-place")],
        [],
        ["server"],
    ),
    (
        lambda _m, _s, c: c.update(imagePullPolicy="Never"),
        "update",
        [(f"{SERVER}.imagePullPolicy", "in-place")],
        [],
        ["server"],
    ),
    (lambda m, _s, _c: m["labels"].update(tier="back"), "update", [("metadata.labels[tier]", "none")], [], []),
    (lambda m, _s, _c: m.pop("labels"), "update", [("metadata.labels[tier]", "none")], [], []),
    (
        lambda m, _s, _c: m.update(annotations={"a.b/c": ""}),
        "update",
        [("metadata.annotations[a.b/c]", "none")],
        [],
        [],
    ),
    (lambda _m, s, _c: s.update(restartPolicy="Never"), "recreate", [("spec.restartPolicy", "recreate pod")], [], []),
    (lambda _m, s, _c: s.update(hostname="other"), "recreate", [("spec.hostname", "recreate pod")], [], []),
    (
        lambda _m, s, _c: s.update(terminationGracePeriodSeconds=5),
        "recreate",
        [("spec.terminationGracePeriodSeconds", "recreate pod")],
        [],
        [],
    ),
    (
        lambda _m, s, c: (s.update(hostAliases=[{"ip": "::1", "hostnames": ["a"]}]), c.update(args=["x"])),
        "recreate",
        [(f"{SERVER}.args", "restart container server"), ("spec.hostAliases[::1].hostnames", "recreate pod")],
        [],
        [],
    ),
    (lambda _m, s, _c: s["containers"].reverse(), "recreate", [("spec.containers", "recreate pod")], [], []),
    (
        lambda _m, s, _c: s["containers"].pop(),
        "recreate",
        [
            ("spec.containers[client].args", "recreate pod"),
            ("spec.containers[client].image", "recreate pod"),
            ("spec.containers[client].imagePullPolicy", "recreate pod"),
        ],
        [],
        [],
    ),
    (
        lambda _m, s, _c: s["containers"].append({"name": "third", "image": "x:1"}),
        "recreate",
        [
            ("spec.containers[third].image", "recreate pod"),
            ("spec.containers[third].imagePullPolicy", "recreate pod"),
        ],
        [],
        [],
    ),
]


@pytest.mark.parametrize(("edit", "action", "changes", "restart", "in_place"), EDITS)
def test_an_edit_costs_what_the_table_says(
    edit: Any, action: str, changes: list[tuple[str, str]], restart: list[str], in_place: list[str]
) -> None:
    after = edited(edit)
    assert short(plan(normal(after), record(), RUNNING)) == (action, changes, restart, in_place)
    assert short(plan(normal(after), record(after), RUNNING)) == ("none", [], [], [])


def test_the_diff_of_one_variable_shows_that_one_field() -> None:
    after = edited(lambda _m, _s, container: container["env"][0].update(value="bye"))
    assert plan(normal(after), record(), RUNNING).as_dict() == {
        "changed": True,
        "action": "update",
        "changes": [
            {
                "path": "spec.containers[server].env[GREETING].value",
                "before": "hello",
                "after": "bye",
                "effect": "restart container server",
            }
        ],
        "warnings": [],
        "diff": {
            "before": 'spec.containers[server].env[GREETING].value: "hello"\n',
            "after": 'spec.containers[server].env[GREETING].value: "bye"\n',
        },
    }


# -- images


def test_a_tag_that_moved_restarts_its_container() -> None:
    moved = "sha256:" + "3" * 64
    planned = plan(normal(), record(), Observed("running", [], {"client": moved}))
    change = Change(
        "spec.containers[client].image",
        f"curl@{DIGESTS['client']}",
        f"curl@{moved}",
        "restart container client",
    )
    assert (planned.action, planned.changes, planned.restart) == ("update", [change], ["client"])


def test_a_tag_that_stayed_or_was_never_recorded_changes_nothing() -> None:
    assert not plan(normal(), record(), Observed("running", [], DIGESTS)).changed
    assert not plan(normal(), {**record(), "images": {}}, Observed("running", [], DIGESTS)).changed


def test_another_image_is_named_once() -> None:
    after = edited(lambda _m, spec, _c: spec["containers"][1].update(image="wget"))
    planned = plan(normal(after), record(), Observed("running", [], {"client": "sha256:" + "4" * 64}))
    assert [change[:3] for change in planned.changes] == [("spec.containers[client].image", "curl", "wget")]


# -- ConfigMaps and Secrets

OF_SERVER = "spec.containers[server].env[GREETING].valueFrom.configMapKeyRef"


def of_objects(before: dict[str, str], after: dict[str, str], manifest: dict[str, Any] = TWO) -> Plan:
    return plan(normal(manifest), {**record(), "references": before}, Observed("running", [], {}, after))


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        (OF_SERVER, "restart container server"),
        ("spec.containers[client].envFrom[0].secretRef", "restart container client"),
        ("spec.volumes[config].configMap", "in-place"),
        ("spec.initContainers[first].envFrom[0].configMapRef", "recreate pod"),
    ],
)
@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("sha256:1", "sha256:2", ("sha256:1", "sha256:2")),
        ("", "sha256:2", (None, "sha256:2")),
        ("sha256:1", "", ("sha256:1", None)),
        ("keyed:1", "keyed:2", ("<hidden>", "<hidden, another value>")),
        ("", "keyed:2", (None, "<hidden>")),
        ("keyed:1", "", ("<hidden>", None)),
    ],
)
def test_an_edited_object_is_a_change_where_it_is_named(
    path: str, effect: str, old: str, new: str, shown: tuple[str | None, str | None]
) -> None:
    planned = of_objects({path: old}, {path: new})
    action = "recreate" if effect == "recreate pod" else "update"
    assert (planned.action, planned.changes) == (action, [Change(path, *shown, effect)])
    assert planned.restart == ([effect.split()[-1]] if effect.startswith("restart") else [])


def test_what_is_the_same_or_new_or_gone_is_no_change_of_an_object() -> None:
    assert not of_objects({OF_SERVER: "sha256:1"}, {OF_SERVER: "sha256:1"}).changed
    assert not of_objects({}, {OF_SERVER: "sha256:1"}).changed
    assert not of_objects({OF_SERVER: "sha256:1"}, {}).changed


def test_a_field_that_names_another_key_is_named_once() -> None:
    manifests = []
    for key in ("a", "b"):
        source = {"configMapKeyRef": {"name": "c", "key": key}}
        manifests.append(
            edited(lambda _m, _s, c, source=source: c.update(env=[{"name": "GREETING", "valueFrom": source}]))
        )
    recorded = {**record(manifests[0]), "references": {OF_SERVER: "sha256:1"}}
    planned = plan(normal(manifests[1]), recorded, Observed("running", [], {}, {OF_SERVER: "sha256:2"}))
    assert [change[:3] for change in planned.changes] == [(f"{OF_SERVER}.key", "a", "b")]


# -- drift


DEAD = Problem("status", "the supervisor is gone", "recreate pod")
STOPPED = Problem("status.containerStatuses[client]", "its last update was interrupted", "restart container client")
LIMITS = Problem("status.containerStatuses[server]", "its last update was interrupted", "in-place")


def test_a_broken_pod_is_repaired() -> None:
    planned = plan(normal(), record(), Observed("running", [DEAD], {}))
    assert short(planned) == ("repair", [("status", "recreate pod")], [], [])
    assert planned.changes == [Change("status", "the supervisor is gone", "repaired", "recreate pod")]
    assert planned.as_dict()["diff"] == {
        "before": 'status: "the supervisor is gone"\n',
        "after": 'status: "repaired"\n',
    }


def test_a_broken_container_is_restarted_alone() -> None:
    planned = plan(normal(), record(), Observed("running", [STOPPED, LIMITS], {}))
    assert (planned.action, planned.restart, planned.in_place) == ("update", ["client"], ["server"])


def test_a_broken_pod_with_an_edit_is_repaired_into_the_edit_or_recreated() -> None:
    restart = edited(lambda _m, _s, container: container.update(args=["x"]))
    assert plan(normal(restart), record(), Observed("running", [DEAD], {})).action == "repair"
    recreate = edited(lambda _m, spec, _c: spec.update(restartPolicy="Never"))
    assert plan(normal(recreate), record(), Observed("running", [DEAD], {})).action == "recreate"


def test_a_recorded_pod_of_which_nothing_runs_is_repaired() -> None:
    planned = plan(normal(), record(), ABSENT)
    assert planned.changes == [Change("status", "nothing of the pod runs", "repaired", "recreate pod")]
    assert planned.action == "repair"


@pytest.mark.parametrize(
    ("state", "message"),
    [("unfinished", "an earlier apply was interrupted"), ("deleting", "an earlier delete was interrupted")],
)
def test_an_interrupted_pod_is_made_anew(state: Any, message: str) -> None:
    change = Change("status", message, "repaired", "recreate pod")
    planned = plan(normal(), record(), Observed(state, [], {}))
    assert (planned.action, planned.changes) == ("recreate", [change])
    after = edited(lambda _m, _s, container: container.update(args=["x"]))
    planned = plan(normal(after), record(), Observed(state, [], {}))
    assert (planned.action, [item.path for item in planned.changes]) == ("recreate", [f"{SERVER}.args", "status"])
    without_record = plan(normal(), None, Observed(state, [], {}))
    assert without_record.action == "recreate"
    assert without_record.changes[-1] == change


# -- releases


def test_a_new_normaliser_does_not_touch_a_pod_that_means_the_same() -> None:
    older = record(version=NORMALISER_VERSION - 1)
    older["pod"]["spec"]["dnsPolicy"] = "ClusterFirst"
    older["pod"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "65536Ki"
    assert not plan(normal(), older, RUNNING).changed
    older["normaliser"] = NORMALISER_VERSION
    assert plan(normal(), older, RUNNING).changed


def test_a_field_that_a_new_release_refuses_shows_as_removed() -> None:
    older = record(version=NORMALISER_VERSION - 1)
    older["pod"]["spec"]["bygone"] = True
    planned = plan(normal(), older, RUNNING)
    assert short(planned) == ("recreate", [("spec.bygone", "recreate pod")], [], [])


def test_nothing_that_was_handed_in_is_changed() -> None:
    desired, recorded = normal(), record()
    before = copy.deepcopy((desired, recorded))
    planned = plan(desired, recorded, Observed("running", [STOPPED], {}), warnings := ["w"])
    planned.warnings.append("x")
    assert (desired, recorded) == before
    assert warnings == ["w"]
    assert repr(planned) == "<Plan update: status.containerStatuses[client]>"
