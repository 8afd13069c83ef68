# SPDX-License-Identifier: Apache-2.0
"""The program's side of a Pod: what it hands to the engine (Pulumi's mocks) and what it offers."""

import json

import pulumi
import pytest
from pulumi.runtime import mocks

from pods import web
from pulumi_podwright import Pod


class Engine(mocks.Mocks):
    """Answers with what a running pod has, and keeps what was asked for."""

    def __init__(self) -> None:
        self.asked: mocks.MockResourceArgs | None = None

    def new_resource(self, args):
        self.asked = args
        return "default/web", {**args.inputs, "uid": "u-1", "phase": "Running", "podIP": "10.77.0.5"}

    def call(self, args):
        return {}


@pytest.fixture
def engine():
    """The mock that stands for the engine."""
    engine = Engine()
    mocks.set_mocks(engine, preview=False)
    return engine


def deploy(engine, *args, **options):
    """Declare a Pod and return what it offers once it is up."""
    found = {}

    @pulumi.runtime.test
    def program():
        pod = Pod("web", *args, **options)
        outputs = pulumi.Output.all(uid=pod.uid, phase=pod.phase, pod_ip=pod.pod_ip, id=pod.id)
        return outputs.apply(found.update)

    program()
    return found


def test_the_type_and_the_name_of_the_resource(engine):
    deploy(engine, web())
    assert (engine.asked.typ, engine.asked.name) == ("pulumi-python:dynamic/podwright:Pod", "web")


def test_the_outputs_are_there(engine):
    expected = {"uid": "u-1", "phase": "Running", "pod_ip": "10.77.0.5", "id": "default/web"}
    assert deploy(engine, web()) == expected


def test_a_dictionary_may_hold_outputs(engine):
    deploy(engine, web(name=pulumi.Output.from_input("later")))
    assert engine.asked.inputs["manifest"]["metadata"]["name"] == "later"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_path_is_read_when_the_program_runs(engine, tmp_path, kind):
    file = tmp_path / "pod.yaml"
    file.write_text("# a comment\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {priority: 1000000007}\n")
    deploy(engine, kind(file))
    assert json.loads(engine.asked.inputs["manifest"]) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"priority": 1000000007},
    }


def test_waiting_is_handed_on(engine):
    deploy(engine, web())
    assert (engine.asked.inputs["wait"], engine.asked.inputs["waitTimeout"]) == (True, 120)
    deploy(engine, web(), wait=False, wait_timeout=5)
    assert (engine.asked.inputs["wait"], engine.asked.inputs["waitTimeout"]) == (False, 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind: Pod\n---\nkind: Pod\n", "holds 2 documents"),
        ("kind: Deployment\n", "kind"),
        ("kind: [\n", "line 2"),
        ("", "holds no document"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path, text, reason):
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    with pytest.raises(pulumi.RunError, match=reason) as raised:
        Pod("web", str(file))
    assert str(file) in str(raised.value)


def test_a_missing_file_is_one_sentence_that_names_it(tmp_path):
    with pytest.raises(pulumi.RunError, match=r"missing\.yaml cannot be read: No such file or directory"):
        Pod("web", tmp_path / "missing.yaml")
