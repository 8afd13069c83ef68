# SPDX-License-Identifier: Apache-2.0
"""Volumes of configuration: what Kubernetes refuses in them, and their normal form."""

import pytest

from manifesttools import pod
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise


def normal(**volume):
    (found,) = normalise(pod(volumes=[{"name": "v", **volume}])).pod["spec"]["volumes"]
    return {key: value for key, value in found.items() if key != "name"}


ITEM = {"key": "k", "path": "p"}
FIELD = {"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}}
CPU = {"path": "p", "resourceFieldRef": {"containerName": "server", "resource": "limits.cpu"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"configMap": {"name": "c", "items": [], "optional": False, "defaultMode": 0o644}},
            {"configMap": {"name": "c"}},
        ),
        (
            {"configMap": {"name": "c", "items": [{**ITEM, "mode": 0}], "optional": True, "defaultMode": 0o400}},
            {"configMap": {"name": "c", "optional": True, "items": [{**ITEM, "mode": 0}], "defaultMode": 0o400}},
        ),
        ({"secret": {"secretName": "s"}, "emptyDir": None}, {"secret": {"secretName": "s"}}),
        ({"downwardAPI": {}}, {"downwardAPI": {"items": []}}),
        ({"downwardAPI": {"items": [FIELD]}}, {"downwardAPI": {"items": [FIELD]}}),
        (
            {"downwardAPI": {"items": [CPU]}},
            {"downwardAPI": {"items": [{**CPU, "resourceFieldRef": {**CPU["resourceFieldRef"], "divisor": "1"}}]}},
        ),
        ({"projected": {"sources": None}}, {"projected": {"sources": []}}),
        (
            {"projected": {"sources": [{"secret": {"name": "s"}, "configMap": None}], "defaultMode": 0o600}},
            {"projected": {"sources": [{"secret": {"name": "s"}}], "defaultMode": 0o600}},
        ),
    ],
)
def test_the_normal_form(given, expected):
    assert normal(**given) == expected


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (
            {"configMap": {"name": "c"}, "secret": {"secretName": "s"}},
            "must be one thing, but has configMap and secret",
        ),
        ({"configMap": {}}, "configMap.name: required, but missing"),
        ({"secret": {"name": "s"}}, "secret.secretName: required, but missing"),
        ({"configMap": {"name": "c", "defaultMode": 0o1000}}, "configMap.defaultMode: must be at most 511"),
        ({"configMap": {"name": "c", "items": [{**ITEM, "mode": -1}]}}, r"items\[0\]\.mode: must be at least 0"),
        ({"configMap": {"name": "c", "items": [{**ITEM, "key": ""}]}}, r"items\[0\]\.key: must not be empty"),
        *(
            ({"secret": {"secretName": "c", "items": [{"key": "k", "path": path}]}}, r"items\[0\]\.path: must be a ")
            for path in ("", "/a", "../a", "a/../b", "..a", ".", "./")
        ),
        ({"downwardAPI": {"items": [{"path": "p"}]}}, "must have a fieldRef or a resourceFieldRef, and not both"),
        ({"downwardAPI": {"items": [{**FIELD, **CPU}]}}, "must have a fieldRef or a resourceFieldRef, and not both"),
        (
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "status.podIP"}}]}},
            "fieldRef.fieldPath: must be metadata.name, metadata.namespace, metadata.uid, metadata.labels",
        ),
        (
            {"downwardAPI": {"items": [{"path": "p", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
            "resourceFieldRef.containerName: required in a volume, but missing",
        ),
        ({"projected": {"sources": [{}]}}, r"sources\[0\]: must have one of configMap, secret, .*, but has none"),
        (
            {"projected": {"sources": [{"configMap": {"name": "c"}, "secret": {"name": "c"}}]}},
            r"sources\[0\]: .* but has configMap and secret",
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            "serviceAccountToken: not supported by this release of podwright; remove it: there are no service accounts",
        ),
        (
            {"projected": {"sources": [{kind: {"name": "c", "items": [ITEM]}} for kind in ("configMap", "secret")]}},
            r"sources\[1\]\.secret\.items\[0\]\.path: must be unique, but .*configMap\.items\[0\]\.path has it too",
        ),
    ],
)
def test_what_is_refused(volume, words):
    with pytest.raises(ManifestError, match=words):
        normal(**volume)
