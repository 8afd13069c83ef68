# SPDX-License-Identifier: Apache-2.0
"""One table of edits: the command line, Ansible and Pulumi name the same fields and the same action for each."""

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ansibletools import BIN, play, task
from imagetools import make_busybox_image
from podtools import IMAGE, container, pod
from pulumi_podwright.provider import PodProvider

Manifest = dict[str, Any]


class Edit(NamedTuple):
    """What is changed of the manifest, the paths that must be named, and what must be done about it."""

    name: str
    change: Callable[[Manifest], object]
    fields: set[str]
    action: str


def base() -> Manifest:
    env = [{"name": "GREETING", "value": "hello"}, {"name": "KEEP", "value": "same"}]
    limits = {"cpu": "500m", "memory": "64Mi"}
    server = container(
        "server",
        "exec sleep 100000",
        env=env,
        ports=[{"containerPort": 8080}],
        resources={"limits": dict(limits), "requests": dict(limits)},
    )
    manifest = pod("web", server, container("client", "exec sleep 100000"))
    manifest["metadata"]["labels"] = {"app": "web"}
    return manifest


def server(manifest: Manifest) -> Manifest:
    return manifest["spec"]["containers"][0]


S = "spec.containers[server]"
EDITS = [
    Edit("nothing", lambda m: None, set(), "none"),
    Edit(
        "other words", lambda m: server(m)["resources"]["limits"].update(cpu=0.5, memory=64 << 20), set(), "none"
    ),
    Edit("env value", lambda m: server(m)["env"][0].update(value="bye"), {f"{S}.env[GREETING].value"}, "update"),
    Edit("env added", lambda m: server(m)["env"].append({"name": "N", "value": "1"}), {f"{S}.env[N].value"}, "update"),
    Edit("env removed", lambda m: server(m)["env"].pop(1), {f"{S}.env[KEEP].value"}, "update"),
    Edit("case only", lambda m: server(m)["env"][0].update(value="Hello"), {f"{S}.env[GREETING].value"}, "update"),
    Edit("image", lambda m: server(m).update(image="localhost/busybox:2"), {f"{S}.image"}, "update"),
    Edit("command", lambda m: server(m)["command"].append("x"), {f"{S}.command"}, "update"),
    Edit("label", lambda m: m["metadata"]["labels"].update(app="shop"), {"metadata.labels[app]"}, "update"),
    Edit(
        "memory",
        lambda m: [server(m)["resources"][kind].update(memory="96Mi") for kind in ("limits", "requests")],
        {f"{S}.resources.limits[memory]", f"{S}.resources.requests[memory]"},
        "update",
    ),
    Edit(
        "port",
        lambda m: server(m)["ports"][0].update(name="web"),
        {f"{S}.ports[8080/TCP]"},
        "update",
    ),
    Edit("policy", lambda m: m["spec"].update(restartPolicy="Never"), {"spec.restartPolicy"}, "recreate"),
    Edit("grace", lambda m: m["spec"].update(terminationGracePeriodSeconds=7),
         {"spec.terminationGracePeriodSeconds"}, "recreate"),
    Edit("hostname", lambda m: m["spec"].update(hostname="other"), {"spec.hostname"}, "recreate"),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(module_host, tmp_path_factory):
    """Ansible's answers in check and diff mode to every edit of a pod that runs, by the edit's name."""
    folder = tmp_path_factory.mktemp("parity")
    make_busybox_image(folder / "layout")
    module_host.run("import", folder / "layout", IMAGE)
    module_host.apply(base(), "--wait")
    before = module_host.pod("web")
    tasks = [
        task(f"edit_{index}", {"definition": edited(edit), "executable": str(BIN / "podwright")})
        for index, edit in enumerate(EDITS)
    ]
    played = play(folder, tasks, {"PODWRIGHT_CONFIG": str(module_host.config_path)}, ("--check", "--diff"))
    assert module_host.pod("web")["status"] == before["status"], "a play in check mode changed something"
    yield {edit.name: played.results[f"edit_{index}"] for index, edit in enumerate(EDITS)}
    module_host.delete("web")


def edited(edit: Edit) -> Manifest:
    manifest = copy.deepcopy(base())
    edit.change(manifest)
    return manifest


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_all_front_ends_agree(edit, answers, module_host):
    ansible = answers[edit.name]
    assert ansible["changed"] == (edit.action != "none")
    assert ansible["action"] == edit.action
    assert {change["path"] for change in ansible["changes"]} == edit.fields
    assert shown(ansible["diff"]) == edit.fields, "Ansible's diff shows other fields than its changes"

    provider = PodProvider()
    old = provider.check({}, {"manifest": floats(base())}).inputs
    new = provider.check({}, {"manifest": floats(edited(edit))}).inputs
    difference = provider.diff("default/web", old, new)
    assert set(provider.changed_fields(old, new)) == edit.fields
    assert difference.changes == (edit.action != "none")
    assert not difference.replaces, "only another name is another resource"

    dry = module_host.apply(edited(edit), "--dry-run").stdout.splitlines()
    assert {line.split(": ")[0].strip() for line in dry[1:]} == edit.fields


def test_another_name_is_another_resource():
    provider = PodProvider()
    other = base()
    other["metadata"]["name"] = "shop"
    old, new = (provider.check({}, {"manifest": item}).inputs for item in (base(), other))
    difference = provider.diff("default/web", old, new)
    assert (difference.replaces, difference.delete_before_replace) == (["manifest"], True)


def shown(diff: dict[str, str]) -> set[str]:
    """Return the paths in an Ansible diff, of either side."""
    lines = (diff["before"] + diff["after"]).splitlines()
    return {line.split(": ")[0] for line in lines}


def floats(value: Any) -> Any:
    """Return a manifest as the Pulumi engine delivers it: every number a float."""
    return json.loads(json.dumps(value), parse_int=float)
