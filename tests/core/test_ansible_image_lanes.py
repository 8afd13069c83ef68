# SPDX-License-Identifier: Apache-2.0
"""The modules about images through their two lanes, in real plays, with a core that answers what a test wrote down."""

import os
import sys

import pytest

from ansibletools import own, play, task
from fakecore import error, install_core, ok, seen

PLAN = {
    "changed": True,
    "action": "update",
    "changes": [{"path": "digest", "before": "h", "after": "i", "effect": "pull image"}],
}
DIFF = {"before": 'digest: "h"\n', "after": 'digest: "i"\n'}
IMAGE = {"name": "a:1", "digest": "i"}
PRUNED = {"changed": True, "images": ["a:1"], "blobs": [], "layers": [], "leftovers": [], "size": 5}
AUTH = {"username": "robot", "password": "hunter2"}
ABOUT = {"version": 1, "kind": "Image"}

# name: (module, options, keywords, what the core answers, what it must have been asked, what the task must return)
CASES = {
    "pull": (
        "image",
        {"name": "a:1", "auth": AUTH},
        {"diff": True},
        ok({**PLAN, "warnings": [], "diff": DIFF, "image": IMAGE}),
        {**ABOUT, "action": "apply", "manifest": {"name": "a:1", "auth": AUTH}},
        {**PLAN, "image": IMAGE, "diff": DIFF},
    ),
    "predict": (
        "image",
        {"name": "a:1", "pull_policy": "Always"},
        {"check_mode": True},
        ok({**PLAN, "warnings": [], "diff": DIFF}),
        {**ABOUT, "action": "plan", "manifest": {"name": "a:1", "pullPolicy": "Always"}},
        {**PLAN, "image": None},
    ),
    "refused": (
        "image",
        {"name": "a:1", "state": "absent"},
        {},
        error(type="ImageError", message="image a:1 is in use", field="name", value="a:1"),
        {**ABOUT, "action": "delete", "name": "a:1", "force": False, "dry_run": False},
        {
            "failed": True,
            "msg": "image a:1 is in use",
            "error": {"type": "ImageError", "field": "name", "value": "a:1"},
        },
    ),
    "info": (
        "image_info",
        {"name": ["a:1"]},
        {"check_mode": True},
        ok([IMAGE]),
        {**ABOUT, "action": "list", "names": ["a:1"]},
        {"images": [IMAGE]},
    ),
    "prune": (
        "prune",
        {"all": True},
        {"check_mode": True, "diff": True},
        ok({**PRUNED, "diff": {"before": "a:1\n", "after": ""}}),
        {**ABOUT, "action": "prune", "all": True, "dry_run": True},
        {**PRUNED, "diff": {"before": "a:1\n", "after": ""}},
    ),
}


def lane(folder, *, fast):
    tasks = []
    for name, (module, options, keywords, answer, _request, _result) in CASES.items():
        core = folder / name
        install_core(core, answer)
        (core / "python").symlink_to(os.path.realpath(sys.executable))
        variables = {} if fast else {"vars": {"ansible_python_interpreter": f"{core}/python"}}
        executable = f"{core}/podwright" if fast else "/nonexistent/podwright"
        tasks.append(task(name, {**options, "executable": executable}, keywords | variables, module=module))
    environment = {"ANSIBLE_VERBOSITY": "4"}
    played = play(folder, tasks, environment, ansible_python_interpreter="/nonexistent/python")
    return played.text, {name: (played.results[name], seen(folder / name)) for name in CASES}


@pytest.fixture(scope="module", params=["fast lane", "module"])
def played(request, tmp_path_factory):
    return lane(tmp_path_factory.mktemp("lane"), fast=request.param == "fast lane")


@pytest.mark.parametrize("name", CASES)
def test_case(played, name):
    _text, results = played
    result, core = results[name]
    asked, expected = CASES[name][4:]
    assert core["request"] == asked
    assert own(result) == {"failed": False, "changed": False, **expected}


def test_the_password_is_nowhere_in_what_is_printed(played):
    text, _results = played
    assert "robot" in text or "executable" in text, "nothing was printed that could hold it"
    assert "hunter2" not in text
