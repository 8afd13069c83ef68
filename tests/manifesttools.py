# SPDX-License-Identifier: Apache-2.0
"""Manifests to test with: a small one, edits of it, and hypothesis strategies for good and bad ones."""

import copy
from typing import Any

from hypothesis import strategies as st

SMALL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "server", "image": "registry.example.com/httpd:2.4"}]},
}


def pod(**spec: Any) -> dict[str, Any]:
    """The small pod with more in its spec."""
    manifest = copy.deepcopy(SMALL)
    manifest["spec"].update(spec)
    return manifest


def with_container(**fields: Any) -> dict[str, Any]:
    """The small pod with more in its container."""
    manifest = copy.deepcopy(SMALL)
    manifest["spec"]["containers"][0].update(fields)
    return manifest


def with_metadata(**fields: Any) -> dict[str, Any]:
    """The small pod with more in its metadata."""
    manifest = copy.deepcopy(SMALL)
    manifest["metadata"].update(fields)
    return manifest


def _object(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_reference = st.sampled_from(["", "x", "$(A)", "$(B) $(C)", "$$(A)", "$(D", "a$"])
_label = st.sampled_from(["a", "b-1", "web", "x" * 63])
_env_name = st.sampled_from("ABCDE")
_quantity = {
    "cpu": st.sampled_from([1, 0.5, 2.0, "100m", "0.1", "1500m", "1.5", "1e-3", "2k"]),
    "memory": st.sampled_from([1048576, "1Mi", "1024Ki", "64m", "128M", "1.5Gi", "1e9", "1536Mi", 2.0e9]),
}
_optional = {"optional": st.none() | st.booleans()}
_kept_key = {"name": st.sampled_from(["kept", "a.b"]), "key": st.sampled_from(["k", ".k", "a_B-1"])}
_value_from = st.one_of(
    _object({"configMapKeyRef": _object(_kept_key, _optional)}, {"secretKeyRef": st.none()}),
    _object({"secretKeyRef": _object(_kept_key, _optional)}, {}),
    _object(
        {
            "fieldRef": _object(
                {"fieldPath": st.sampled_from(["metadata.name", "metadata.labels['a/b']", "status.podIP"])},
                {"apiVersion": st.sampled_from(["v1", "", None])},
            )
        },
        {},
    ),
    _object(
        {
            "resourceFieldRef": _object(
                {"resource": st.sampled_from(["limits.memory", "requests.ephemeral-storage"])},
                {"divisor": st.sampled_from([None, 0, "1Mi", 1, "1024Ki"]), "containerName": st.none() | _label},
            )
        },
        {},
    ),
)
_env_from = st.lists(
    _object({"configMapRef": _object({"name": st.just("kept")}, _optional)}, {"prefix": st.sampled_from(["", "P_"])})
    | _object({"secretRef": _object({"name": st.just("kept")}, _optional)}, {"prefix": st.none()}),
    max_size=2,
)
_env = st.lists(
    _object({"name": _env_name}, {"value": st.one_of(st.none(), _reference)})
    | _object({"name": _env_name, "valueFrom": _value_from}, {"value": st.sampled_from(["", None])}),
    max_size=5,
    unique_by=lambda item: item["name"],
)
_ports = st.lists(
    _object(
        {"containerPort": st.integers(1, 5) | st.sampled_from([80.0, 65535])},
        {"name": st.just("") | st.none(), "protocol": st.sampled_from(["TCP", "UDP", None]), "hostPort": st.just(0)},
    ),
    max_size=3,
    unique_by=lambda item: item["containerPort"],
)
_id = st.sampled_from([0, 1000, 1000.0, 2**31 - 1, None])
_profile = st.none() | st.sampled_from(
    [{"type": "RuntimeDefault"}, {"type": "Unconfined"}, {"type": "Localhost", "localhostProfile": "a/b.json"}]
)
_capabilities = st.lists(st.sampled_from(["ALL", "NET_ADMIN", "cap_chown", "SYS_ADMIN", "KILL"]), max_size=3)
_context = _object(
    {},
    {
        "runAsUser": _id,
        "runAsGroup": _id,
        "capabilities": st.none() | _object({}, {"add": st.none() | _capabilities, "drop": _capabilities}),
        "privileged": st.booleans() | st.none(),
        "allowPrivilegeEscalation": st.just(True) | st.none(),
        "readOnlyRootFilesystem": st.booleans(),
        "procMount": st.sampled_from(["Default", None]),
        "seccompProfile": _profile,
    },
)
_pod_context = _object(
    {},
    {
        "runAsUser": _id,
        "runAsGroup": _id,
        "runAsNonRoot": st.just(False) | st.none(),
        "supplementalGroups": st.lists(st.integers(0, 3), max_size=3) | st.none(),
        "seccompProfile": _profile,
        "supplementalGroupsPolicy": st.sampled_from(["Merge", "Strict", None]),
        "fsGroup": _id,
        "fsGroupChangePolicy": st.sampled_from(["Always", "OnRootMismatch", None]),
        "sysctls": st.sampled_from([[], None, [{"name": "net/core/somaxconn", "value": "1"}]]),
    },
)
_mode = st.sampled_from([None, 0, 0o400, 0o644, 420.0])
_files = st.none() | st.lists(
    _object({"key": st.just("k"), "path": st.sampled_from(["a", "b/./c"])}, {"mode": _mode}), max_size=1
)
_own_files = st.lists(
    _object(
        {"path": st.just("labels"), "fieldRef": st.just({"fieldPath": "metadata.labels", "apiVersion": "v1"})},
        {"mode": _mode, "resourceFieldRef": st.none()},
    ),
    max_size=1,
)
_config_map = _object({"name": st.just("kept")}, {"items": _files, **_optional})
_config = st.one_of(
    _object({"configMap": _object({"name": st.just("kept")}, {"items": _files, "defaultMode": _mode})}, {}),
    _object({"secret": _object({"secretName": st.just("kept")}, {"items": _files, "defaultMode": _mode})}, {}),
    _object({"downwardAPI": _object({}, {"items": _own_files | st.none(), "defaultMode": _mode})}, {}),
    _object(
        {
            "projected": _object(
                {}, {"sources": st.lists(_object({"configMap": _config_map}, {}), max_size=1), "defaultMode": _mode}
            )
        },
        {"emptyDir": st.none()},
    ),
).map(lambda source: {"name": "c", **source})
_volumes = st.tuples(
    _object(
        {"name": st.just("a")}, {"emptyDir": st.sampled_from([None, {}, {"medium": "Memory", "sizeLimit": "1Ki"}])}
    ),
    _object(
        {"name": st.just("b"), "hostPath": st.sampled_from([{"path": "/b/"}, {"path": "/", "type": "Directory"}])}, {}
    ),
    _config,
).map(list)
_mounts = st.lists(
    _object(
        {
            "name": st.sampled_from(["a", "b", "c"]),
            "mountPath": st.sampled_from(["/a", "/a//b/", "/./c", "/etc/hosts"]),
        },
        {
            "readOnly": st.booleans() | st.none(),
            "subPath": st.sampled_from(["", "a/./b", None]),
            "mountPropagation": st.sampled_from(["None", "HostToContainer", None]),
        },
    ),
    max_size=3,
    unique_by=lambda item: item["mountPath"],
)
_port = st.sampled_from([1, 80, 8080.0])
_address = {"host": st.sampled_from(["", "10.0.0.1", None])}
_http_get = _object(
    {"port": _port},
    {
        **_address,
        "path": st.sampled_from(["", "/", "/a?b=c", None]),
        "scheme": st.sampled_from(["", "HTTP", "HTTPS", None]),
        "httpHeaders": st.none() | st.lists(st.just({"name": "X-A", "value": "b c"}), max_size=1),
    },
)
_command = st.lists(st.sampled_from(["true", "a b"]), min_size=1, max_size=2)
_hook = st.one_of(
    _object({"exec": _object({"command": _command}, {})}, {"httpGet": st.none()}),
    _object({"httpGet": _http_get}, {"exec": st.none()}),
    _object({"tcpSocket": _object({"port": _port}, _address)}, {}),
)
_grpc = _object({"grpc": _object({"port": _port}, {"service": st.sampled_from(["", "a.B", None])})}, {})


def _merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


def _probe(**own: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any] | None]:
    times = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold")
    return st.none() | _merged(
        _hook | _grpc, _object({}, {**dict.fromkeys(times, st.sampled_from([None, 0, 1, 7.0])), **own})
    )


_ends = {"successThreshold": st.sampled_from([None, 1]), "terminationGracePeriodSeconds": st.sampled_from([None, 5])}
_probes = _object(
    {},
    {
        "startupProbe": _probe(**_ends),
        "livenessProbe": _probe(**_ends),
        "readinessProbe": _probe(successThreshold=st.sampled_from([None, 1, 3])),
        "lifecycle": st.none() | _object({}, {"postStart": st.none() | _hook, "preStop": _hook}),
    },
)
_rule = _object(
    {
        "action": st.just("Restart"),
        "exitCodes": _object({"operator": st.sampled_from(["In", "NotIn"]), "values": st.just([3, 1, 3])}, {}),
    },
    {},
)
_restarts = st.just({}) | _object(
    {"restartPolicy": st.sampled_from(["Always", "OnFailure", "Never"])},
    {"restartPolicyRules": st.lists(_rule, max_size=2) | st.none()},
)
_message = _object(
    {},
    {
        "terminationMessagePath": st.sampled_from(["", "/dev/termination-log", "/a//b", None]),
        "terminationMessagePolicy": st.sampled_from(["", "File", "FallbackToLogsOnError", None]),
    },
)
_init = st.lists(
    _merged(
        _object({"name": st.sampled_from(["i-1", "i-2"]), "image": st.just("a:1")}, {"env": _env, "args": st.none()}),
        _message,
        st.just({}) | _merged(st.just({"restartPolicy": "Always"}), _probes),
    ),
    max_size=2,
    unique_by=lambda item: item["name"],
)
_container = _object(
    {"name": _label, "image": st.sampled_from(["a", "a:latest", "r.io:5/b/c:1", "a@sha256:" + "0" * 64])},
    {
        "imagePullPolicy": st.sampled_from(["Always", "IfNotPresent", "Never", None]),
        "command": st.none() | st.lists(_text, max_size=2),
        "args": st.none() | st.lists(_text, max_size=2),
        "workingDir": st.sampled_from(["/", "/a b", "", None]),
        "env": _env | st.none(),
        "envFrom": _env_from | st.none(),
        "ports": _ports,
        "resources": st.none() | _object({}, {"limits": st.none() | _object({}, _quantity)}),
        "securityContext": _context | st.none(),
        "tty": st.just(False),
        "volumeMounts": _mounts | st.none(),
    },
)
_whole_container = _merged(_container, _message, _restarts, _probes)
_aliases = st.lists(
    _object(
        {
            "ip": st.sampled_from(["10.0.0.1", "::1", "fe80::0:1"]),
            "hostnames": st.lists(_label, min_size=1, max_size=2),
        },
        {},
    ),
    max_size=2,
    unique_by=lambda item: item["ip"],
)
_spec = _object(
    {
        "containers": st.lists(_whole_container, min_size=1, max_size=3, unique_by=lambda item: item["name"]),
        "volumes": _volumes,
    },
    {
        "initContainers": _init | st.none(),
        "activeDeadlineSeconds": st.sampled_from([None, 7, 7.0]),
        "readinessGates": st.lists(st.just({"conditionType": "a.b/c"}), max_size=1) | st.none(),
        "restartPolicy": st.sampled_from(["Always", "OnFailure", "Never", None]),
        "terminationGracePeriodSeconds": st.integers(0, 300) | st.sampled_from([30.0, None]),
        "hostname": _label | st.sampled_from(["", None]),
        "hostAliases": _aliases | st.none(),
        "dnsPolicy": st.sampled_from(["ClusterFirst", "Default", None]),
        "runtimeClassName": st.sampled_from(["", "pod-containers", None]),
        "os": st.sampled_from([None, {"name": "linux"}]),
        "securityContext": _pod_context,
        "tolerations": st.just([{"key": "a", "effect": "NoExecute", "tolerationSeconds": 5.0}]),
        "priority": st.integers(0, 2),
        "enableServiceLinks": st.booleans(),
        "hostNetwork": st.just(False),
        "nodeName": st.just("") | st.none(),
    },
)
good_pods = _object(
    {
        "apiVersion": st.just("v1"),
        "kind": st.just("Pod"),
        "metadata": _object(
            {"name": _label},
            {
                "namespace": _label | st.sampled_from(["", None]),
                "labels": st.none() | st.dictionaries(_label, st.sampled_from(["", "v"]), max_size=2),
                "annotations": st.none() | st.dictionaries(_label, _text, max_size=2),
                "uid": st.just("1-2"),
            },
        ),
        "spec": _spec,
    },
    {"status": st.just({"phase": "Running"})},
)
"""Pods that are accepted, written in many ways."""

_odd = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text
    | st.sampled_from(["a" * 64, "a" * 254, "a\n", "A", "-a", "Always", "v1", "/x\n", "", "é", "a=b", "linux"])
    | st.lists(st.none() | _text | st.integers(), max_size=2)
    | st.dictionaries(_text, _text, max_size=1)
)


@st.composite
def odd_pods(draw: st.DrawFn) -> Any:
    """Pods with one or two places made odd: mostly refused, sometimes still fine."""
    manifest = copy.deepcopy(draw(good_pods))
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(manifest))
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "remove":
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["extra", "name", "value", "containers", "image", "ports", "x y"]))] = draw(
                    _odd
                )
            case _:
                holder[key] = draw(_odd)
        if not list(_places(manifest)):
            break
    return manifest


def _places(value: Any) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
