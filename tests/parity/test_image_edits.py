# SPDX-License-Identifier: Apache-2.0
"""One table of edits of an image: the command line, Ansible and Pulumi name the same fields for each."""

import json
from typing import Any, NamedTuple

import pytest
from ansible_collections.podwright.runtime.plugins.module_utils import _core, _image

from ansibletools import BIN, play, task
from imagetools import ARCHITECTURE, entry, make_index, make_layout, push
from pulumi_podwright.image_provider import ImageProvider
from registry import Registry

OTHER = "s390x" if ARCHITECTURE != "s390x" else "amd64"


class Edit(NamedTuple):
    """What the document has besides its name, the paths that must be named, and what must be done about it."""

    name: str
    fields: dict[str, Any]
    paths: set[str]
    action: str


EDITS = [
    Edit("nothing", {}, set(), "none"),
    Edit("always, and the tag did not move", {"pullPolicy": "Always"}, set(), "none"),
    Edit("never, and it is here", {"pullPolicy": "Never"}, set(), "none"),
    Edit("this platform", {"platform": f"linux/{ARCHITECTURE}"}, set(), "none"),
    Edit("another platform", {"platform": f"linux/{OTHER}"}, {"digest", "platform"}, "create"),
    Edit("a login", {"auth": {"username": "robot", "password": "hunter2"}}, set(), "none"),
    Edit("a destination", {"destinations": ["oci:FOLDER/copy"]}, {"destinations[oci:FOLDER/copy]"}, "update"),
    Edit("a source", {"source": "oci:FOLDER/second"}, {"digest"}, "update"),
    Edit("a source for want of it", {"source": "oci:FOLDER/second", "pullPolicy": "IfNotPresent"}, set(), "none"),
    Edit(
        "both",
        {"source": "oci:FOLDER/second", "destinations": ["oci:FOLDER/copy"]},
        {"destinations[oci:FOLDER/copy]", "digest"},
        "update",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("parity")
    make_index(path / "first", [(ARCHITECTURE, "ours"), (OTHER, "theirs")])
    make_layout(path / "second", [[entry("content", "second")]])
    return path


@pytest.fixture(scope="module")
def name(folder):
    with Registry() as registry:
        push(folder / "first", f"{registry.address}/app:1")
        yield f"{registry.address}/app:1"


@pytest.fixture(scope="module")
def image(module_host, name):
    """The image as it is on the host."""
    return module_host.runtime.images.apply({"name": name}).image


def document(edit: Edit, name: str, folder: Any) -> dict[str, Any]:
    fields = json.loads(json.dumps(edit.fields).replace("FOLDER", str(folder)))
    return {"name": name, **fields}


def options(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as the options of the module, in Ansible's spelling."""
    spelling = {_core.kubernetes_name(option): option for option in _image.ARGUMENTS["argument_spec"]}
    return {spelling[name]: value for name, value in document.items()} | {"executable": str(BIN / "podwright")}


@pytest.fixture(scope="module")
def answers(module_host, image, name, folder):
    """Ansible's answers in check and diff mode to every edit, by the edit's name."""
    tasks = [
        task(f"edit_{index}", options(document(edit, name, folder)), module="image") for index, edit in enumerate(EDITS)
    ]
    before = module_host.snapshot()
    played = play(folder, tasks, {"PODWRIGHT_CONFIG": str(module_host.config_path)}, ("--check", "--diff"))
    assert module_host.snapshot() == before, "a play in check mode changed something"
    return {edit.name: played.results[f"edit_{index}"] for index, edit in enumerate(EDITS)}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_all_front_ends_agree(edit, answers, module_host, image, name, folder):
    wanted = document(edit, name, folder)
    expected = {path.replace("FOLDER", str(folder)) for path in edit.paths}
    ansible = answers[edit.name]
    assert (ansible["changed"], ansible["action"]) == (edit.action != "none", edit.action)
    assert {change["path"] for change in ansible["changes"]} == expected
    lines = (ansible["diff"]["before"] + ansible["diff"]["after"]).splitlines()
    assert {line.split(": ")[0] for line in lines} == expected, "Ansible's diff shows other fields than its changes"

    request = {"version": 1, "kind": "Image", "action": "plan", "manifest": wanted}
    answered = json.loads(module_host.run("api", stdin=json.dumps(request)).stdout)["result"]
    assert {key: answered[key] for key in ("action", "changes")} == {key: ansible[key] for key in ("action", "changes")}

    provider = ImageProvider()
    found = {"reference": name, "digest": image.digest, "platform": str(image.platform), "size": float(image.size)}
    old = {**provider.check({}, {"name": name}).inputs, **found}
    new = provider.check({}, wanted).inputs
    assert set(provider.changed_fields(old, new)) == expected
    assert not provider.diff(name, old, new).replaces, "only another name is another resource"


def test_a_tag_that_moved_is_the_same_field_everywhere(module_host, image, name, folder, monkeypatch):
    monkeypatch.setenv("PODWRIGHT_CONFIG", str(module_host.config_path))
    wanted = {"name": name, "pullPolicy": "Always"}
    push(folder / "second", name)
    try:
        (change,) = module_host.runtime.images.plan(wanted).changes
        read = ImageProvider().read(name, ImageProvider().check({}, wanted).inputs)
    finally:
        push(folder / "first", name)
    assert change.path == "digest"
    assert read.outs["drift"] == [f"digest: {image.digest} is {change.after} now"]
    assert not module_host.runtime.images.plan(wanted).changed
