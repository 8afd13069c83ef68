# SPDX-License-Identifier: Apache-2.0
"""The program's side of a Pod: what it hands to the engine (Pulumi's mocks) and what it offers."""

import json

import pulumi
import pytest

from pods import web
from pulumi_podwright import Pod


def deploy(mocked, *args, **options):
    """Declare a Pod and return what it offers once it is up."""
    found = {}

    @pulumi.runtime.test
    def program():
        pod = Pod("web", *args, **options)
        outputs = pulumi.Output.all(uid=pod.uid, phase=pod.phase, pod_ip=pod.pod_ip, id=pod.id)
        return outputs.apply(found.update)

    program()
    return found


def test_the_type_and_the_name_of_the_resource(mocked):
    deploy(mocked, web())
    assert (mocked.asked.typ, mocked.asked.name) == ("pulumi-python:dynamic/podwright:Pod", "web")


def test_the_outputs_are_there(mocked):
    expected = {"uid": "u-1", "phase": "Running", "pod_ip": "10.77.0.5", "id": "default/web"}
    assert deploy(mocked, web()) == expected


def test_a_dictionary_may_hold_outputs(mocked):
    deploy(mocked, web(name=pulumi.Output.from_input("later")))
    assert mocked.asked.inputs["manifest"]["metadata"]["name"] == "later"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_path_is_read_when_the_program_runs(mocked, tmp_path, kind):
    file = tmp_path / "pod.yaml"
    file.write_text("# a comment\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {priority: 1000000007}\n")
    deploy(mocked, kind(file))
    assert json.loads(mocked.asked.inputs["manifest"]) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"priority": 1000000007},
    }


def test_waiting_is_handed_on(mocked):
    deploy(mocked, web())
    assert (mocked.asked.inputs["wait"], mocked.asked.inputs["waitTimeout"]) == (True, 120)
    deploy(mocked, web(), wait=False, wait_timeout=5)
    assert (mocked.asked.inputs["wait"], mocked.asked.inputs["waitTimeout"]) == (False, 5)


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
