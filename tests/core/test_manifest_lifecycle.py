# SPDX-License-Identifier: Apache-2.0
"""Hooks and stop signals in a manifest, and what the supervisor gets of them."""

from typing import Any

import pytest

from manifesttools import with_container
from podwright.errors import ManifestError
from podwright.manifest.normalise import normalise
from podwright.pods.life import compile_life
from podwright.pods.settings import Ground, stop_signal_of


def manifest(lifecycle: dict[str, Any], **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = with_container(ports=[{"containerPort": 8080, "name": "web"}], lifecycle=lifecycle)
    found["spec"] |= spec
    return found


def container(lifecycle: dict[str, Any], **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = normalise(manifest(lifecycle, **spec)).pod["spec"]["containers"][0]
    return found


def hook(handler: dict[str, Any]) -> list[Any]:
    found: list[Any] = compile_life(container({"preStop": handler}), "10.0.0.2", 30)["preStop"]
    return found


def test_each_hook_becomes_an_action():
    both = {"postStart": {"exec": {"command": ["a", "$(B)"]}}, "preStop": {"sleep": {"seconds": 3}}}
    life = compile_life(container(both), "10.0.0.2", 30)
    assert (life["postStart"], life["preStop"]) == (["exec", "a", "$(B)"], ["sleep", 3])
    assert hook({"sleep": {"seconds": 0}}) == ["sleep", 0]
    assert compile_life(container({}), "10.0.0.2", 30)["postStart"] is None


def test_a_request_says_whose_it_is_and_takes_any_answer():
    kind, address, port, request, helper = hook({"httpGet": {"port": "web", "path": "/end"}})
    assert (kind, address, port) == ("send", "10.0.0.2", 8080)
    assert "GET /end HTTP/1.1\r\n" in request
    assert "User-Agent: kube-lifecycle/1.36\r\n" in request
    assert helper[4] == "send"
    assert hook({"httpGet": {"port": 1, "scheme": "HTTPS"}})[5] == "send"


def test_a_connection_is_accepted_and_fails_as_in_kubernetes():
    kind, message = hook({"tcpSocket": {"port": 80}})
    assert (kind, "tcpSocket" in message) == ("fail", True)


SLEEP = {"sleep": {"seconds": 31}}


@pytest.mark.parametrize(
    ("lifecycle", "field"),
    [
        ({"postStart": {}}, ".postStart"),
        ({"preStop": {"grpc": {"port": 1}}}, ".preStop.grpc"),
        ({"preStop": {"exec": {"command": []}}}, ".preStop.exec.command"),
        ({"preStop": {"exec": {"command": ["a"]}, "sleep": {"seconds": 1}}}, ".preStop.sleep"),
        ({"preStop": {"httpGet": {"port": "none"}}}, ".preStop.httpGet.port"),
        ({"preStop": {"sleep": {}}}, ".preStop.sleep.seconds"),
        ({"preStop": {"sleep": {"seconds": -1}}}, ".preStop.sleep.seconds"),
        ({"preStop": SLEEP}, ".preStop.sleep.seconds"),
        ({"stopSignal": "SIGTERM"}, ".stopSignal"),
        ({"around": {}}, ".around"),
    ],
)
def test_what_is_wrong_is_named(lifecycle, field):
    with pytest.raises(ManifestError) as caught:
        container(lifecycle)
    assert caught.value.field == f"spec.containers[0].lifecycle{field}"


def test_a_pause_may_be_as_long_as_the_grace_period():
    assert container({"preStop": SLEEP}, terminationGracePeriodSeconds=31)["lifecycle"] == {"preStop": SLEEP}


def test_a_stop_signal_comes_before_the_images():
    linux = {"name": "linux"}
    ground = Ground("x", "y", [], {"StopSignal": "SIGQUIT"})
    assert stop_signal_of(container({}), ground) == 3
    assert stop_signal_of(container({"stopSignal": "SIGUSR1"}, os=linux), ground) == 10
    assert stop_signal_of(container({"stopSignal": "SIGRTMIN+3"}, os=linux), ground) == 37
    assert stop_signal_of(container({"stopSignal": "SIGCLD"}, os=linux), ground) == 17
    with pytest.raises(ManifestError, match="must be a signal of Linux"):
        container({"stopSignal": "SIGFOO"}, os=linux)


def test_a_pod_with_a_stop_signal_is_taken_back_as_it_was_given_out():
    pod = normalise(manifest({"stopSignal": "SIGINT"}, os={"name": "linux"})).pod
    assert pod["spec"]["os"] == {"name": "linux"}
    assert normalise(pod).pod == pod
    assert "os" not in normalise(manifest({}, os={"name": "linux"})).pod["spec"]


def test_only_a_sidecar_among_the_first_containers_has_hooks():
    item = {"name": "first", "image": "x:1", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
    pod = with_container()
    pod["spec"]["initContainers"] = [item]
    with pytest.raises(ManifestError, match=r"initContainers\[0\].lifecycle: must not be there without"):
        normalise(pod)
    pod["spec"]["initContainers"] = [{**item, "restartPolicy": "Always"}]
    assert normalise(pod).pod["spec"]["initContainers"][0]["lifecycle"] == item["lifecycle"]


def test_readiness_gates_are_names_of_conditions():
    gates = [{"conditionType": "www.example.com/lit"}, {"conditionType": "Warm"}]
    assert normalise(manifest({}, readinessGates=gates)).pod["spec"]["readinessGates"] == gates
    with pytest.raises(ManifestError) as caught:
        normalise(manifest({}, readinessGates=[*gates, {"conditionType": "a b"}]))
    assert caught.value.field == "spec.readinessGates[2].conditionType"
