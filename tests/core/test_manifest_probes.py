# SPDX-License-Identifier: Apache-2.0
"""Probes in a manifest, and the plan that the supervisor gets of them."""

import sys
from typing import Any

import pytest

from manifesttools import with_container
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise
from podwright.pods.life import compile_life, message_bind

TCP = {"tcpSocket": {"port": 80}}


def container(**probes: Any) -> dict[str, Any]:
    ports = [{"containerPort": 8080, "name": "web"}]
    found: dict[str, Any] = normalise(with_container(ports=ports, **probes)).pod["spec"]["containers"][0]
    return found


def test_the_defaults_are_kubernetes():
    assert container(livenessProbe={"httpGet": {"port": 80, "scheme": "HTTP"}})["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_zero_is_the_default_too():
    zero = dict.fromkeys(
        ("timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold", "initialDelaySeconds"), 0
    )
    assert container(livenessProbe={**TCP, **zero}) == container(livenessProbe=TCP)


def test_the_plan_has_every_number():
    probe = {
        **TCP,
        "initialDelaySeconds": 5,
        "timeoutSeconds": 2,
        "periodSeconds": 3,
        "successThreshold": 1,
        "failureThreshold": 4,
        "terminationGracePeriodSeconds": 7,
    }
    assert compile_life(container(startupProbe=probe), "10.0.0.2", 30) == {
        "version": 1,
        "postStart": None,
        "preStop": None,
        "terminationMessage": "File",
        "probes": [
            {
                "kind": "startup",
                "delay": 5000,
                "period": 3000,
                "timeout": 2000,
                "success": 1,
                "failure": 4,
                "grace": 7,
                "action": ["tcp", "10.0.0.2", 80],
            }
        ],
    }


def test_a_request_is_the_kubelets():
    probe = {"httpGet": {"port": "web", "path": "/healthz?full"}}
    (planned,) = compile_life(container(readinessProbe=probe), "10.0.0.2", 30)["probes"]
    assert planned["grace"] == 30
    assert planned["action"][:4] == [
        "http",
        "10.0.0.2",
        8080,
        (
            "GET /healthz?full HTTP/1.1\r\nHost: 10.0.0.2:8080\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n"
        ),
    ]
    assert planned["action"][4][4:] == [  # for the helper that follows a redirection
        "http",
        "http://10.0.0.2:8080/healthz?full",
        '[["Host","10.0.0.2:8080"],["User-Agent","kube-probe/1.36"],["Accept","*/*"]]',
        "1",
    ]


def action(**probe: Any) -> list[Any]:
    (planned,) = compile_life(container(readinessProbe=probe), "10.0.0.2", 30)["probes"]
    found: list[Any] = planned["action"]
    return found


def test_what_podinit_cannot_ask_a_helper_does():
    https = action(httpGet={"port": "web", "scheme": "HTTPS"}, timeoutSeconds=3)
    assert (https[0], https[1:4], https[5]) == ("helper", [sys.executable, "-I", "-S"], "http")
    assert (https[6], https[8]) == ("https://10.0.0.2:8080/", "3")
    name = action(httpGet={"port": 1, "host": "db.example", "path": "/a"})
    assert (name[0], name[6]) == ("helper", "http://db.example:1/a")
    assert '"Host","[::1]:1"' in action(httpGet={"port": 1, "host": "::1"})[7]
    assert action(tcpSocket={"port": "web", "host": "::1"})[5:] == ["tcp", "::1", "8080", "1"]
    assert action(grpc={"port": 9090})[5:] == ["grpc", "10.0.0.2", "9090", "", "1"]
    assert action(grpc={"port": 9090, "service": "a.B"})[5:] == ["grpc", "10.0.0.2", "9090", "a.B", "1"]


def test_a_probes_program_sees_variables_as_they_are_written():
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)2"},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    probe = {"exec": {"command": ["test", "$(A)", "$(B)", "[$(C)]", "$(D)", "$$(A)"]}}
    found = normalise(with_container(env=env, readinessProbe=probe)).pod["spec"]["containers"][0]
    (planned,) = compile_life(found, "10.0.0.2", 30)["probes"]
    assert planned["action"] == ["exec", "test", "1", "$(A)2", "[]", "$(D)", "$(A)"]


def test_headers_of_the_probe_come_before_the_kubelets():
    headers = [
        {"name": "host", "value": "a.example"},
        {"name": "Accept", "value": ""},
        {"name": "X-A", "value": "1"},
        {"name": "X-A", "value": "2"},
    ]
    probe = {"httpGet": {"port": 1, "host": "127.0.0.1", "httpHeaders": headers}}
    (planned,) = compile_life(container(readinessProbe=probe), "10.0.0.2", 30)["probes"]
    kind, address, port, request, _ = planned["action"]
    assert (kind, address, port) == ("http", "127.0.0.1", 1)
    assert request.split("\r\n") == [
        "GET / HTTP/1.1",
        "User-Agent: kube-probe/1.36",
        "host: a.example",
        "X-A: 1",
        "X-A: 2",
        "Connection: close",
        "",
        "",
    ]


def get(**fields: Any) -> dict[str, Any]:
    return {"httpGet": {"port": 80, **fields}}


@pytest.mark.parametrize(
    ("kind", "probe", "field"),
    [
        ("livenessProbe", {}, ""),
        ("livenessProbe", {"periodSeconds": 1}, ""),
        ("livenessProbe", {**TCP, **get()}, ".tcpSocket"),
        ("livenessProbe", {**TCP, "successThreshold": 2}, ".successThreshold"),
        ("startupProbe", {**TCP, "successThreshold": 2}, ".successThreshold"),
        ("readinessProbe", {**TCP, "terminationGracePeriodSeconds": 2}, ".terminationGracePeriodSeconds"),
        ("livenessProbe", {**TCP, "terminationGracePeriodSeconds": 0}, ".terminationGracePeriodSeconds"),
        ("livenessProbe", {**TCP, "periodSeconds": -1}, ".periodSeconds"),
        ("livenessProbe", {"tcpSocket": {"port": 0}}, ".tcpSocket.port"),
        ("livenessProbe", {"tcpSocket": {"port": 65536}}, ".tcpSocket.port"),
        ("livenessProbe", {"tcpSocket": {"port": "other"}}, ".tcpSocket.port"),
        ("livenessProbe", {"tcpSocket": {}}, ".tcpSocket.port"),
        ("livenessProbe", get(host="a/b"), ".httpGet.host"),
        ("livenessProbe", {"tcpSocket": {"port": 1, "host": "a b"}}, ".tcpSocket.host"),
        ("livenessProbe", get(scheme="FTP"), ".httpGet.scheme"),
        ("livenessProbe", get(path="/a b"), ".httpGet.path"),
        ("livenessProbe", get(path="a"), ".httpGet.path"),
        ("livenessProbe", get(path="/a\r\nX: 1"), ".httpGet.path"),
        ("livenessProbe", get(httpHeaders=[{"name": "X Y", "value": ""}]), ".httpGet.httpHeaders[0].name"),
        ("livenessProbe", get(httpHeaders=[{"name": "", "value": ""}]), ".httpGet.httpHeaders[0].name"),
        ("livenessProbe", get(httpHeaders=[{"name": "X", "value": "a\r\nY: b"}]), ".httpGet.httpHeaders[0].value"),
        ("livenessProbe", {"exec": {}}, ".exec.command"),
        ("livenessProbe", {"exec": {"command": []}}, ".exec.command"),
        ("livenessProbe", {"exec": {"command": [""]}}, ".exec.command[0]"),
        ("livenessProbe", {"exec": {"command": ["true"]}, **TCP}, ".tcpSocket"),
        ("livenessProbe", {"grpc": {"port": 0}}, ".grpc.port"),
        ("livenessProbe", {"grpc": {"port": "web"}}, ".grpc.port"),
        ("livenessProbe", {"sleep": {"seconds": 1}}, ".sleep"),
    ],
)
def test_what_is_wrong_is_named(kind, probe, field):
    with pytest.raises(ManifestError) as caught:
        container(**{kind: probe})
    assert caught.value.field == f"spec.containers[0].{kind}{field}"


def test_only_a_sidecar_among_the_first_containers_has_probes():
    item = {"name": "first", "image": "x:1", "readinessProbe": TCP}
    manifest = with_container()
    manifest["spec"]["initContainers"] = [item]
    with pytest.raises(ManifestError, match=r"initContainers\[0\].readinessProbe: must not be there without"):
        normalise(manifest)
    manifest["spec"]["initContainers"] = [{**item, "restartPolicy": "Always"}]
    assert normalise(manifest).pod["spec"]["initContainers"][0]["readinessProbe"]["periodSeconds"] == 10


def test_where_the_last_words_are_and_whether_the_log_may_speak():
    plain = container(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
    assert plain == container()
    assert message_bind(plain, "/p") == ("/p/termination-log", "/dev/termination-log", ("rprivate", "rw"))
    own = container(terminationMessagePath="/run//last", terminationMessagePolicy="FallbackToLogsOnError")
    assert message_bind(own, "/p")[1] == "/run/last"
    assert compile_life(own, "", 0)["terminationMessage"] == "FallbackToLogsOnError"
