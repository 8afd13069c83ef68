# SPDX-License-Identifier: Apache-2.0
"""``podwright api``: whatever comes in, one JSON answer goes out."""

import json

import pytest

from podwright.cli.api import handle, respond


@pytest.fixture(autouse=True)
def installation(tmp_path, monkeypatch):
    """An installation that a test may read, and whose folders are not there."""
    path = tmp_path / "podwright.toml"
    path.write_text(f'root = "{tmp_path}/lib"\nrun = "{tmp_path}/run"\n')
    monkeypatch.setenv("PODWRIGHT_CONFIG", str(path))


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "[" * 100_000, '{"a": ' * 100_000, b"\xff", "9" * 5000])
def test_what_is_no_request_is_answered(text):
    answer = json.loads(respond(text))
    assert answer["status"] == "error"
    assert answer["error"]["message"].startswith("not a request: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("version", [1]),
        ("action", []),
        ("action", None),
        ("action", "reboot"),
        ("kind", "Node"),
        ("kind", ["Pod"]),
        ("manifest", []),
        ("text", 5),
        ("name", ["web"]),
        ("namespace", 7),
        ("wait", "false"),
        ("timeout", "10"),
        ("timeout", True),
        ("dry_run", 1),
        ("grace", "0"),
        ("grace", False),
        ("container", {}),
        ("tail", 1.5),
        ("names", "web"),
        ("force", 1),
        ("all", "yes"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(field, value):
    request = {"version": 1, "action": "get", "name": "web", field: value}
    error = handle(request)["error"]
    assert error["field"] == field
    assert field in error["message"]


@pytest.mark.parametrize("action", ["get", "logs", "delete"])
@pytest.mark.parametrize(
    ("name", "namespace", "field"),
    [
        ("a/b", "default", "metadata.name"),
        ("a\0b", "default", "metadata.name"),
        ("\ud800", "default", "metadata.name"),
        ("x" * 254, "default", "metadata.name"),
        ("web", "../pods", "metadata.namespace"),
        ("web", "n" * 64, "metadata.namespace"),
    ],
)
def test_what_can_be_no_name_never_becomes_a_path(action, name, namespace, field, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    answer = json.loads(respond(json.dumps({"version": 1, "action": action, "name": name, "namespace": namespace})))
    assert answer["error"]["field"] == field
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("action", ["get", "logs", "delete"])
@pytest.mark.parametrize(("name", "namespace", "field"), [("a/b", "default", "name"), ("web", "..", "namespace")])
def test_a_container_alone_has_its_names_beside_its_fields(action, name, namespace, field):
    error = handle({"version": 1, "kind": "Container", "action": action, "name": name, "namespace": namespace})["error"]
    assert error["field"] == field


@pytest.mark.parametrize(("manifest", "field"), [({}, "name"), ({"name": "web"}, "image"), ({"name": "A"}, "name")])
def test_what_is_wrong_with_a_container_is_named(manifest, field):
    error = handle({"version": 1, "kind": "Container", "action": "plan", "manifest": manifest})["error"]
    assert error["field"] == field


def test_what_is_not_there_of_a_kind():
    error = handle({"version": 1, "kind": "Container", "action": "get", "name": "web"})["error"]
    assert (error["type"], error["message"]) == ("NotFound", "there is no container web in namespace default")
    assert handle({"version": 1, "kind": "Container", "action": "list"})["result"] == []


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"action": "logs", "name": "a"}, "action"),
        ({"action": "apply"}, "manifest"),
        ({"action": "apply", "text": "kind: Image"}, "manifest"),
        ({"action": "plan", "manifest": {"name": "A/B"}}, "name"),
        ({"action": "plan", "manifest": {"name": "a", "kind": "Pod"}}, "kind"),
        ({"action": "plan", "manifest": {"name": "a:1", "pullPolicy": "Never"}}, "pullPolicy"),
        ({"action": "delete"}, "name"),
        ({"action": "get"}, "name"),
        ({"action": "get", "name": "a:1"}, "name"),
        ({"action": "list", "names": ["a", 5]}, "names"),
    ],
)
def test_what_is_wrong_with_a_request_about_images_is_named(request_, field):
    assert handle({"version": 1, "kind": "Image", **request_})["error"]["field"] == field


def test_a_store_that_is_not_there_has_no_images(tmp_path):
    before = sorted(tmp_path.rglob("*"))
    about = {"version": 1, "kind": "Image"}
    assert handle({**about, "action": "list"})["result"] == []
    assert handle({**about, "action": "delete", "name": "a:1"})["result"]["action"] == "none"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("action", "field", "value"), [("logs", "tail", -1), ("delete", "grace", -1), ("delete", "grace", 10**12)]
)
def test_a_number_out_of_bounds_is_named(action, field, value):
    error = handle({"version": 1, "action": action, "name": "web", field: value})["error"]
    assert error["field"] == field
    assert str(value) in error["message"]


def test_a_timeout_that_never_ends_is_refused():
    error = json.loads(respond('{"version": 1, "action": "apply", "manifest": {}, "wait": true, "timeout": NaN}'))
    assert error["error"]["field"] == "timeout"


def test_absence_of_another_kind_is_refused():
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    error = handle({"version": 1, "action": "delete", "manifest": manifest})["error"]
    assert (error["field"], error["value"]) == ("kind", "Deployment")
