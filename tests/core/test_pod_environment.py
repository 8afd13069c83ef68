# SPDX-License-Identifier: Apache-2.0
"""A container's variables, in the order and with the words of a kubelet."""

import os

import pytest

from podwright.errors import ManifestError
from podwright.manifest.objects import normalise
from podwright.oci.oom import host_memory
from podwright.pods.environment import declared
from podwright.pods.facts import Facts
from podwright.pods.sources import Beside, Sources

LABELS = {"app": "web", "example.com/tier": 'a "b"\n'}
LIMITS = {"limits": {"cpu": "1500m", "memory": "1000k"}, "requests": {"cpu": "1500m", "memory": "1000k"}}


class Nothing:
    def find(self, _kind, _namespace, _name):
        return None


def kept(kind, name, **fields):
    return normalise({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields})


OBJECTS = [
    kept("ConfigMap", "settings", data={"LEVEL": "info", "a.b": "$(LEVEL)", "BOTH": "map"}, binaryData={"BIN": "AP8="}),
    kept("ConfigMap", "nul", data={"k": "a\0b"}),
    kept("Secret", "login", stringData={"PASSWORD": "hunter2", "BOTH": "secret"}, data={"raw": "AP8="}),
    kept("Secret", "text", stringData={"T": "é"}),
]


def environment(env=(), env_from=(), resources=None):
    container = {"name": "app", "env": list(env), "envFrom": list(env_from), "resources": resources or {}}
    metadata = {"name": "web", "namespace": "default", "labels": LABELS}
    pod = {"metadata": metadata, "spec": {"containers": [container]}}
    facts = Facts(pod, "u-1", "10.0.0.2", "10.0.0.1", "/")
    return declared(container, "spec.containers[app]", Sources(Beside(OBJECTS, Nothing()), "default"), facts)


def literal(name, value):
    return {"name": name, "value": value}


def of(name, **source):
    return {"name": name, "valueFrom": source}


def test_a_variable_sees_those_declared_before_it():
    env = [literal("LATE", "$(HOST)"), literal("HOST", "web"), literal("PORT", ""), literal("URL", "$(HOST)/$(LATE)")]
    assert environment(env) == {"LATE": "$(HOST)", "HOST": "web", "PORT": "", "URL": "web/$(HOST)"}


def test_env_from_comes_first_and_the_later_source_wins():
    sources = [{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "login-"}}]
    sources[1]["secretRef"] = {"name": "text"}
    assert environment(env_from=sources) == {"LEVEL": "info", "a.b": "$(LEVEL)", "BOTH": "map", "S_T": "é"}
    env = [literal("SEEN", "$(LEVEL) $(S_T) $(BIN)"), literal("LEVEL", "own")]
    found = environment(env, sources)
    assert (found["SEEN"], found["LEVEL"]) == ("info é $(BIN)", "own")


def test_of_two_sources_with_one_name_the_later_is_taken():
    sources = [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "settings"}, "prefix": "X"}]
    assert environment(env_from=sources)["XBOTH"] == "map"
    only = kept("Secret", "only", stringData={"BOTH": "secret"})
    OBJECTS.append(only)
    try:
        first, second = {"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "only"}}
        assert environment(env_from=[first, second])["BOTH"] == "secret"
        assert environment(env_from=[second, first])["BOTH"] == "map"
    finally:
        OBJECTS.remove(only)


def test_values_of_objects_are_not_expanded():
    env = [
        of("MAP", configMapKeyRef={"name": "settings", "key": "a.b"}),
        of("SECRET", secretKeyRef={"name": "login", "key": "PASSWORD"}),
        literal("BOTH", "$(MAP) $(SECRET)"),
    ]
    assert environment(env, [{"configMapRef": {"name": "settings"}}])["BOTH"] == "$(LEVEL) hunter2"


def test_an_optional_one_that_is_not_there_is_left_out():
    env = [
        of("A", configMapKeyRef={"name": "none", "key": "k", "optional": True}),
        of("B", secretKeyRef={"name": "login", "key": "none", "optional": True}),
        of("LEVEL", configMapKeyRef={"name": "settings", "key": "BIN", "optional": True}),
    ]
    sources = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "none", "optional": True}}]
    assert environment(env, sources) == {"LEVEL": "info", "a.b": "$(LEVEL)", "BOTH": "map"}


@pytest.mark.parametrize(
    ("env", "sources", "field", "words"),
    [
        (
            [of("A", configMapKeyRef={"name": "none", "key": "k"})],
            [],
            "env[A].valueFrom.configMapKeyRef",
            'CreateContainerConfigError: configmap "none" not found in namespace default; apply the ConfigMap with',
        ),
        (
            [of("A", configMapKeyRef={"name": "settings", "key": "BIN"})],
            [],
            "env[A].valueFrom.configMapKeyRef",
            "CreateContainerConfigError: couldn't find key BIN in ConfigMap default/settings; add it there, or set",
        ),
        (
            [of("A", secretKeyRef={"name": "login", "key": "k"})],
            [],
            "env[A].valueFrom.secretKeyRef",
            "couldn't find key k in Secret default/login",
        ),
        ([], [{"secretRef": {"name": "none"}}], "envFrom[0].secretRef", 'secret "none" not found in namespace default'),
        (
            [of("A", secretKeyRef={"name": "login", "key": "raw"})],
            [],
            "env[A].valueFrom.secretKeyRef",
            "key raw of Secret login is no text, as a variable needs; mount it as a volume",
        ),
        ([], [{"secretRef": {"name": "login"}}], "envFrom[0].secretRef", "key raw of Secret login is no text"),
        ([], [{"configMapRef": {"name": "nul"}}], "envFrom[0].configMapRef", "key k of ConfigMap nul is no text"),
        (
            [of("A", resourceFieldRef={"resource": "limits.cpu", "containerName": "x", "divisor": "1"})],
            [],
            "env[A].valueFrom.resourceFieldRef.containerName",
            "no container is called x; choose one of: app",
        ),
    ],
)
def test_what_is_missing_is_named_with_a_way_out(env, sources, field, words):
    with pytest.raises(ManifestError) as caught:
        environment(env, sources)
    assert caught.value.field == f"spec.containers[app].{field}"
    assert caught.value.message.startswith(f"spec.containers[app].{field}: ")
    assert words in caught.value.message
    assert "hunter2" not in str(caught.value.as_dict())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", os.uname().nodename),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "10.0.0.1"),
        ("status.hostIPs", "10.0.0.1"),
        ("status.podIP", "10.0.0.2"),
        ("status.podIPs", "10.0.0.2"),
    ],
)
def test_fields_of_the_pod(path, value):
    assert environment([of("A", fieldRef={"fieldPath": path})]) == {"A": value}


@pytest.mark.parametrize(
    ("resource", "divisor", "resources", "value"),
    [
        ("limits.cpu", "1", LIMITS, 2),
        ("limits.cpu", "1m", LIMITS, 1500),
        ("requests.memory", "1", LIMITS, 1_000_000),
        ("limits.memory", "1Mi", LIMITS, 1),
        ("limits.memory", "1Ki", LIMITS, 977),
        ("requests.cpu", "1", {}, 0),
        ("requests.ephemeral-storage", "1", {}, 0),
        ("limits.cpu", "1", {}, os.cpu_count()),
        ("limits.memory", "1", {}, host_memory()),
        ("limits.ephemeral-storage", "1", {}, os.statvfs("/").f_blocks * os.statvfs("/").f_frsize),
    ],
)
def test_resources_of_a_container_rounded_up(resource, divisor, resources, value):
    selector = {"resource": resource, "containerName": "app", "divisor": divisor}
    assert environment([of("A", resourceFieldRef=selector)], resources=resources) == {"A": str(value)}


@pytest.mark.parametrize(
    ("resource", "limits", "value"),
    [("limits.cpu", {}, 3), ("limits.cpu", {"cpu": "0"}, 3), ("limits.cpu", {"cpu": "2"}, 2), ("requests.cpu", {}, 0)],
)
def test_without_a_limit_of_its_own_a_container_has_the_pods(resource, limits, value):
    containers = [{"name": "app", "resources": {"limits": limits}}]
    own = {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}}
    facts = Facts({"metadata": {}, "spec": {"containers": containers, "resources": own}}, "", "", "", "/")
    assert facts.resource({"resource": resource, "containerName": "app", "divisor": "1"}, "x") == str(value)


def test_all_labels_are_quoted_as_kubernetes_does():
    facts = Facts({"metadata": {"labels": {**LABELS, "z": "\x01\t\u00e9\u200b"}}}, "", "", "", "/")
    expected = 'app="web"\nexample.com/tier="a \\"b\\"\\n"\nz="\\x01\\té\\u200b"'
    assert facts.field("metadata.labels") == expected
