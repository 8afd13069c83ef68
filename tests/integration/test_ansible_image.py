# SPDX-License-Identifier: Apache-2.0
"""Plays with the modules about images: what an operator sees, and what it does to the host."""

import shutil
import sys

import pytest
import yaml
from ansible_collections.podwright.runtime.plugins.modules import image as image_module
from ansible_collections.podwright.runtime.plugins.modules import image_info as image_info_module
from ansible_collections.podwright.runtime.plugins.modules import prune as prune_module

from ansibletools import CORE, NO_MODULE, own, task
from imagetools import entry, make_layout, push
from podtools import IMAGE, container, pod
from registry import Registry


@pytest.fixture(scope="module")
def registry():
    with Registry() as one:
        yield one


@pytest.fixture
def name(registry, tmp_path):
    publish(tmp_path, f"{registry.address}/app:1", "first")
    return f"{registry.address}/app:1"


def publish(folder, reference, content):
    shutil.rmtree(folder / "layout", ignore_errors=True)
    push(make_layout(folder / "layout", [[entry("content", content)]]), reference)


def image(register, keywords=None, /, **options):
    return task(register, {"executable": CORE, **options}, keywords, module="image")


def actions(play):
    return {register: result.get("action") for register, result in play.results.items()}


def test_the_life_of_an_image(machine, playing, name, tmp_path):
    always = {"name": name, "pull_policy": "Always"}
    absent = {"name": name, "state": "absent"}
    first = playing(image("made", name=name), image("again", name=name), image("always", **always))
    assert actions(first) == {"made": "create", "again": "none", "always": "none"}
    assert first.changed == 1
    assert first.results["made"]["image"] == first.results["again"]["image"]

    publish(tmp_path, name, "second")
    before = machine.snapshot()
    predicted = playing(image("moved", **always), options=("--check", "--diff"))
    assert (predicted.changed, predicted.results["moved"]["image"]) == (1, None)
    (change,) = predicted.results["moved"]["changes"]
    assert f'-digest: "{change["before"]}"\n+digest: "{change["after"]}"' in predicted.text
    assert machine.snapshot() == before
    real = playing(image("moved", **always), image("again", **always))
    assert real.results["moved"]["changes"] == [change]
    assert real.results["moved"]["image"]["digest"] == change["after"]
    assert actions(real) == {"moved": "update", "again": "none"}

    gone = playing(image("check", {"check_mode": True}, **absent), image("gone", **absent), image("again", **absent))
    assert actions(gone) == {"check": "delete", "gone": "delete", "again": "none"}
    assert gone.results["gone"]["image"] is None


def test_an_image_in_use_is_not_removed(machine, playing):
    machine.apply(pod("web", container("a", "sleep 100000")), "--wait")
    absent = {"name": IMAGE, "state": "absent"}
    played = playing(image("refused", **absent), image("check", {"check_mode": True}, **absent))
    for register in ("refused", "check"):
        assert played.results[register]["failed"]
        assert "it is used by pod default/web" in played.results[register]["msg"]
        assert played.results[register]["error"]["field"] == "name"
    assert playing(image("forced", force=True, **absent)).results["forced"]["action"] == "delete"
    assert machine.pod("web")["status"]["phase"] == "Running"


def test_the_ordinary_modules_give_the_same_results(machine, playing, name):
    module = {"vars": {"ansible_python_interpreter": sys.executable}}
    check = {"check_mode": True, "diff": True}
    cases = (("image", {"name": name}), ("image_info", {}), ("prune", {"all": True}))
    tasks = []
    for kind, options in cases:
        tasks.append(task(f"{kind}_fast", {**options, "executable": CORE}, check, module=kind))
        tasks.append(task(f"{kind}_module", {**options, "executable": "/none"}, check | module, module=kind))
    results = playing(*tasks, **NO_MODULE).results
    for kind, _options in cases:
        assert own(results[f"{kind}_fast"]) == own(results[f"{kind}_module"])
        assert not results[f"{kind}_fast"].get("failed")


def test_what_is_there_and_what_is_pruned(machine, playing, name):
    playing(image("made", name=name))
    listed = playing(
        task("all", {"executable": CORE}, module="image_info"),
        task("some", {"name": [name, "localhost/none:1"], "executable": CORE}, module="image_info"),
    ).results
    assert [one["name"] for one in listed["all"]["images"]] == sorted([IMAGE, name])
    assert [one["name"] for one in listed["some"]["images"]] == [name]

    before = machine.snapshot()
    predicted = playing(
        task("pruned", {"all": True, "executable": CORE}, module="prune"), options=("--check", "--diff")
    )
    assert predicted.results["pruned"]["images"] == sorted([IMAGE, name])
    assert f"\n-{name}\n" in predicted.text
    assert machine.snapshot() == before
    pruned, again = (task(one, {"all": True, "executable": CORE}, module="prune") for one in ("pruned", "again"))
    real = playing(pruned, again)
    assert real.changed == 1
    shown = {key: value for key, value in predicted.results["pruned"].items() if key != "diff"}
    assert {key: real.results["pruned"][key] for key in shown} == shown
    assert real.results["again"]["size"] == 0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": "A/B/C"}, "name"),
        ({"source": "/srv/app.tar"}, "source"),
        ({"platform": "amd64"}, "platform"),
        ({"destinations": ["oci:/a", "somewhere"]}, "destinations[1]"),
        ({"auth": {"auth_file": "auth.json"}}, "auth.authFile"),
    ],
)
def test_what_is_wrong_is_named(playing, options, field):
    failed = playing(image("bad", **{"name": "localhost/app:1", **options})).results["bad"]
    assert (failed["failed"], failed["error"]["field"]) == (True, field)
    assert failed["msg"].startswith(f"{field}: ")


def test_the_examples_of_the_documentation(machine, playing, registry, tmp_path):
    publish(tmp_path, f"{registry.address}/httpd:1", "x")
    text = "".join(module.EXAMPLES for module in (image_module, image_info_module, prune_module))
    text = text.replace("localhost:5000", registry.address).replace("/srv/images", str(tmp_path))
    tasks = yaml.safe_load(text)
    for number, example in enumerate(tasks):
        for kind in ("image", "image_info", "prune"):
            if f"podwright.runtime.{kind}" in example:
                options = example[f"podwright.runtime.{kind}"] = example[f"podwright.runtime.{kind}"] or {}
                options["executable"] = CORE
                options.pop("auth", None)  # this registry wants no login
        example.setdefault("register", f"task{number}")
        example["name"] = example["register"]
    results = playing(*tasks, ansible_python_interpreter=sys.executable).results
    assert not [result for result in results.values() if result.get("failed")]
    changed = [results[example["name"]]["changed"] for example in tasks]
    assert changed == [True, False, False, True, True, True, True, False, False, False, True, False]
    assert results["task2"]["msg"] == results["httpd"]["image"]["digest"]
    assert results["pruned"]["images"] == sorted([IMAGE, f"{registry.address}/httpd:1"])
