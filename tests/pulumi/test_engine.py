# SPDX-License-Identifier: Apache-2.0
"""``pulumi up``, ``preview``, ``refresh`` and ``destroy`` with the real engine and real pods."""

import json
import os
import signal
from pathlib import Path

import pytest

from hosttools import Host
from pods import IMAGE, server, web
from podtools import eventually
from stack import PROGRAM, Stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),  # the first test builds the engine where there is none
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

EXAMPLE = Path(__file__).parents[2] / "examples"


def pids(host: Host, name: str = "web") -> dict[str, int]:
    """Return the process of each container of a pod, by the container's name."""
    uid = host.pod(name)["metadata"]["uid"]
    state = json.loads((host.run_dir / "run/pods" / uid / "state.json").read_text())
    return {item["name"]: item["pid"] for item in state["containers"]}


def environment(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")


def greeting(value: str) -> dict:
    manifest = web()
    server(manifest)["env"][0]["value"] = value
    return manifest


def broken() -> dict:
    """Return the pod with a program that no container has, and no second try."""
    manifest = web()
    manifest["spec"]["restartPolicy"] = "Never"
    for container in manifest["spec"]["containers"]:
        container["command"] = ["/no/such/program"]
    return manifest


def kill_everything(host: Host) -> None:
    """End the pod's supervisor and all that it supervised, as the kernel would when it is out of memory."""
    for pid in host.processes():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not host.processes(), "the end of the killed processes")


def test_the_life_of_a_pod(stack: Stack, host: Host):
    stack.write_manifest(web())
    assert stack.up().web == ["create"]  # and it ended, though the pod's processes go on
    made, first = host.pod("web"), pids(host)
    assert stack.outputs() == {
        "uid": made["metadata"]["uid"],
        "phase": "Running",
        "pod_ip": made["status"]["podIP"],
    }

    assert stack.up().web == ["same"]
    assert pids(host) == first

    stack.write_manifest(greeting("bonjour"))
    shown = stack.preview()
    assert "1 to update" in shown
    assert "bonjour" in shown
    assert pids(host) == first, "a preview touched the host"

    assert stack.up().web == ["update"]
    second = pids(host)
    assert host.pod("web")["metadata"]["uid"] == made["metadata"]["uid"]
    assert second["client"] == first["client"]
    assert second["server"] != first["server"]
    assert "GREETING=bonjour" in environment(second["server"])

    stack.refresh("--expect-no-changes")
    assert stack.up().web == ["same"]

    assert stack.destroy().web == ["delete"]
    assert host.pods() == []
    eventually(lambda: not host.processes(), "the end of the pod's processes")


def test_a_killed_pod_is_seen_by_refresh_and_healed_by_up(stack: Stack, host: Host):
    stack.write_manifest(web())
    stack.up()
    uid = host.pod("web")["metadata"]["uid"]
    kill_everything(host)

    assert stack.refresh().web == ["update"]
    seen = stack.pods()["web"]
    assert seen["phase"] == "Unknown"
    assert seen["drift"]

    assert stack.up().web == ["update"]
    assert set(pids(host)) == {"server", "client"}
    assert host.pod("web")["metadata"]["uid"] == uid
    assert stack.pods()["web"]["phase"] == "Running"
    assert stack.up("--refresh").web[-1] == "same"


def test_a_pod_that_others_removed_is_made_again(stack: Stack, host: Host):
    stack.write_manifest(web())
    stack.up()
    host.delete("web")
    assert stack.refresh().web == ["delete"]
    assert stack.pods() == {}
    assert stack.up().web == ["create"]
    assert host.pod("web")["status"]["phase"] == "Running"


def test_what_others_edit_shows_and_is_undone(stack: Stack, host: Host):
    stack.write_manifest(web())
    stack.up()
    host.apply(greeting("ciao"))

    assert stack.refresh().web == ["update"]
    assert "ciao" in stack.pods()["web"]["manifest"]

    assert stack.up().web == ["update"]
    assert "GREETING=hello" in environment(pids(host)["server"])
    stack.refresh("--expect-no-changes")


def test_another_name_replaces_the_pod_and_the_old_one_goes_first(stack: Stack, host: Host):
    stack.write_manifest(web())
    stack.up()
    stack.write_manifest(web(name="other"))
    done = stack.up().web
    assert done.index("delete-replaced") < done.index("create-replacement")
    assert [pod["metadata"]["name"] for pod in host.pods()] == ["other"]


def test_a_resource_of_another_name_keeps_its_pod(stack: Stack, host: Host):
    """The engine creates the new resource, which adopts the pod, and then deletes the old one."""
    stack.write_manifest(web())
    stack.up()
    uid, first = host.pod("web")["metadata"]["uid"], pids(host)
    stack.write_program(PROGRAM.replace('Pod("web"', 'Pod("site"'))
    assert stack.up().operations.items() >= {"site": ["create"], "web": ["delete"]}.items()
    assert pids(host) == first
    assert "delete-replaced" in stack.up("--replace", "**site").operations["site"]
    assert pids(host) == first
    assert stack.outputs()["uid"] == uid
    stack.destroy()
    assert host.pods() == []


def test_two_resources_cannot_have_the_same_pod(stack: Stack, host: Host):
    stack.write_manifest(web())
    stack.write_program(PROGRAM + 'Pod("twin", manifest="pod.yaml")\n')
    failed = stack.up(check=False)
    assert failed.code != 0
    assert any("another resource of this program has the pod default/web already" in text for text in failed.messages)
    stack.destroy()
    assert host.pods() == []


def test_a_pod_that_is_there_already_is_adopted(stack: Stack, host: Host):
    host.apply(greeting("playbook"), "--wait")
    uid = host.pod("web")["metadata"]["uid"]
    stack.write_manifest(web())
    assert stack.up().web == ["create"]
    assert host.pod("web")["metadata"]["uid"] == uid
    assert "GREETING=hello" in environment(pids(host)["server"])


def test_a_pod_that_does_not_become_ready_fails_the_up_and_the_next_one_goes_on(stack: Stack, host: Host):
    stack.write_manifest(broken())
    failed = stack.up(check=False)
    assert failed.code != 0
    assert "container server" in failed.text
    assert "/no/such/program" in failed.text

    uid = host.pod("web")["metadata"]["uid"]
    assert stack.pods()["web"]["uid"] == uid
    assert stack.up(check=False).code != 0, "it was taken for done"

    stack.write_manifest(web())
    assert stack.up().web == ["update"]
    assert host.pod("web")["status"]["phase"] == "Running"
    assert stack.up().web == ["same"]


def test_a_pod_that_never_became_ready_is_destroyed_with_the_stack(stack: Stack, host: Host):
    stack.write_manifest(broken())
    assert stack.up(check=False).code != 0
    assert len(host.pods()) == 1
    stack.destroy()
    assert host.pods() == []


def test_a_wrong_manifest_stops_the_preview_with_one_sentence(stack: Stack, host: Host):
    manifest = web()
    server(manifest)["imagge"] = "x"
    stack.write_manifest(manifest)
    for outcome in (stack.preview(check=False), stack.up(check=False).text):
        assert "spec.containers[0].imagge: unknown field" in outcome
        assert "Traceback" not in outcome
    assert host.pods() == []


def test_a_file_that_is_missing_is_one_sentence(stack: Stack):
    outcome = stack.up(check=False)
    assert outcome.code != 0
    assert "the manifest pod.yaml cannot be read" in outcome.text
    assert "Traceback" not in outcome.text


@pytest.mark.parametrize("moment", ["names", "pods"])
def test_killed_at_once_while_it_creates_the_next_up_has_one_pod(stack: Stack, host: Host, moment: str):
    stack.write_manifest(web())
    with stack.started("up", "--yes", "--skip-preview") as process:
        folder = host.root / "lib" / moment
        eventually(lambda: folder.is_dir() and any(folder.iterdir()), f"something in {moment}")
        process.kill()
    stack.unlock()

    assert stack.up().web == ["create"]
    assert len(host.pods()) == 1
    assert set(pids(host)) == {"server", "client"}
    assert stack.up().web == ["same"]
    stack.destroy()
    assert host.pods() == []


SECRET_PROGRAM = f"""
import pulumi
from pulumi_podwright import Pod

def pod(name, **env):
    entries = [{{"name": key, "value": value}} for key, value in env.items()]
    container = {{"name": "app", "image": {IMAGE!r}, "command": ["/bin/sleep", "100000"], "env": entries}}
    spec = {{"terminationGracePeriodSeconds": 0, "containers": [container]}}
    return {{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": name}}, "spec": spec}}

first = Pod("web", pod("first", TOKEN=pulumi.Output.secret("hunter2-hunter2")))
Pod("second", pod("second", PEER=first.pod_ip))
"""


def test_secrets_stay_secret_and_outputs_of_one_pod_reach_another(stack: Stack, host: Host):
    stack.write_program(SECRET_PROGRAM)
    shown = stack.preview()
    done = stack.up()
    assert done.operations["second"] == ["create"]
    for text in (shown, done.text, stack.preview(), stack.state()):
        assert "hunter2" not in text
    assert "TOKEN=hunter2-hunter2" in environment(pids(host, "first")["app"])
    address = host.pod("first")["status"]["podIP"]
    assert f"PEER={address}" in environment(pids(host, "second")["app"])

    again = stack.up()
    assert (again.web, again.operations["second"]) == (["same"], ["same"])
    stack.refresh("--expect-no-changes")
    assert "hunter2" not in stack.state()

    stack.write_program(SECRET_PROGRAM.replace('"command"', '"comand"'))
    failed = stack.up(check=False)
    assert "spec.containers[0].comand: unknown field" in failed.text
    assert "hunter2" not in failed.text
    stack.destroy()
    assert host.pods() == []


def test_the_example_previews(stack: Stack):
    stack.write_program((EXAMPLE / "pulumi/__main__.py").read_text())
    (stack.folder.parent / "pod.yaml").write_text((EXAMPLE / "pod.yaml").read_text())
    assert "+ 2 to create" in stack.preview()


CONTAINER = """
import pulumi
from pulumi_podwright import Container

web = Container(
    "web",
    image="{image}",
    command=["/bin/sleep", "100000"],
    env=[{{"name": "TOKEN", "value": pulumi.Output.secret("s3cret")}}],
    resources={{"limits": {{"memory": "{memory}"}}}},
    termination_grace_period_seconds=0,
    state="{state}",
)
pulumi.export("phase", web.phase)
"""


def test_the_life_of_a_container(stack: Stack, host: Host):
    def program(memory: str, state: str = "present") -> str:
        return CONTAINER.format(image=IMAGE, memory=memory, state=state)

    def process() -> int:
        return next(pid for pid, name in host.processes().items() if name == "sleep")

    stack.write_program(program("64Mi"))
    assert stack.up().web == ["create"]
    pid = process()
    assert "TOKEN=s3cret" in environment(pid)
    assert "s3cret" not in stack.state()
    assert stack.up().web == ["same"]

    stack.write_program(program("96Mi"))
    shown = stack.preview()
    assert "96Mi" in shown
    assert "s3cret" not in shown
    assert stack.up().web == ["update"]
    assert process() == pid, "limits change while it runs"

    stack.write_program(program("96Mi", "stopped"))
    assert stack.up().web == ["update"]
    assert not host.processes()
    assert stack.outputs() == {"phase": "Pending"}
    stack.refresh("--expect-no-changes")
    assert stack.up().web == ["same"]

    stack.write_program(program("96Mi"))
    assert stack.up().web == ["update"]
    host.delete("web", kind="container")
    assert stack.refresh().web == ["delete"]
    assert stack.up().web == ["create"]
    assert stack.destroy().web == ["delete"]
    eventually(lambda: not host.processes(), "the end of the container's processes")
    assert host.run("get", "containers", "-o", "json").stdout.count("uid") == 0
