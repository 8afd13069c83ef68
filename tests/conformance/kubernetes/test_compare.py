# SPDX-License-Identifier: Apache-2.0
"""The comparison's own logic. The answers here are made by hand; those of a real server are in ``answers/`` alone."""

import copy
from typing import Any

import pytest
from compare import ABSENT, Kind, Mismatch, compare, first_cause
from corpus import Case
from defaults import defaulted, pull_policy
from differences import DIFFERENCES, Difference, reason_of
from server import _accepted, _refused

SMALL = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: server, image: "httpd:2.4"}
"""
MADE_UP: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "containers": [
            {
                "name": "server",
                "image": "httpd:2.4",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    },
}
"""What a server might make of SMALL."""


def case(text: str) -> Case:
    return Case("made-up", "one", "of this test", text)


def accepted(**spec: Any) -> dict[str, Any]:
    pod = copy.deepcopy(MADE_UP)
    pod["spec"] |= spec
    return {"accepted": pod}


def container(**fields: Any) -> dict[str, Any]:
    pod = copy.deepcopy(MADE_UP)
    pod["spec"]["containers"][0] |= fields
    return {"accepted": pod}


def values(text: str, answer: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The differing values, without those that every Pod has."""
    found = compare(case(text), answer)
    assert all(mismatch.kind is Kind.VALUE for mismatch in found), found
    return {each.field: (each.ours, each.theirs) for each in found if reason_of(each) is None}


def test_same_pod_differs_in_nothing_unlisted() -> None:
    assert values(SMALL, accepted()) == {}


def test_deliberate_differences_are_found_and_named() -> None:
    names = {reason_of(mismatch) for mismatch in compare(case(SMALL), accepted())}
    assert names == {"resolvers", "the filter of system calls", "setuid programs"}


def test_wrong_default_is_found() -> None:
    assert values(SMALL, accepted(terminationGracePeriodSeconds=31)) == {
        "spec.terminationGracePeriodSeconds": ("30", "31")
    }
    assert values(SMALL, container(imagePullPolicy="Always")) == {
        "spec.containers[*].imagePullPolicy": ("IfNotPresent", "Always")
    }


def test_field_that_one_lacks_is_found() -> None:
    assert values(SMALL, container(tty=True)) == {"spec.containers[*].tty": (ABSENT, "True")}
    assert values(SMALL, container(command=["a"])) == {"spec.containers[*].command": (ABSENT, "['a']")}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ('resources: {limits: {memory: "1024Mi"}}', {"resources": {"limits": {"memory": "1Gi"}}}),
        ("env: [{name: B, value: x}, {name: A}]", {"env": [{"name": "B", "value": "x"}, {"name": "A"}]}),
        (
            "ports: [{containerPort: 2}, {containerPort: 1}]",
            {"ports": [{"containerPort": 2, "protocol": "TCP"}, {"containerPort": 1, "protocol": "TCP"}]},
        ),
        ("command: []", {}),
    ],
)
def test_what_is_only_written_differently_is_the_same(ours: str, theirs: dict[str, Any]) -> None:
    text = SMALL.replace('image: "httpd:2.4"', f'image: "httpd:2.4", {ours}')
    assert values(text, container(**theirs)) == {}


def test_settings_of_the_pod_are_those_of_its_containers() -> None:
    text = f"{SMALL}  securityContext: {{runAsUser: 7, seccompProfile: {{type: Unconfined}}}}\n"
    context = {"runAsUser": 7, "seccompProfile": {"type": "Unconfined"}}
    assert values(text, accepted(securityContext=context)) == {}
    assert values(text, accepted(securityContext=context | {"runAsUser": 8})) == {
        "spec.containers[*].securityContext.runAsUser": ("7", "8")
    }


def test_refused_by_one_only() -> None:
    refusal = {"refused": {"code": 422, "causes": [{"field": "spec.containers[0].name", "message": "made up"}]}}
    (laxer,) = compare(case(SMALL), refusal)
    assert laxer == Mismatch("made-up/one", Kind.LAXER, "spec.containers[*].name", "", "made up")
    (stricter,) = compare(case(SMALL.replace("httpd:2.4", " ")), accepted())
    assert (stricter.kind, stricter.field) == (Kind.STRICTER, "spec.containers[*].image")
    assert compare(case(SMALL.replace("server", "A")), refusal) == []


def test_unknown_field_is_read_from_a_sentence() -> None:
    message = 'strict decoding error: unknown field "spec.color", duplicate field "spec.os"'
    assert first_cause({"code": 400, "message": message}) == ("spec.color", message)


def test_difference_covers_its_field_and_sentence_only() -> None:
    difference = Difference(Kind.STRICTER, ("spec.a", "spec.b…"), "made up", "must")
    known = Mismatch("x", Kind.STRICTER, "spec.a", "spec.a: must not", "")
    assert difference.covers(known)
    assert difference.covers(known._replace(field="spec.b.c"))
    assert not difference.covers(known._replace(field="spec.a.c"))
    assert not difference.covers(known._replace(kind=Kind.LAXER))
    assert not difference.covers(known._replace(ours="spec.a: cannot"))


def test_every_difference_gives_a_reason() -> None:
    assert all(difference.reason and difference.fields for difference in DIFFERENCES.values())


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("r:5000/a", "Always"),
        ("r:5000/a:1", "IfNotPresent"),
        ("a@sha256:0", "IfNotPresent"),
        ("a:latest@sha256:0", "Always"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_defaults_of_what_is_not_built_yet() -> None:
    pod = {
        "metadata": {"name": "web"},
        "spec": {
            "initContainers": [{"name": "a", "image": "b", "livenessProbe": {"httpGet": {"port": 80}}}],
            "containers": [{"name": "c", "image": "d", "resources": {"limits": {"cpu": "1"}}}],
            "volumes": [
                {"name": "e"},
                {"name": "f", "configMap": {"name": "g"}},
                {"name": "h", "hostPath": {"path": "/"}},
            ],
            "terminationGracePeriodSeconds": 0,
        },
    }
    spec = defaulted(pod)["spec"]
    assert spec["initContainers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    assert [volume.get("emptyDir") for volume in spec["volumes"]] == [{}, None, None]
    assert spec["volumes"][1]["configMap"]["defaultMode"] == 0o644
    assert spec["volumes"][2]["hostPath"]["type"] == ""
    assert spec["terminationGracePeriodSeconds"] == 0
    assert defaulted(defaulted(pod)) == defaulted(pod)


def test_answer_keeps_what_is_the_same_in_every_run() -> None:
    pod = {"metadata": {"name": "web-x7k", "generateName": "web-", "uid": "1", "labels": {"a": "b"}}, "spec": {}}
    assert _accepted(pod) == {"accepted": {"metadata": {"generateName": "web-", "labels": {"a": "b"}}, "spec": {}}}
    causes = [{"field": "b", "message": "2"}, {"field": "a", "message": "1", "reason": "FieldValueInvalid"}]
    assert _refused(422, {"details": {"causes": causes}, "message": "no"}) == {
        "refused": {"code": 422, "causes": [causes[1], causes[0]]}
    }
    assert _refused(400, {"message": "no"}) == {"refused": {"code": 400, "message": "no"}}
