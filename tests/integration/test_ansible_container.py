# SPDX-License-Identifier: Apache-2.0
"""Plays with the module container: what an operator sees, and what it does to the host."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.podwright.runtime.plugins.modules import container as container_module

from ansibletools import CORE, NO_MODULE, own, task
from podtools import IMAGE, eventually


def web(name, keywords=None, /, **options):
    given = {"name": "web", "image": IMAGE, "command": ["/bin/sleep", 100000], "executable": CORE}
    return task(name, given | {"termination_grace_period_seconds": 0} | options, keywords, module="container")


def only(name, /, **options):
    return task(name, {"name": "web", "executable": CORE, **options}, module="container")


def process(machine):
    return next(pid for pid, name in machine.processes().items() if name == "sleep")


def test_the_life_of_a_container(machine, playing):
    less = {"limits": {"memory": "32Mi"}}  # not none, whose addition is another class of service
    first = playing(web("made", resources=less), web("again", resources=less))
    assert [first.results[name]["action"] for name in ("made", "again")] == ["create", "none"]
    assert (first.changed, first.results["again"]["container"]["status"]["phase"]) == (1, "Running")

    pid = process(machine)
    limits = {"limits": {"memory": "64Mi"}}
    predicted = playing(web("limits", resources=limits), options=("--check", "--diff"))
    assert predicted.changed == 1
    assert '-resources.limits[memory]: "32Mi"' in predicted.text
    assert '+resources.limits[memory]: "64Mi"' in predicted.text
    real = playing(web("limits", resources=limits))
    assert real.results["limits"]["changes"] == predicted.results["limits"]["changes"]
    assert {change["effect"] for change in real.results["limits"]["changes"]} == {"in-place"}
    assert process(machine) == pid

    stops = playing(only("stopped", state="stopped"), only("again", state="stopped"))
    assert [stops.results[name]["action"] for name in ("stopped", "again")] == ["stop", "none"]
    assert stops.results["again"]["container"]["resources"]["limits"] == limits["limits"]
    eventually(lambda: not machine.processes(), "the end of every process")
    assert playing(web("started", resources=limits)).results["started"]["action"] == "start"

    gone = playing(only("gone", state="absent"), only("again", state="absent"))
    assert [gone.results[name]["action"] for name in ("gone", "again")] == ["delete", "none"]
    assert gone.results["gone"]["container"] is None
    eventually(lambda: not machine.processes(), "the end of every process")


def test_check_mode_changes_nothing(machine, playing):
    before = machine.snapshot()
    assert playing(web("made"), options=("--check",)).results["made"]["action"] == "create"
    assert machine.snapshot() == before
    playing(web("made"))
    running = machine.snapshot()
    results = playing(
        only("stop", state="stopped"), only("gone", state="absent"), options=("--check", "--diff")
    ).results
    assert [results[name]["action"] for name in ("stop", "gone")] == ["stop", "delete"]
    assert machine.snapshot() == running


def test_kubernetes_spelling_is_an_alias(playing):
    playing(web("made", image_pull_policy="Never", security_context={"runAsUser": 7}))
    same = playing(web("same", imagePullPolicy="Never", securityContext={"runAsUser": 7}))
    assert same.results["same"]["action"] == "none"


def test_the_ordinary_module_gives_the_same_result(playing):
    playing(web("made"))
    keywords = {"check_mode": True, "diff": True}
    both = playing(
        web("fast", keywords, args=["more"]),
        web(
            "module",
            keywords | {"vars": {"ansible_python_interpreter": sys.executable}},
            args=["more"],
            executable="/none",
        ),
        **NO_MODULE,
    ).results
    assert own(both["fast"]) == own(both["module"])
    assert both["fast"]["changed"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"env": [{"name": "A", "value": 1}]}, "env[0].value"),
        ({"security_context": {"runAsUsr": 1}}, "securityContext.runAsUsr"),
        ({"volume_mounts": [{"name": "none", "mountPath": "/x"}]}, "volumeMounts[0].name"),
        ({"name": "Web_1"}, "name"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(machine, playing, options, field):
    before = machine.snapshot()
    failed = playing(web("bad", **options)).results["bad"]
    assert (failed["failed"], failed["error"]["field"]) == (True, field)
    assert failed["msg"].startswith(f"{field}: ")
    assert machine.snapshot() == before


def test_an_image_and_a_rootfs_exclude_each_other(playing):
    failed = playing(web("both", rootfs="/srv"), only("neither")).results
    assert "mutually exclusive: image|rootfs" in failed["both"]["msg"]
    assert "any of the following are missing: image, rootfs" in failed["neither"]["msg"]


def test_the_examples_of_the_documentation(machine, playing, layout, tmp_path):
    machine.run("import", layout, "localhost:5000/httpd:1")
    playing(web("made"))
    rootfs = tmp_path / "rootfs"
    shutil.copytree(f"/proc/{process(machine)}/root/bin", rootfs / "bin", symlinks=True)
    playing(only("gone", state="absent"))
    tasks = yaml.safe_load(container_module.EXAMPLES)
    for number, example in enumerate(tasks):
        options = example.get("podwright.runtime.container")
        if options:
            options["executable"] = CORE
            if "rootfs" in options:
                options["rootfs"] = str(rootfs)
            for volume in options.get("volumes", ()):
                if "hostPath" in volume:
                    volume["hostPath"]["path"] = f"{tmp_path}/www"
        example.setdefault("register", f"task{number}")
        example["name"] = example["register"]
    results = playing(*tasks, ansible_python_interpreter=sys.executable).results
    assert [results[example["name"]]["changed"] for example in tasks] == [True, False, True, True, True]
    assert results["task1"]["msg"] == results["web"]["container"]["status"]["podIP"]
    assert results["task2"]["container"]["status"]["phase"] in ("Running", "Succeeded")  # as far as it came
    assert Path(tmp_path, "www").is_dir()
