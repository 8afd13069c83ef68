# SPDX-License-Identifier: Apache-2.0
"""Probes of a pod, through the command line."""

from podtools import container, eventually, pod, statuses


def conditions(manifest):
    return {item["type"]: item["status"] for item in manifest["status"]["conditions"]}


def test_a_pod_is_ready_when_its_probe_says_so(machine):
    script = "mkdir /www; sleep 1; echo yes > /www/ok; exec busybox httpd -f -p $(hostname -i):8080 -h /www"
    probe = {"httpGet": {"path": "/ok", "port": "web"}, "periodSeconds": 1, "failureThreshold": 1}
    app = container("app", script, readinessProbe=probe, ports=[{"containerPort": 8080, "name": "web"}])
    machine.apply(pod("probed", app))
    before = machine.pod("probed")
    assert conditions(before)["Ready"] == "False"
    status = statuses(before)["app"]
    assert (status["ready"], status["started"], list(status["state"])) == (False, True, ["running"])
    eventually(lambda: conditions(machine.pod("probed"))["Ready"] == "True", "the pod to be ready")
    edited = container("app", script, readinessProbe={**probe, "periodSeconds": 2}, ports=app["ports"])
    assert "readinessProbe.periodSeconds" in machine.apply(pod("probed", edited), "--dry-run").stdout
    machine.delete("probed")


def test_a_pod_that_does_not_live_is_restarted(machine):
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    machine.apply(pod("dead", container("app", "sleep 100000 ; true", livenessProbe=probe)))
    eventually(lambda: statuses(machine.pod("dead"))["app"]["restartCount"] >= 1, "a restart")
    machine.delete("dead")
