# SPDX-License-Identifier: Apache-2.0
"""Hooks, and the state that they read."""

import json

from ocispecs import changed, compiled, compiled_with, steps_of
from podwright.oci.default_spec import default_spec

HOOKS = {
    "prestart": [{"path": "/bin/a", "args": ["a", "-x"], "env": ["A=b"], "timeout": 5}],
    "startContainer": [{"path": "/bin/b"}],
    "poststop": [{"path": "/bin/c"}],
}


def test_hooks_of_the_plan():
    plan = compiled_with("hooks", HOOKS)
    assert plan["hooks"] == {
        "prestart": [{"path": "/bin/a", "args": ["a", "-x"], "env": ["A=b"], "timeout": 5}],
        "createRuntime": [],
        "createContainer": [],
        "startContainer": [{"path": "/bin/b", "args": ["/bin/b"], "env": [], "timeout": 0}],
    }
    kinds = [kind for kind, *_ in plan["steps"]]
    assert kinds[kinds.index("hooks") + 1] == "pivot_root"


def test_the_state():
    spec = changed(default_spec(), "annotations", {"org.example/ü": 'a"b'})
    plan = compiled(changed(spec, "hooks", HOOKS))
    assert json.loads(plan["state"] + ',"status":"created","pid":7}') == {
        "ociVersion": "1.3.0",
        "id": "c1",
        "bundle": "/bundle",
        "annotations": {"org.example/ü": 'a"b'},
        "status": "created",
        "pid": 7,
    }


def test_only_hooks_before_the_pivot_make_a_step():
    spec = changed(default_spec(), "hooks", {"startContainer": [{"path": "/bin/b"}]})
    plan = compiled(changed(spec, "process.terminal", False))
    assert not steps_of(plan, "hooks")
    assert plan["state"]


def test_a_terminal_is_opened_where_those_hooks_run():
    plan = compiled(changed(changed(default_spec(), "hooks", {}), "process.terminal", True))
    assert steps_of(plan, "hooks")


def test_hooks_of_the_end_are_not_in_the_plan():
    plan = compiled_with("hooks", {"poststart": [{"path": "/bin/b"}], "createContainer": []})
    assert "poststart" not in plan["hooks"]
    assert not any(plan["hooks"].values())
