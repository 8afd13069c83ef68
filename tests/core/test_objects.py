# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps and Secrets: what is taken, what is kept, and that nothing ever shows a Secret's content."""

import base64
import json
import os
import stat

import pytest

from podwright.errors import HostError, ManifestError, PodwrightError
from podwright.manifest.objects import MAX_SIZE, normalise, values_of
from podwright.pods.claims import ClaimStore
from podwright.pods.objects import ObjectStore
from podwright.pods.store import PodStore
from podwright.runtime_objects import Objects

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


def config_map(**fields):
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": "info"}}
    return {key: value for key, value in {**document, **fields}.items() if value is not None}


def opaque(**fields):
    return secret(**{"type": None, "stringData": {"password": PASSWORD}, **fields})


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def of(store):
    """Return the objects of an installation that has no pods."""
    return Objects(store, ClaimStore("/none"), PodStore("/none", "/none"))


@pytest.fixture
def objects(tmp_path):
    return of(ObjectStore(str(tmp_path)))


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
        ({"type": 7}, "type: must be a string"),
        ({"metadata": None}, "metadata: must be an object"),
        ({"metadata": {"name": "A"}}, "metadata.name: must be lower case"),
        ({"metadata": {"name": "a", "namespace": "a.b"}}, "metadata.namespace: must be lower case"),
        ({"metadata": {"name": "a", "nmespace": "b"}}, "metadata.nmespace: unknown field"),
        ({"metadata": {"name": "a", "labels": {"a": 1}}}, "metadata.labels: must be an object of strings"),
        ({"dta": {}}, "dta: unknown field of a Secret"),
        ({"binaryData": {}}, "binaryData: unknown field of a Secret"),
        ({"immutable": "yes"}, "immutable: must be true or false"),
        ({"immutable": 1}, "immutable: must be true or false"),
        ({"stringData": None, "data": {KEY: "e30 ="}}, "must be base64 text"),
        ({"metadata": {"name": "a", "labels": {"a": "/"}}}, r"metadata\.labels\[a\]: must be at most 63"),
        ({"stringData": {KEY: PASSWORD}}, r"data\[\.dockerconfigjson\]: must be JSON \(its content is not shown"),
        ({"type": "kubernetes.io/tls", "stringData": {"tls.crt": "c"}}, r"data\[tls\.key\]: required for a Secret"),
        ({"type": "kubernetes.io/basic-auth"}, r"data\[password\] or data\[username\]: required"),
        ({"type": "kubernetes.io/ssh-auth"}, r"data\[ssh-privatekey\]: required"),
        ({"type": "kubernetes.io/service-account-token"}, "annotations.*service-account.name.: required"),
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


def test_applied_twice_changed_and_removed(objects, tmp_path):
    plan = objects.plan(secret())
    assert (plan.action, [change.path for change in plan.changes]) == ("create", [f"data[{KEY}]", "type"])
    assert objects.list("Secret") == []
    assert objects.apply(secret()).action == "create"
    assert objects.apply(secret()).action == "none"
    update = objects.apply(secret(stringData={KEY: "{}"}))
    assert (update.action, [change.path for change in update.changes]) == ("update", [f"data[{KEY}]"])
    assert update.as_dict()["diff"]["before"] != update.as_dict()["diff"]["after"]
    assert [one["metadata"]["name"] for one in objects.list("Secret")] == ["regcred"]
    assert objects.delete(secret()).action == "delete"
    assert objects.list("Secret") == []
    assert os.listdir(tmp_path / "secrets") == [".lock"]
    assert objects.delete(secret()).action == "none"


def test_the_content_shows_nowhere(objects):
    shown = [str(objects.apply(secret()).as_dict()), str(objects.list("Secret"))]
    shown.append(str(objects.apply(secret(stringData={KEY: json.dumps({"auths": {PASSWORD: {}}})})).as_dict()))
    shown.append(str(objects.delete(secret()).as_dict()))
    assert not any(PASSWORD in text or encoded(CONFIG) in text for text in shown)


def test_namespaces_and_long_names(objects):
    long = "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 60
    for namespace in ("one", "two"):
        objects.apply(secret(metadata={"name": long, "namespace": namespace}))
    assert [one["metadata"]["namespace"] for one in objects.list("Secret")] == ["one", "two"]
    assert len(objects.list("Secret", "two")) == 1


def test_only_root_can_read_the_file_and_a_damaged_one_is_named(objects, tmp_path):
    objects.apply(secret())
    path = tmp_path / "secrets" / "default_regcred"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(HostError, match="default_regcred is damaged: remove it"):
        objects.list("Secret")


def test_logins_of_the_secrets_that_there_are(tmp_path):
    store = ObjectStore(str(tmp_path))
    of(store).apply(secret())
    of(store).apply(opaque(metadata={"name": "other"}))
    assert list(store.logins("default", ["none", "other", "regcred"])) == [
        ("regcred", "kubernetes.io/dockerconfigjson", CONFIG.encode())
    ]
    assert list(store.logins("other", ["regcred"])) == []


@pytest.mark.parametrize("name", ["../../etc", "", None, "A"])
def test_a_name_is_no_path(objects, name):
    with pytest.raises(ManifestError, match=r"metadata\.name"):
        objects.delete({"kind": "Secret", "metadata": {"name": name}})


def test_any_other_type_of_secret_is_kept(objects):
    assert normalise(opaque())["type"] == normalise(opaque(type="Opaque"))["type"] == "Opaque"
    for kind, keys in [
        ("example.com/own", {}),
        ("kubernetes.io/basic-auth", {"username": "u"}),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": "k"}),
        ("kubernetes.io/tls", {"tls.crt": "c", "tls.key": "k"}),
    ]:
        assert (
            objects.apply(secret(metadata={"name": kind.rpartition("/")[2]}, type=kind, stringData=keys)).action
            == "create"
        )
    assert values_of(normalise(opaque(data={"raw": "AP8=\n"}))) == {"password": PASSWORD.encode(), "raw": b"\0\xff"}


def test_a_config_map_is_kept_and_shown(objects):
    wanted = config_map(binaryData={"raw": "AP8="}, metadata={"name": "settings", "uid": "1-2", "labels": {"a": "b"}})
    plan = objects.apply(wanted)
    assert {change.path: change.after for change in plan.changes} == {
        "binaryData[raw]": "AP8=",
        "data[level]": "info",
        "metadata.labels": {"a": "b"},
    }
    assert plan.warnings == ["metadata.uid: set by an API server, ignored here"]
    assert objects.apply(wanted).action == "none"
    assert objects.apply({**wanted, "binaryData": {"raw": "AP\n8=\r\n"}}).action == "none"
    (kept,) = objects.list("ConfigMap")
    assert (kept["data"], values_of(kept)) == ({"level": "info"}, {"level": b"info", "raw": b"\0\xff"})
    assert objects.list("Secret") == []
    update = objects.apply(config_map(data={"level": "debug"}))
    assert ("data[level]", "info", "debug", "none") in update.changes
    assert objects.delete(config_map()).action == "delete"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "Opaque"}, "type: unknown field of a ConfigMap"),
        ({"stringData": {}}, "stringData: unknown field of a ConfigMap"),
        ({"data": {"port": 80}}, r"data\[port\]: must be a string; put it in quotes"),
        ({"data": ["a"]}, "data: must be an object"),
        ({"binaryData": {"a": "?"}}, r"binaryData\[a\]: must be base64 text"),
        ({"binaryData": {"level": "aaaa"}}, r"binaryData\[level\]: must be unique, but data has this key too"),
        ({"data": {"a": "x" * (MAX_SIZE - 1)}, "binaryData": {"b": "aaaa"}}, "data: must have at most 1048576 bytes"),
        *(({"data": {key: ""}}, "the key must be letters") for key in ("", ".", "..", "..a", "a/b", "a b", "x" * 254)),
    ],
)
def test_what_no_config_map_may_hold(fields, words):
    with pytest.raises(ManifestError, match=words):
        normalise(config_map(**fields))


@pytest.mark.parametrize("key", ["a", ".a", "a.", "-", "_", "x" * 253])
def test_what_a_key_may_be(key):
    assert list(normalise(config_map(data={key: None}))["data"]) == [key]


@pytest.mark.parametrize(
    ("fixed", "edit", "field"),
    [
        (config_map(immutable=True), config_map(), "immutable"),
        (config_map(immutable=True), config_map(immutable=True, data={}), "data"),
        (config_map(immutable=True), config_map(immutable=True, binaryData={"b": ""}), "binaryData"),
        (opaque(immutable=True), opaque(immutable=True, stringData={"password": "else"}), "data"),
        (opaque(), opaque(type="example.com/own"), "type"),
    ],
)
def test_what_is_immutable_cannot_change(objects, fixed, edit, field):
    objects.apply(fixed)
    for step in (objects.plan, objects.apply):
        with pytest.raises(ManifestError, match=f"^{field}: .*delete it first") as caught:
            step(edit)
        assert caught.value.field == field
    assert objects.apply(fixed).action == "none"
    assert objects.apply({**fixed, "metadata": {**fixed["metadata"], "labels": {"a": "b"}}}).action == "update"
    objects.delete(fixed)
    assert objects.apply(edit).action == "create"


def test_no_other_kind(objects):
    with pytest.raises(PodwrightError, match="kind is 'Pod', but must be ConfigMap or Secret"):
        objects.list("Pod")
    with pytest.raises(PodwrightError, match="kind is None"):
        objects.delete({"metadata": {"name": "a"}})
