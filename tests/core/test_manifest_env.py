# SPDX-License-Identifier: Apache-2.0
"""Where variables come from: what Kubernetes refuses, and the normal form."""

import pytest

from manifesttools import with_container
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise


def variable(**source):
    return with_container(env=[{"name": "A", "valueFrom": source}])


def normal_container(manifest):
    return normalise(manifest).pod["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("source", "normal"),
    [
        (
            {"configMapKeyRef": {"name": "c", "key": "k", "optional": False}, "secretKeyRef": None},
            {"configMapKeyRef": {"name": "c", "key": "k"}},
        ),
        (
            {"secretKeyRef": {"name": "s", "key": ".k", "optional": True}},
            {"secretKeyRef": {"name": "s", "key": ".k", "optional": True}},
        ),
        *(
            ({"fieldRef": {"fieldPath": path, "apiVersion": "v1"}}, {"fieldRef": {"fieldPath": path}})
            for path in ("metadata.uid", "status.hostIPs", "metadata.labels['a.b/c']", "metadata.annotations['A.b/C']")
        ),
        (
            {"resourceFieldRef": {"resource": "limits.cpu"}},
            {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "server", "divisor": "1"}},
        ),
        (
            {"resourceFieldRef": {"resource": "requests.memory", "containerName": "other", "divisor": "1024Ki"}},
            {"resourceFieldRef": {"resource": "requests.memory", "containerName": "other", "divisor": "1Mi"}},
        ),
    ],
)
def test_the_normal_form_of_a_source(source, normal):
    assert normal_container(variable(**source))["env"] == [{"name": "A", "valueFrom": normal}]


def test_the_normal_form_of_many():
    given = [
        {"configMapRef": {"name": "b", "optional": False}, "prefix": ""},
        {"secretRef": {"name": "a", "optional": True}, "prefix": "P ", "configMapRef": None},
    ]
    assert normal_container(with_container(envFrom=given))["envFrom"] == [
        {"configMapRef": {"name": "b"}},
        {"prefix": "P ", "secretRef": {"name": "a", "optional": True}},
    ]


def test_a_variable_without_a_literal_keeps_its_place_among_those_that_name_it():
    env = [
        {"name": "Z", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "A", "value": "$(Z)"},
    ]
    assert [item["name"] for item in normal_container(with_container(env=env))["env"]] == ["Z", "A"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, r"env\[0\]\.valueFrom: must have one of fieldRef, .*, but has none"),
        (
            {"configMapKeyRef": {"name": "c", "key": "k"}, "secretKeyRef": {"name": "c", "key": "k"}},
            "but has configMapKeyRef and secretKeyRef",
        ),
        ({"configMapKeyRef": {"name": "c"}}, "configMapKeyRef.key: required, but missing"),
        ({"configMapKeyRef": {"name": "C", "key": "k"}}, "configMapKeyRef.name: must be lower case"),
        ({"secretKeyRef": {"name": "c", "key": "a/b"}}, "secretKeyRef.key: the key must be letters"),
        ({"secretKeyRef": {"name": "c", "key": "..b"}}, "secretKeyRef.key: the key must be letters"),
        ({"fieldRef": {"fieldPath": "spec.hostname"}}, "fieldRef.fieldPath: must be metadata.name, "),
        ({"fieldRef": {"fieldPath": "metadata.labels"}}, "fieldRef.fieldPath: must be metadata.name, "),
        ({"fieldRef": {"fieldPath": "metadata.labels['a b']"}}, "fieldRef.fieldPath: the key must be"),
        ({"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v2"}}, "fieldRef.apiVersion: must be"),
        ({"resourceFieldRef": {"resource": "limits.gpu"}}, "resourceFieldRef.resource: must be 'limits.cpu'"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1k"}}, "divisor: must be 1m or 1"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1m"}}, "divisor: must be 1, 1k"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "x"}}, "divisor: must be a quantity"),
        ({"fileKeyRef": {"path": "a"}}, "fileKeyRef: not supported by this release of podwright; use configMapKeyRef"),
    ],
)
def test_what_a_source_must_not_be(source, words):
    with pytest.raises(ManifestError, match=words):
        normalise(variable(**source))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"prefix": "A"}, r"envFrom\[0\]: must have one of configMapRef, secretRef, but has none"),
        ({"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}}, "but has configMapRef and secretRef"),
        ({"configMapRef": {"name": ""}}, "configMapRef.name: must be lower case"),
        ({"secretRef": {"name": "a"}, "prefix": "A="}, "prefix: must be printable ASCII without '='"),
    ],
)
def test_what_an_item_of_env_from_must_not_be(item, words):
    with pytest.raises(ManifestError, match=words):
        normalise(with_container(envFrom=[item]))


def test_a_service_accounts_name_stays_when_a_variable_has_it():
    asks = variable(fieldRef={"fieldPath": "spec.serviceAccountName"})
    for manifest, expected in ((asks, "robot"), (with_container(), None)):
        manifest["spec"]["serviceAccountName"] = "robot"
        assert normalise(manifest).pod["spec"].get("serviceAccountName") == expected


def test_either_a_value_or_a_source():
    env = [{"name": "A", "value": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    with pytest.raises(ManifestError, match=r"env\[0\]\.valueFrom: must not be there beside a value"):
        normalise(with_container(env=env))
