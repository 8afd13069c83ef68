# SPDX-License-Identifier: Apache-2.0
"""Checking, defaulting and the normal form."""

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifesttools import SMALL, good_pods, odd_pods, pod, with_container, with_metadata
from podwright.errors import ManifestError
from podwright.files import canonical_json
from podwright.manifest.normalise import normalise
from podwright.manifest.unbuilt import REFUSED, SERVER_SET

NORMAL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "Default",
        "containers": [
            {"name": "server", "image": "registry.example.com/httpd:2.4", "imagePullPolicy": "IfNotPresent"},
        ],
    },
}


def refusal(manifest: Any) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        normalise(manifest)
    return caught.value


def container_of(manifest: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = normalise(manifest).pod["spec"]["containers"][0]
    return container


def test_defaults_are_filled_in() -> None:
    assert normalise(SMALL) == (NORMAL, [])


def test_the_manifest_is_left_alone() -> None:
    manifest = with_container(env=[{"name": "B"}, {"name": "A"}], volumeMounts=[], stdin=False)
    before = copy.deepcopy(manifest)
    normalise(manifest)
    assert manifest == before


@settings(max_examples=200, deadline=None)
@given(good_pods)
def test_normalising_twice_is_normalising_once(manifest: dict[str, Any]) -> None:
    normal = normalise(manifest).pod
    again = normalise(normal)
    assert canonical_json(again.pod) == canonical_json(normal)
    assert again.warnings == []


@settings(max_examples=200, deadline=None)
@given(good_pods, st.randoms(use_true_random=False))
def test_equal_meaning_gives_equal_bytes(manifest: dict[str, Any], chance: random.Random) -> None:
    rewritten = reworded(manifest, chance)
    assert canonical_json(normalise(rewritten).pod) == canonical_json(normalise(manifest).pod)


def reworded(value: Any, chance: random.Random, key: str = "") -> Any:
    """Write the same in other words: key order, whole floats, order of ports and of independent variables, nulls."""
    if isinstance(value, dict):
        fields = list(value.items())
        chance.shuffle(fields)
        copied = {name: reworded(item, chance, name) for name, item in fields}
        absent = {"Container": "livenessProbe", "Pod": "status"}
        if "image" in copied:
            copied.setdefault(absent["Container"], None)
        return copied
    if isinstance(value, list):
        items = [reworded(item, chance) for item in value]
        is_free = key == "env" and not any("$(" in (item.get("value") or "") for item in items)
        if key == "ports" or is_free:
            chance.shuffle(items)
        return items
    if type(value) is int:
        return float(value)
    return value


@settings(max_examples=300, deadline=None)
@given(odd_pods())
def test_any_manifest_is_normalised_or_refused_in_one_line_a_fault(manifest: Any) -> None:
    try:
        normal = normalise(manifest).pod
    except ManifestError as error:
        assert error.field
        assert 1 <= len(error.message.splitlines()) <= 6
        assert error.message.replace("\n", "").isprintable()
        canonical_json(error.as_dict())
    else:
        assert normalise(normal).pod == normal


# -- what must be refused, in words


@pytest.mark.parametrize(
    ("manifest", "sentence", "field", "value"),
    [
        (
            with_container(imagee="x"),
            "spec.containers[0].imagee: unknown field; did you mean image? (got 'x')",
            "spec.containers[0].imagee",
            "x",
        ),
        (
            with_metadata(name="Web_1"),
            "must be lower case letters, digits, '-' and '.', and start and end with a letter or digit (got 'Web_1')",
            "metadata.name",
            "Web_1",
        ),
        (
            pod(containers=[{"name": f"c{index}", "image": "a"} for index in range(17)]),
            "spec.containers: at most 16 containers are allowed (got 17)",
            "spec.containers",
            17,
        ),
        (
            pod(volumes=[{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "a"}}]}}]),
            "(a Pod exported from a cluster has a volume for its token: remove that, and its volumeMounts) (got {",
            "spec.volumes[0].projected.sources[0].serviceAccountToken",
            '{"path": "a"}',
        ),
        (pod(terminationGracePeriodSeconds=30.5), "must be an integer (got 30.5)", None, 30.5),
        (pod(terminationGracePeriodSeconds=86401), "must be at most 86400 (got 86401)", None, 86401),
        (pod(terminationGracePeriodSeconds=-1), "must be at least 0 (got -1)", None, -1),
        (pod(terminationGracePeriodSeconds="30"), "must be an integer (got '30')", None, "30"),
        (pod(restartPolicy="always"), "must be 'Always', 'OnFailure' or 'Never' (got 'always')", None, "always"),
        (pod(containers=[]), "spec.containers: must not be empty (got [])", None, "[]"),
        (pod(containers={}), "spec.containers: must be a list (got {})", None, "{}"),
        (pod(containers=["a"]), "spec.containers[0]: must be an object (got 'a')", None, "a"),
        (pod(containers=[{"name": "a"}]), "spec.containers[0].image: required, but missing", None, None),
        (pod(restart_policy="Never"), "spec.restart_policy: unknown field; did you mean restartPolicy?", None, "Never"),
        (pod(Containers=1), "spec.Containers: unknown field; did you mean containers?", None, 1),
        (pod(xyz=1), "spec.xyz: unknown field (got 1)", None, 1),
        (with_metadata(restartPolicy="Never"), "unknown field; did you mean spec.restartPolicy?", None, "Never"),
        (pod(image="a"), "spec.image: unknown field; did you mean spec.containers[…].image?", None, "a"),
        (pod(runtimeClassName="pod-wasm"), "remove it to run as pod-containers (got 'pod-wasm')", None, "pod-wasm"),
        (pod(runtimeClassName="G visor"), "spec.runtimeClassName: must be lower case letters", None, "G visor"),
        (pod(os={"name": "windows"}), "spec.os.name: must be 'linux' (got 'windows')", None, "windows"),
        (
            with_container(image="a" * 256),
            "spec.containers[0].image: must have at most 255 characters",
            None,
            f"'{'a' * 79}…'",
        ),
        (with_container(image="0" * 64), "spec.containers[0].image: must be a name; 64 hex", None, "0" * 64),
        (pod(dnsPolicy="None"), "spec.dnsPolicy: not supported by this release", None, "None"),
        (
            pod(hostAliases=[{"ip": "1.2.3", "hostnames": ["a"]}]),
            "spec.hostAliases[0].ip: must be an IPv4 or IPv6 address (got '1.2.3')",
            None,
            "1.2.3",
        ),
        (
            pod(hostAliases=[{"ip": "::ffff:a00:1", "hostnames": ["a"]}]),
            "spec.hostAliases[0].ip: must not be an IPv4 address written as IPv6; write 10.0.0.1",
            None,
            "::ffff:a00:1",
        ),
        (
            pod(hostAliases=[{"ip": ip, "hostnames": ["a"]} for ip in ("::1", "0:0::1")]),
            "spec.hostAliases[1].ip: must be unique, but spec.hostAliases[0] has it too (got '::1')",
            None,
            "::1",
        ),
        (
            pod(containers=[{"name": "a", "image": "x"}] * 2),
            "spec.containers[1].name: must be unique, but spec.containers[0] has it too (got 'a')",
            None,
            "a",
        ),
        (with_container(image="Nginx"), "must be an image reference such as", None, "Nginx"),
        (with_container(image=""), "must be an image reference such as", None, ""),
        (with_container(name="a" * 64), "must have at most 63 characters, but has 64 (got 'aaa", None, "a" * 64),
        (with_container(workingDir="tmp"), "workingDir: must be an absolute path (got 'tmp')", None, "tmp"),
        (with_container(command="sh -c"), "command: must be a list (got 'sh -c')", None, "sh -c"),
        (with_container(args=[8080]), "args[0]: must be a string; put it in quotes (got 8080)", None, 8080),
        (
            with_container(env=[{"name": "A", "value": True}]),
            "spec.containers[0].env[0].value: must be a string; put it in quotes (got true)",
            None,
            True,
        ),
        (with_container(env=[{"name": "A=B"}]), "env[0].name: must be printable ASCII without '='", None, "A=B"),
        (
            with_container(env=[{"name": f"V{index}"} for index in range(257)]),
            "spec.containers[0].env: at most 256 variables are allowed (got 257)",
            None,
            257,
        ),
        (
            with_container(env=[{"name": "A"}, {"name": "A"}]),
            "env[1].name: must be unique, but spec.containers[0].env[0] has it too (got 'A')",
            None,
            "A",
        ),
        (with_container(ports=[{"containerPort": 65536}]), "must be at most 65535 (got 65536)", None, 65536),
        (with_container(ports=[{"containerPort": 80, "protocol": "tcp"}]), "'TCP', 'UDP' or 'SCTP'", None, "tcp"),
        (with_container(ports=[{"containerPort": 1, "name": "80"}]), "ports[0].name: must have a letter", None, "80"),
        (
            with_container(ports=[{"containerPort": 1}, {"containerPort": 1.0, "protocol": "TCP"}]),
            "ports[1].containerPort: must be unique, but spec.containers[0].ports[0] has it too (got '1/TCP')",
            None,
            "1/TCP",
        ),
        (
            with_container(ports=[{"containerPort": 80, "hostPort": 8080}]),
            "spec.containers[0].ports[0].hostPort: not supported by this release of podwright; remove it, and connect",
            "spec.containers[0].ports[0].hostPort",
            8080,
        ),
        (
            with_container(env=[{"name": "A", "valueFrom": {"fileKeyRef": {"path": "a"}}}]),
            "valueFrom.fileKeyRef: not supported by this release of podwright; use configMapKeyRef or secretKeyRef",
            None,
            '{"path": "a"}',
        ),
        (
            pod(securityContext={"fsGroup": -1}),
            "spec.securityContext.fsGroup: must be at least 0",
            None,
            -1,
        ),
        (
            with_container(securityContext={"privilegd": True}),
            "spec.containers[0].securityContext.privilegd: unknown field; did you mean privileged?",
            None,
            True,
        ),
        (
            pod(
                affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
            ),
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution: not supported by this release",
            None,
            '{"nodeSelectorTerms": []}',
        ),
        (
            with_container(resources={"limits": {"nvidia.com/gpu": 1}}),
            "not supported by this release of podwright, which knows cpu, memory, ephemeral-storage and ",
            "spec.containers[0].resources.limits[nvidia.com/gpu]",
            1,
        ),
        (with_container(resources={"limits": {"cpu": "a"}}), "limits[cpu]: must be a quantity such as", None, "a"),
        (with_container(resources={"limits": {"cpu": True}}), "limits[cpu]: must be a quantity such as", None, True),
        (with_container(resources={"requests": {"cpu": -1}}), "requests[cpu]: must not be negative", None, -1),
        (
            with_container(resources={"limits": {"memory": "1M"}, "requests": {"memory": "1Mi"}}),
            "spec.containers[0].resources.requests[memory]: must not be more than the limit of 1M (got '1Mi')",
            None,
            "1Mi",
        ),
        (with_metadata(labels={"a b": "c"}), "metadata.labels[a b]: the key must be [prefix/]name", None, "a b"),
        (with_metadata(labels={"a": "-"}), "metadata.labels[a]: must be at most 63 letters", None, "-"),
        (with_metadata(labels={"a": 1}), "metadata.labels[a]: must be a string; put it in quotes (got 1)", None, 1),
        (with_metadata(labels={1: "a"}), "metadata.labels[1]: the key must be a string", None, 1),
        (with_metadata(annotations={"a": "x" * 262144}), "must have at most 262144 bytes together", None, 262145),
        (
            with_metadata(annotations={"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}),
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: not supported by this release",
            None,
            "unconfined",
        ),
        (with_metadata(namespace="a.b"), "metadata.namespace: must be lower case letters, digits and '-'", None, "a.b"),
        (with_metadata(generateName="web-"), "give the pod a name of its own in metadata.name", None, "web-"),
        (with_container(args=["a\0b"]), "args[0]: must not hold a NUL character (got 'a\\x00b')", None, "a\0b"),
        (with_container(args=["\ud800"]), "args[0]: must not hold half a surrogate pair", None, "'\\ud800'"),
        (with_container(resources={"limits": {"cpu": float("nan")}}), "must be a finite number", None, "nan"),
        ({**SMALL, "kind": "Deployment"}, "kind: podwright runs Pods, and no other kind", "kind", "Deployment"),
        ({**SMALL, "apiVersion": "v2"}, "apiVersion: must be 'v1' (got 'v2')", "apiVersion", "v2"),
        ({"kind": "Pod"}, "apiVersion: required, but missing", "apiVersion", None),
        ([], "manifest: must be an object with apiVersion, kind, metadata and spec (got [])", "manifest", "[]"),
        (None, "manifest: must be an object with apiVersion, kind, metadata and spec (got null)", "manifest", None),
        (with_container(args=[{1, 2}]), "manifest: cannot be written as JSON: ", "manifest", None),
    ],
)
def test_a_bad_manifest_gets_a_clear_sentence(manifest: Any, sentence: str, field: str | None, value: object) -> None:
    error = refusal(manifest)
    assert sentence in error.message.splitlines()[0]
    assert field in (None, error.field)
    assert error.value == value


def test_a_manifest_of_two_mebibytes_is_refused_by_its_size() -> None:
    manifest = with_metadata(annotations={"a": "x" * (2 << 20)})
    size = len(canonical_json(manifest))
    error = refusal(manifest)
    assert str(error) == f"manifest: is too large: at most 1048576 bytes of JSON are allowed (got {size})"
    assert (error.field, error.value) == ("manifest", size)


def test_at_most_five_faults_are_listed() -> None:
    error = refusal(pod(hostPID=True, hostIPC=True, xyz=1, restartPolicy=1, hostname=1, priority="1", nodeName="a"))
    lines = error.message.splitlines()
    assert lines[0] == (
        "spec.hostPID: not supported by this release of podwright; "
        "remove it: a container always has process ids of its own (got true)"
    )
    assert len(lines) == 6
    assert lines[5] == "and more"
    assert (error.field, error.value) == ("spec.hostPID", True)


def test_what_refers_to_itself_or_is_too_deep_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "cannot be written as JSON" in refusal(pod(tolerations=loop)).message
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    assert "is nested deeper than 64 levels" in refusal(pod(topologySpreadConstraints=[deep])).message


# -- every unbuilt field


def with_mount(fields: dict[str, Any]) -> dict[str, Any]:
    manifest = with_container(volumeMounts=[{"name": "v", "mountPath": "/v", **fields}])
    manifest["spec"]["volumes"] = [{"name": "v"}]
    return manifest


PLACES = {
    "Pod": lambda fields: {**SMALL, **fields},
    "ObjectMeta": lambda fields: with_metadata(**fields),
    "PodSpec": lambda fields: pod(**fields),
    "Container": lambda fields: with_container(**fields),
    "Probe": lambda fields: with_container(livenessProbe={"tcpSocket": {"port": 1}, **fields}),
    "ContainerPort": lambda fields: with_container(ports=[{"containerPort": 80, **fields}]),
    "EnvVar": lambda fields: with_container(env=[{"name": "A", **fields}]),
    "EnvVarSource": lambda fields: with_container(
        env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}, **fields}}]
    ),
    "ResourceRequirements": lambda fields: with_container(resources=fields),
    "SecurityContext": lambda fields: with_container(securityContext=fields),
    "PodSecurityContext": lambda fields: pod(securityContext=fields),
    "NodeAffinity": lambda fields: pod(affinity={"nodeAffinity": fields}),
    "PodAffinity": lambda fields: pod(affinity={"podAntiAffinity": fields}),
    "Volume": lambda fields: pod(volumes=[{"name": "v", **fields}]),
    "VolumeProjection": lambda fields: pod(
        volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}, **fields}]}}]
    ),
    "VolumeMount": with_mount,
    "LoneContainer": lambda fields: {"kind": "Container", "name": "web", "image": "a", **fields},
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, fields in REFUSED.items() for name in fields])
def test_an_unbuilt_field_is_refused_by_name_and_null_is_not(kind: str, name: str) -> None:
    error = refusal(PLACES[kind]({name: "x"}))
    assert error.field is not None
    assert error.field.endswith(name if kind == "LoneContainer" else f".{name}")
    assert error.message.startswith(f"{error.field}: not supported by this release of podwright; ")
    assert normalise(PLACES[kind]({name: None})).pod == normalise(PLACES[kind]({})).pod


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, fields in SERVER_SET.items() for name in fields])
def test_a_field_that_servers_set_is_dropped_with_a_warning(kind: str, name: str) -> None:
    pod_now, warnings = normalise(PLACES[kind]({name: "x"}))
    path = name if kind == "Pod" else f"metadata.{name}"
    assert (pod_now, warnings) == (NORMAL, [f"{path}: set by an API server, ignored here"])
    assert normalise(PLACES[kind]({name: None})) == (NORMAL, [])


@pytest.mark.parametrize(
    "manifest",
    [
        pod(hostNetwork=False, hostPID=False, hostIPC=False, shareProcessNamespace=False, setHostnameAsFQDN=False),
        pod(volumes=[], initContainers=[], ephemeralContainers=[], imagePullSecrets=[], readinessGates=[]),
        pod(nodeSelector={}, nodeName="", subdomain="", dnsConfig={}, hostUsers=True, resources={}, securityContext={}),
        pod(hostname="", hostAliases=[], runtimeClassName="", os={"name": "linux"}, affinity={}, tolerations=[]),
        pod(runtimeClassName="pod-containers", hostname="web", dnsPolicy="", restartPolicy=""),
        pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}, "podAffinity": None}),
        pod(securityContext={"supplementalGroups": [], "sysctls": []}),
        with_container(volumeMounts=[], volumeDevices=[], envFrom=[], stdin=False, tty=False, resources={}, env=[]),
        with_container(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File", ports=[]),
        with_container(resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}], command=[], args=None),
        with_container(securityContext={"privileged": False, "capabilities": {}, "procMount": "Default"}),
        with_container(resources={"limits": {}, "claims": []}, workingDir="", imagePullPolicy=""),
        with_metadata(labels={}, annotations=None, namespace="", finalizers=[], creationTimestamp=None),
        {**SMALL, "status": {}},
    ],
)
def test_saying_what_is_so_anyway_changes_nothing(manifest: dict[str, Any]) -> None:
    assert normalise(manifest) == (NORMAL, [])


# -- warnings


@pytest.mark.parametrize(
    "spec",
    [
        {"schedulerName": "default-scheduler", "enableServiceLinks": True, "priority": 0, "preemptionPolicy": None},
        {"serviceAccountName": "default", "serviceAccount": "default", "preemptionPolicy": "PreemptLowerPriority"},
        {"enableServiceLinks": False, "automountServiceAccountToken": False, "priorityClassName": ""},
        {
            "tolerations": [
                {
                    "effect": "NoExecute",
                    "key": f"node.kubernetes.io/{key}",
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                }
                for key in ("not-ready", "unreachable")
            ]
        },
        {"overhead": {}, "topologySpreadConstraints": [], "affinity": {"podAffinity": {}}},
    ],
)
def test_server_defaults_give_no_warning(spec: dict[str, Any]) -> None:
    assert normalise(pod(**spec)) == (NORMAL, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schedulerName", "mine"),
        ("priority", 5),
        ("priorityClassName", "high"),
        ("preemptionPolicy", "Never"),
        ("serviceAccountName", "robot"),
        ("serviceAccount", "robot"),
        ("automountServiceAccountToken", True),
        ("tolerations", [{"operator": "Exists"}, {"key": "a"}]),
        ("affinity", {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}),
        ("topologySpreadConstraints", [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway"}]),
        ("overhead", {"cpu": "1"}),
        ("dnsPolicy", "ClusterFirst"),
        ("dnsPolicy", "ClusterFirstWithHostNet"),
    ],
)
def test_a_field_without_effect_gives_one_warning(name: str, value: object) -> None:
    normal, warnings = normalise(pod(**{name: value}))
    assert normal == NORMAL
    assert [warning.split(":")[0] for warning in warnings] == [f"spec.{name}"]


# -- the normal form


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("r:5000/a", "Always"),
        ("a:1", "IfNotPresent"),
        ("a@sha256:" + "0" * 64, "IfNotPresent"),
        ("a:latest@sha256:" + "0" * 64, "Always"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert container_of(with_container(image=image))["imagePullPolicy"] == policy
    assert container_of(with_container(image=image, imagePullPolicy="Never"))["imagePullPolicy"] == "Never"


def test_requests_default_to_limits_and_quantities_are_rewritten() -> None:
    given_resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": "0.25"}}
    resources = container_of(with_container(resources=given_resources))["resources"]
    assert resources == {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "1Gi"}}


def test_what_the_kernel_cannot_count_is_rounded_up_with_a_warning() -> None:
    resources = {"limits": {"cpu": "0.1m", "memory": "64m"}}
    normal, warnings = normalise(with_container(resources=resources))
    assert normal["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1m", "memory": "1"}
    assert warnings == [
        "spec.containers[0].resources.limits[cpu]: 0.1m is rounded up to 1m",
        "spec.containers[0].resources.limits[memory]: 64m is rounded up to 1",
    ]


def test_ports_are_sorted_and_whole_floats_are_integers() -> None:
    ports = [{"containerPort": 443.0, "name": "https"}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80}]
    assert container_of(with_container(ports=ports))["ports"] == [
        {"containerPort": 80, "protocol": "TCP"},
        {"containerPort": 80, "protocol": "UDP"},
        {"containerPort": 443, "protocol": "TCP", "name": "https"},
    ]
    grace = normalise(pod(terminationGracePeriodSeconds=5.0)).pod["spec"]["terminationGracePeriodSeconds"]
    assert (grace, type(grace)) == (5, int)


@pytest.mark.parametrize(
    ("env", "order"),
    [
        ({"B": "1", "A": "2"}, "AB"),
        ({"B": "1", "A": "$(B)"}, "BA"),  # A needs B before it
        ({"A": "$(B)", "B": "1"}, "AB"),  # A stays literal: B must not come before it
        ({"B": "$(A)", "A": "1"}, "BA"),
        ({"C": "", "B": "$(C)", "A": "$(B)", "D": "$(D)"}, "CBAD"),
        ({"B": "$$(A)", "A": "1"}, "AB"),  # escaped: no reference
        ({"B": "$(NONE)", "A": None}, "AB"),
    ],
)
def test_variables_are_sorted_as_far_as_references_allow(env: dict[str, str | None], order: str) -> None:
    written = [{"name": name, "value": value} for name, value in env.items()]
    assert container_of(with_container(env=written))["env"] == [
        {"name": name, "value": env[name] or ""} for name in order
    ]


def test_addresses_have_one_text() -> None:
    aliases = [{"ip": "FE80:0::1", "hostnames": ["b", "a"]}, {"ip": "10.0.0.1", "hostnames": ["c"]}]
    assert normalise(pod(hostAliases=aliases)).pod["spec"]["hostAliases"] == [
        {"ip": "fe80::1", "hostnames": ["b", "a"]},
        {"ip": "10.0.0.1", "hostnames": ["c"]},
    ]


def test_a_hostname_stays_unless_it_is_the_pods_name() -> None:
    assert normalise(pod(hostname="other")).pod["spec"]["hostname"] == "other"
    assert "hostname" not in normalise(pod(hostname="web")).pod["spec"]


def test_case_and_unicode_are_kept() -> None:
    manifest = with_container(args=["É", "É"], env=[{"name": "Mode", "value": "Prod"}])
    assert container_of(manifest)["args"] == ["É", "É"]
    assert container_of(manifest)["env"] == [{"name": "Mode", "value": "Prod"}]


def test_strings_and_lists_of_other_types_become_plain() -> None:
    class Tagged(str):
        __slots__ = ()

    normal = normalise(with_container(image=Tagged("a:1"), args=(Tagged("x"),))).pod
    container = normal["spec"]["containers"][0]
    assert (type(container["image"]), container["args"], type(container["args"][0])) == (str, ["x"], str)
