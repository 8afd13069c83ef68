# SPDX-License-Identifier: Apache-2.0
"""Secrets: what is taken, what is kept, and that nothing ever shows their content."""

import base64
import json
import os
import stat

import pytest

from podwright.errors import HostError, ManifestError
from podwright.manifest.secret import normalise
from podwright.pods.secrets import SecretStore
from podwright.runtime_secrets import Secrets

PASSWORD = "hunter2"
CONFIG = json.dumps({"auths": {"registry.example.org": {"username": "u", "password": PASSWORD}}})
KEY = ".dockerconfigjson"


def secret(**fields):
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "regcred"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {KEY: CONFIG},
    }
    return {key: value for key, value in {**document, **fields}.items() if value is not None}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def secrets(tmp_path):
    return Secrets(SecretStore(str(tmp_path)))


def test_string_data_becomes_data():
    normal = normalise(secret())
    assert normal["data"] == {KEY: encoded(CONFIG)}
    assert normal["metadata"] == {"name": "regcred", "namespace": "default"}
    assert normalise(normal) == normal
    assert normalise(secret(stringData=None, data={KEY: encoded(CONFIG)})) == normal


def test_labels_stay():
    metadata = {"name": "regcred", "labels": {"a": "b"}, "annotations": {}}
    assert normalise(secret(metadata=metadata))["metadata"] == {
        "name": "regcred",
        "namespace": "default",
        "labels": {"a": "b"},
    }


def test_string_data_wins_over_data_as_in_kubernetes():
    assert normalise(secret(data={KEY: encoded("{}")}))["data"] == {KEY: encoded(CONFIG)}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"apiVersion": "v2"}, "apiVersion: must be 'v1'"),
        ({"type": "Opaque"}, "type: this release of podwright keeps Secrets of the types"),
        ({"type": None}, "type: this release"),
        ({"metadata": None}, "metadata: must be an object"),
        ({"metadata": {"name": "A"}}, "metadata.name: must be lower case"),
        ({"metadata": {"name": "a", "namespace": "a.b"}}, "metadata.namespace: must be lower case"),
        ({"metadata": {"name": "a", "nmespace": "b"}}, "metadata.nmespace: unknown field"),
        ({"metadata": {"name": "a", "labels": {"a": 1}}}, "metadata.labels: must be an object of strings"),
        ({"dta": {}}, "dta: unknown field of a Secret"),
        ({"immutable": True}, "immutable: not supported"),
        ({"stringData": None}, r"data\[\.dockerconfigjson\]: required"),
        ({"stringData": {"other": "x"}}, r"data\[\.dockerconfigjson\]: required"),
        ({"stringData": {KEY: 7}}, r"stringData\[\.dockerconfigjson\]: must be a string"),
        ({"stringData": None, "data": {KEY: PASSWORD + "!"}}, r"data\[\.dockerconfigjson\]: must be base64"),
        ({"stringData": [PASSWORD]}, "stringData: must be an object"),
        ({"stringData": {KEY: PASSWORD * 200_000}}, "data: must have at most 1048576 bytes"),
    ],
)
def test_what_is_refused_and_never_quoted(fields, words):
    with pytest.raises(ManifestError, match=words) as caught:
        normalise(secret(**fields))
    assert PASSWORD not in str(caught.value.as_dict())


def test_applied_twice_changed_and_removed(secrets, tmp_path):
    plan = secrets.plan(secret())
    assert (plan.action, [change.path for change in plan.changes]) == ("create", [f"data[{KEY}]", "type"])
    assert secrets.list() == []
    assert secrets.apply(secret()).action == "create"
    assert secrets.apply(secret()).action == "none"
    update = secrets.apply(secret(stringData={KEY: "{}"}))
    assert (update.action, [change.path for change in update.changes]) == ("update", [f"data[{KEY}]"])
    assert update.as_dict()["diff"]["before"] != update.as_dict()["diff"]["after"]
    assert [one["metadata"]["name"] for one in secrets.list()] == ["regcred"]
    assert secrets.delete(secret()).action == "delete"
    assert secrets.list() == []
    assert os.listdir(tmp_path / "secrets") == [".lock"]
    assert secrets.delete(secret()).action == "none"


def test_the_content_shows_nowhere(secrets):
    shown = [str(secrets.apply(secret()).as_dict()), str(secrets.list())]
    shown.append(str(secrets.apply(secret(stringData={KEY: "{}" + PASSWORD})).as_dict()))
    shown.append(str(secrets.delete(secret()).as_dict()))
    assert not any(PASSWORD in text or encoded(CONFIG) in text for text in shown)


def test_namespaces_and_long_names(secrets):
    long = "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 60
    for namespace in ("one", "two"):
        secrets.apply(secret(metadata={"name": long, "namespace": namespace}))
    assert [one["metadata"]["namespace"] for one in secrets.list()] == ["one", "two"]
    assert len(secrets.list("two")) == 1


def test_only_root_can_read_the_file_and_a_damaged_one_is_named(secrets, tmp_path):
    secrets.apply(secret())
    path = tmp_path / "secrets" / "default_regcred"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(HostError, match="default_regcred is damaged: remove it"):
        secrets.list()


def test_logins_of_the_secrets_that_there_are(tmp_path):
    store = SecretStore(str(tmp_path))
    Secrets(store).apply(secret())
    assert list(store.logins("default", ["none", "regcred"])) == [
        ("regcred", "kubernetes.io/dockerconfigjson", CONFIG.encode())
    ]
    assert list(store.logins("other", ["regcred"])) == []


@pytest.mark.parametrize("name", ["../../etc", "", None, "A"])
def test_a_name_is_no_path(secrets, name):
    with pytest.raises(ManifestError, match=r"metadata\.name"):
        secrets.delete({"metadata": {"name": name}})
