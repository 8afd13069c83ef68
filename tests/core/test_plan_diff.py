# SPDX-License-Identifier: Apache-2.0
"""Field by field difference."""

from typing import Any

import pytest
from hypothesis import given, settings

from manifesttools import good_pods, pod, with_container, with_metadata
from podwright.manifest.normalise import normalise
from podwright.manifest.paths import Key, render
from podwright.plan.diff import diff, diff_text


def normal(manifest: dict[str, Any]) -> dict[str, Any]:
    return normalise(manifest).pod


def differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[tuple[str, Any, Any]]:
    return [(render(path), old, new) for path, old, new in diff(before and normal(before), after and normal(after))]


def two(*names: str) -> dict[str, Any]:
    return pod(containers=[{"name": name, "image": f"{name}:1"} for name in names])


EMPTY = with_container()
SERVER = "spec.containers[server]"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (EMPTY, EMPTY, []),
        (
            with_container(env=[{"name": "GREETING", "value": "a"}, {"name": "X", "value": "1"}]),
            with_container(env=[{"name": "X", "value": "1"}, {"name": "GREETING", "value": "b"}]),
            [(f"{SERVER}.env[GREETING].value", "a", "b")],
        ),
        (
            with_container(env=[{"name": "B"}]),
            with_container(env=[{"name": "A", "value": "new"}, {"name": "B"}]),
            [(f"{SERVER}.env[A].value", None, "new")],
        ),
        (with_container(env=[{"name": "A"}]), EMPTY, [(f"{SERVER}.env[A].value", "", None)]),
        (
            with_container(env=[{"name": "A", "value": "$(B)"}, {"name": "B", "value": "1"}]),
            with_container(env=[{"name": "B", "value": "1"}, {"name": "A", "value": "$(B)"}]),
            [(f"{SERVER}.env", ["A", "B"], ["B", "A"])],
        ),
        (
            with_container(command=["sh", "-c", "a"]),
            with_container(command=["sh", "-c", "b"]),
            [(f"{SERVER}.command", ["sh", "-c", "a"], ["sh", "-c", "b"])],
        ),
        (with_container(args=["a"]), EMPTY, [(f"{SERVER}.args", ["a"], None)]),
        (
            with_container(ports=[{"containerPort": 80}]),
            with_container(ports=[{"containerPort": 80, "name": "http"}, {"containerPort": 80, "protocol": "UDP"}]),
            [
                (
                    f"{SERVER}.ports[80/TCP]",
                    {"containerPort": 80, "protocol": "TCP"},
                    {"containerPort": 80, "protocol": "TCP", "name": "http"},
                ),
                (f"{SERVER}.ports[80/UDP]", None, {"containerPort": 80, "protocol": "UDP"}),
            ],
        ),
        (
            with_container(resources={"limits": {"memory": "64Mi"}}),
            with_container(resources={"limits": {"memory": "128Mi"}, "requests": {"memory": "64Mi"}}),
            [(f"{SERVER}.resources.limits[memory]", "64Mi", "128Mi")],
        ),
        (
            with_metadata(labels={"app.example.com/a": "1", "b": "2"}),
            with_metadata(labels={"app.example.com/a": "2"}),
            [("metadata.labels[app.example.com/a]", "1", "2"), ("metadata.labels[b]", "2", None)],
        ),
        (
            pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a"]}, {"ip": "10.0.0.2", "hostnames": ["b"]}]),
            pod(hostAliases=[{"ip": "10.0.0.2", "hostnames": ["b"]}, {"ip": "10.0.0.1", "hostnames": ["a", "c"]}]),
            [
                ("spec.hostAliases", ["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"]),
                ("spec.hostAliases[10.0.0.1].hostnames", ["a"], ["a", "c"]),
            ],
        ),
        (pod(restartPolicy="Never"), EMPTY, [("spec.restartPolicy", "Never", "Always")]),
        (two("a", "b"), two("b", "a"), [("spec.containers", ["a", "b"], ["b", "a"])]),
        (
            two("b"),
            two("a", "b"),
            [
                ("spec.containers[a].image", None, "a:1"),
                ("spec.containers[a].imagePullPolicy", None, "IfNotPresent"),
            ],
        ),
    ],
)
def test_names_exactly_what_differs(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, Any, Any]]
) -> None:
    assert differences(before, after) == expected
    turned = [(path, new, old) for path, old, new in expected]
    assert differences(after, before) == turned


def test_a_pod_that_is_not_there_differs_in_every_field() -> None:
    assert differences(None, EMPTY) == [
        ("apiVersion", None, "v1"),
        ("kind", None, "Pod"),
        ("metadata.name", None, "web"),
        ("metadata.namespace", None, "default"),
        (f"{SERVER}.image", None, "registry.example.com/httpd:2.4"),
        (f"{SERVER}.imagePullPolicy", None, "IfNotPresent"),
        ("spec.dnsPolicy", None, "Default"),
        ("spec.restartPolicy", None, "Always"),
        ("spec.terminationGracePeriodSeconds", None, 30),
    ]
    assert differences(None, None) == []


def test_the_text_holds_the_changed_fields_on_each_side() -> None:
    changes = [("a.b", "x: é", None), ("a[c]", 1, ["y", 2]), ("d", None, {"f": 1, "e": True})]
    assert diff_text(changes) == ('a.b: "x: é"\na[c]: 1\n', 'a[c]: ["y", 2]\nd: {"e": true, "f": 1}\n')
    assert diff_text([]) == ("", "")


@settings(max_examples=150, deadline=None)
@given(good_pods, good_pods)
def test_there_is_a_difference_exactly_when_the_pods_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = normal(one), normal(other)
    found = diff(before, after)
    assert bool(found) == (before != after)
    assert all(old != new for _, old, new in found)
    assert len({render(path) for path, _, _ in found}) == len(found)
    assert [(path, new, old) for path, old, new in diff(after, before)] == found


def test_paths_are_written_as_kubernetes_writes_them() -> None:
    assert render(("spec", "containers", 0, "image")) == "spec.containers[0].image"
    assert render(("spec", "containers", Key("a"), "env", Key("b.c"), "value")) == "spec.containers[a].env[b.c].value"
    assert render(("metadata", "labels", "a.b/c")) == "metadata.labels[a.b/c]"
    assert render(("spec", "x\n")) == "spec.x\\n"
    assert render(()) == "manifest"
