# SPDX-License-Identifier: Apache-2.0
"""One table of edits of a container alone: Ansible and Pulumi name the same fields and the same action for each."""

import json
from typing import Any

import pytest
from ansible_collections.podwright.runtime.plugins.module_utils import _container, _core

from ansibletools import BIN, play, task
from containertools import EDITS, Container, base, edited
from imagetools import make_busybox_image
from podtools import IMAGE
from pulumi_podwright.provider import ContainerProvider


def options(container: Container) -> dict[str, Any]:
    """Return a container as the options of the module, in Ansible's spelling."""
    spelling = {_core.kubernetes_name(option): option for option in ("name", "state", *_container.FIELDS)}
    return {spelling[name]: value for name, value in container.items()} | {"executable": str(BIN / "podwright")}


@pytest.fixture(scope="module")
def answers(module_host, tmp_path_factory):
    """Ansible's answers in check and diff mode to every edit of a container that runs, by the edit's name."""
    folder = tmp_path_factory.mktemp("parity")
    make_busybox_image(folder / "layout")
    module_host.run("import", folder / "layout", IMAGE)
    environment = {"PODWRIGHT_CONFIG": str(module_host.config_path)}
    made = play(folder, [task("made", options(base()), module="container")], environment).results["made"]
    tasks = [task(f"edit_{index}", options(edited(edit)), module="container") for index, edit in enumerate(EDITS)]
    played = play(folder, tasks, environment, ("--check", "--diff"))
    after = module_host.container("web", "shop")
    assert after["status"] == made["container"]["status"], "a play in check mode changed something"
    yield {edit.name: played.results[f"edit_{index}"] for index, edit in enumerate(EDITS)}
    module_host.delete("web", "shop", kind="container")


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_both_front_ends_agree(edit, answers):
    ansible = answers[edit.name]
    assert (ansible["changed"], ansible["action"]) == (edit.action != "none", edit.action)
    assert {change["path"] for change in ansible["changes"]} == edit.fields
    lines = (ansible["diff"]["before"] + ansible["diff"]["after"]).splitlines()
    assert {line.split(": ")[0] for line in lines} == edit.fields, "Ansible's diff shows other fields than its changes"

    provider = ContainerProvider()
    old, new = (provider.check({}, floats(container)).inputs for container in (base(), edited(edit)))
    difference = provider.diff("shop/web", old, new)
    assert set(provider.changed_fields(old, new)) == edit.fields
    assert difference.changes == (edit.action != "none")
    assert not difference.replaces, "only another name is another resource"


@pytest.mark.parametrize("field", ["name", "namespace"])
def test_another_name_is_another_resource(field):
    provider = ContainerProvider()
    old, new = (provider.check({}, container).inputs for container in (base(), base() | {field: "other"}))
    difference = provider.diff("shop/web", old, new)
    assert (difference.replaces, difference.delete_before_replace) == ([field], True)


def floats(value: Any) -> Any:
    """Return a container as the Pulumi engine delivers it: every number a float."""
    return json.loads(json.dumps(value), parse_int=float)
