# SPDX-License-Identifier: Apache-2.0
"""Pods whose containers start in an order, through the command line."""

from typing import Any

from hosttools import Host
from podtools import container, eventually, pod, statuses


def init_status(host: Host, name: str) -> dict[str, Any]:
    return {item["name"]: item for item in host.pod(name)["status"]["initContainerStatuses"]}


def test_init_containers_prepare_what_the_others_use(machine):
    mount = [{"name": "data", "mountPath": "/data"}]
    manifest = pod(
        "made",
        container("app", "cat /data/page; exec sleep 100000", volumeMounts=mount),
        initContainers=[
            container("first", "echo one > /data/page", volumeMounts=mount),
            container("proxy", "exec sleep 100000", restartPolicy="Always"),
            container("second", "echo two >> /data/page; exit 0", volumeMounts=mount),
        ],
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    machine.apply(manifest, "--wait")
    eventually(
        lambda: machine.run("logs", "made", "-c", "app").stdout.split() == ["one", "two"], "what they have written"
    )
    status = machine.pod("made")["status"]
    assert status["phase"] == "Running"
    done = init_status(machine, "made")
    assert {name: item["ready"] for name, item in done.items()} == {"first": True, "proxy": True, "second": True}
    assert done["first"]["state"]["terminated"]["reason"] == "Completed"
    assert "running" in done["proxy"]["state"]
    assert done["first"]["imageID"]
    assert "unchanged" in machine.apply(manifest).stdout
    machine.delete("made")


def test_a_failed_init_container_fails_the_pod(machine):
    manifest = pod(
        "failed",
        container("app", "exec sleep 100000"),
        initContainers=[container("check", "echo no >&2; exit 7")],
        restartPolicy="Never",
    )
    machine.apply(manifest)
    eventually(lambda: machine.pod("failed")["status"]["phase"] == "Failed", "the pod to fail")
    assert init_status(machine, "failed")["check"]["state"]["terminated"]["exitCode"] == 7
    assert statuses(machine.pod("failed"))["app"]["state"] == {"waiting": {"reason": "PodInitializing"}}
    machine.delete("failed")


def test_names_are_unique_across_both_lists(machine):
    manifest = pod("twice", container("app", "true"), initContainers=[container("app", "true")])
    refused = machine.apply(manifest, check=False)
    assert "spec.initContainers[0].name: must be unique, but spec.containers[0] has it too" in refused.stderr
    assert machine.pods() == []


def test_a_deadline_fails_the_pod(machine):
    manifest = pod("late", container("app", "exec sleep 100000"), activeDeadlineSeconds=1)
    machine.apply(manifest)
    eventually(lambda: machine.pod("late")["status"].get("reason") == "DeadlineExceeded", "the deadline")
    assert machine.pod("late")["status"]["phase"] == "Failed"
    machine.delete("late")


def test_the_last_words_of_a_container(machine):
    path = "/run/words"
    init = container("init", f"echo of init > {path}; exit 0", terminationMessagePath=path)
    app = container("app", "echo of the log; exit 2", terminationMessagePolicy="FallbackToLogsOnError")
    machine.apply(pod("words", app, initContainers=[init], restartPolicy="Never"))
    eventually(lambda: machine.pod("words")["status"]["phase"] == "Failed", "its end")
    assert init_status(machine, "words")["init"]["state"]["terminated"]["message"] == "of init\n"
    assert statuses(machine.pod("words"))["app"]["state"]["terminated"]["message"] == "of the log\n"
    machine.delete("words")
