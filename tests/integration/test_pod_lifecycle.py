# SPDX-License-Identifier: Apache-2.0
"""Exec and TLS probes, hooks and stop signals of a pod, through the command line."""

import http.server
import json
import ssl
import subprocess
import threading

import pytest

from podtools import container, eventually, pod, statuses

VOLUME = [{"name": "data", "emptyDir": {}}]
MOUNT = [{"name": "data", "mountPath": "/data"}]


def is_ready(machine, name):
    conditions = {item["type"]: item["status"] for item in machine.pod(name)["status"]["conditions"]}
    return conditions["Ready"] == "True"


def command(script):
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


def test_an_exec_probe_has_the_containers_variables_and_user(machine):
    script = 'test "$(id -u)$NAME" = 1000web && test -e /data/ok'
    app = container(
        "app",
        "sleep 1; touch /data/ok; exec sleep 100000",
        env=[{"name": "NAME", "value": "web"}],
        securityContext={"runAsUser": 1000},
        volumeMounts=MOUNT,
        readinessProbe={**command(script), "periodSeconds": 1},
    )
    mode = container("mode", "chmod 777 /data; exit 0", volumeMounts=MOUNT)
    machine.apply(pod("probed", app, initContainers=[mode], volumes=VOLUME))
    assert not is_ready(machine, "probed")
    eventually(lambda: is_ready(machine, "probed"), "the pod to be ready")
    machine.delete("probed")


def test_hooks_run_around_a_containers_life(machine):
    lifecycle = {"postStart": command("echo begun >> /data/log"), "preStop": command("echo pre >> /data/log")}
    script = "trap 'echo told >> /data/log; exit 0' INT; while :; do sleep 0.05; done"
    app = container("app", script, volumeMounts=MOUNT, lifecycle={**lifecycle, "stopSignal": "SIGINT"})
    other = container("other", "cat /data/log; exec sleep 100000", volumeMounts=MOUNT)
    manifest = pod("hooked", app, other, volumes=VOLUME, os={"name": "linux"}, terminationGracePeriodSeconds=2)
    machine.apply(manifest)
    eventually(lambda: machine.run("logs", "hooked", "-c", "other").stdout == "begun\n", "the hook")
    assert "unchanged" in machine.apply(manifest).stdout
    edited = {**app, "env": [{"name": "A", "value": "1"}]}
    machine.apply({**manifest, "spec": {**manifest["spec"], "containers": [edited, other]}})
    status = statuses(machine.pod("hooked"))["app"]
    assert (status["restartCount"], status["stopSignal"]) == (1, "SIGINT")
    again = {**other, "env": [{"name": "A", "value": "1"}]}
    machine.apply({**manifest, "spec": {**manifest["spec"], "containers": [edited, again]}})
    eventually(lambda: machine.run("logs", "hooked", "-c", "other").stdout.split()[-1:] == ["begun"], "the log")
    assert machine.run("logs", "hooked", "-c", "other").stdout.split() == ["begun", "pre", "told", "begun"]
    machine.delete("hooked")


def test_a_hook_that_fails_restarts_its_container(machine):
    app = container("app", "exec sleep 100000", lifecycle={"postStart": {"tcpSocket": {"port": 80}}})
    machine.apply(pod("failing", app))
    eventually(lambda: statuses(machine.pod("failing"))["app"]["restartCount"] >= 1, "a restart")
    machine.delete("failing")


@pytest.fixture
def tls_port(tmp_path):
    """Serve TLS on this host with a certificate that nobody has reason to trust."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=other.example",
         "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_probe_over_tls_takes_any_certificate(machine, tls_port):
    machine.apply(pod("secure", container("app", "exec sleep 100000")))
    host = machine.pod("secure")["status"]["hostIP"]
    probe = {"httpGet": {"host": host, "port": tls_port, "scheme": "HTTPS"}, "periodSeconds": 1, "timeoutSeconds": 10}
    bad = {**probe, "httpGet": {**probe["httpGet"], "path": "/none"}}
    machine.apply(pod("secure", container("app", "exec sleep 100000", readinessProbe=bad)))
    eventually(lambda: "statuscode: 404" in machine.run("events", "secure").stdout, "a failure")
    machine.apply(pod("secure", container("app", "exec sleep 100000", readinessProbe=probe)))
    eventually(lambda: is_ready(machine, "secure"), "the pod to be ready")
    machine.delete("secure")


def test_a_readiness_gate_opens_when_somebody_says_so(machine):
    gate = {"conditionType": "example.com/lit"}
    manifest = pod("gated", container("app", "exec sleep 100000"), readinessGates=[gate])
    machine.apply(manifest)
    assert not is_ready(machine, "gated")
    late = machine.apply(manifest, "--wait", "--timeout", "0", check=False)
    assert 'pod readiness gate "example.com/lit" does not exist' in late.stderr
    refused = machine.run("set-condition", "gated", "Ready", "True", check=False)
    assert "the condition Ready follows from the pod's state" in refused.stderr
    machine.run("set-condition", "gated", "example.com/lit", "True", "--reason", "Lit")
    assert is_ready(machine, "gated")
    assert "unchanged" in machine.apply(manifest, "--wait").stdout
    machine.delete("gated")


def test_events_tell_a_pods_life(machine):
    machine.apply(pod("told", container("app", "sleep 0.1; exit 3"), restartPolicy="Never"))
    eventually(lambda: machine.pod("told")["status"]["phase"] == "Failed", "the pod to fail")
    table = [line.split() for line in machine.run("events", "told").stdout.splitlines()]
    assert table[0] == ["AGE", "TYPE", "REASON", "CONTAINER", "MESSAGE"]
    assert [row[1:4] for row in table[1:]] == [["Normal", "Started", "app"], ["Warning", "Error", "app"]]
    items = json.loads(machine.run("events", "pod/told", "-o", "json").stdout)["items"]
    assert items[1]["message"] == "Container ended with exit code 3"
    machine.delete("told")
    assert "there is no pod told" in machine.run("events", "told", check=False).stderr
