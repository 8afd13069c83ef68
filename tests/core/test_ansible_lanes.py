# SPDX-License-Identifier: Apache-2.0
"""The module pod through its two lanes, in real plays, with a core that answers what the test wrote down.

Both lanes run each case: the fast lane with a Python interpreter that does not exist, so that no module can have run;
the ordinary module because the fast lane finds no core, and the module finds it beside its own interpreter.
"""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ansibletools import own, play, task
from fakecore import error, install_core, ok, seen

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "a", "image": "i"}]},
}
CHANGE = {"path": "spec.containers[a].image", "before": "h", "after": "i", "effect": "restart container a"}
SAME = {"changed": False, "action": "none", "changes": [], "warnings": [], "diff": {"before": "x\n", "after": "x\n"}}
UPDATE = {
    "changed": True,
    "action": "update",
    "changes": [CHANGE],
    "warnings": [],
    "diff": {"before": "h\n", "after": "i\n"},
}
DELETE = {"changed": True, "action": "delete", "changes": [], "warnings": [], "diff": {"before": "x\n", "after": ""}}
RUNNING = {**POD, "status": {"phase": "Running"}}
APPLY = {"version": 1, "action": "apply", "wait": True, "timeout": 120}


def success(plan, pod=None):
    return {"changed": plan["changed"], "action": plan["action"], "changes": plan["changes"], "pod": pod}


# name: (options, keywords of the task, what the core answers, what it must have been asked, what the task must return)
CASES = {
    "create": (
        {"definition": POD},
        {},
        ok({**UPDATE, "pod": RUNNING}),
        {**APPLY, "manifest": POD},
        success(UPDATE, RUNNING),
    ),
    "again": (
        {"definition": POD},
        {},
        ok({**SAME, "pod": RUNNING}),
        {**APPLY, "manifest": POD},
        success(SAME, RUNNING),
    ),
    "diff": (
        {"definition": POD},
        {"diff": True},
        ok({**UPDATE, "pod": RUNNING}),
        {**APPLY, "manifest": POD},
        {**success(UPDATE, RUNNING), "diff": UPDATE["diff"]},
    ),
    "check": (
        {"definition": POD},
        {"check_mode": True},
        ok(UPDATE),
        {"version": 1, "action": "plan", "manifest": POD},
        success(UPDATE),
    ),
    "check-diff": (
        {"definition": POD},
        {"check_mode": True, "diff": True},
        ok(SAME),
        {"version": 1, "action": "plan", "manifest": POD},
        {**success(SAME), "diff": SAME["diff"]},
    ),
    "file": (
        {"src": "web.yaml", "wait": False},
        {},
        ok({**UPDATE, "pod": RUNNING}),
        {**APPLY, "text": "kind: Pod  # ä\n", "wait": False},
        success(UPDATE, RUNNING),
    ),
    "absent": (
        {"src": "web.yaml", "state": "absent"},
        {},
        ok({**DELETE, "pod": None}),
        {"version": 1, "action": "delete", "text": "kind: Pod  # ä\n", "dry_run": False},
        success(DELETE),
    ),
    "absent-check": (
        {"name": "web", "namespace": "shop", "state": "absent"},
        {"check_mode": True},
        ok(DELETE),
        {"version": 1, "action": "delete", "name": "web", "namespace": "shop", "dry_run": True},
        success(DELETE),
    ),
    "warning": (
        {"definition": POD},
        {},
        ok({**SAME, "warnings": ["no swap accounting"], "pod": RUNNING}),
        {**APPLY, "manifest": POD},
        success(SAME, RUNNING),
    ),
    "refused": (
        {"definition": POD},
        {},
        error(type="ManifestError", message="spec.hostPID is not supported", field="spec.hostPID", value=True),
        {**APPLY, "manifest": POD},
        {
            "failed": True,
            "msg": "spec.hostPID is not supported",
            "error": {"type": "ManifestError", "field": "spec.hostPID", "value": True},
        },
    ),
    "crashed": (
        {"definition": POD},
        {},
        {"stdout": "half an ans", "stderr": "Traceback: boom\n", "rc": 1},
        {**APPLY, "manifest": POD},
        {
            "failed": True,
            "msg": "the Podwright core ended with exit code 1 and without an answer",
            "module_stdout": "half an ans",
            "module_stderr": "Traceback: boom\n",
            "rc": 1,
        },
    ),
    "exported": (
        {"definition": POD},
        {"environment": {"GREETING": "hello, 'you'"}},
        ok(SAME),
        {**APPLY, "manifest": POD},
        success(SAME),
    ),
    "templated": (
        {
            "definition": {"metadata": {"name": "{{ 'w' ~ 'eb' }}", "labels": {"n": "{{ 1 + 1 }}"}}},
            "wait_timeout": "{{ 3 }}",
        },
        {},
        ok(SAME),
        {**APPLY, "manifest": {"metadata": {"name": "web", "labels": {"n": 2}}}, "timeout": 3},
        success(SAME),
    ),
    "date": (
        {"definition": {"metadata": {"name": "web", "annotations": {"day": dt.date(2026, 1, 2)}}}},
        {},
        ok(SAME),
        {**APPLY, "manifest": {"metadata": {"name": "web", "annotations": {"day": "2026-01-02"}}}},
        success(SAME),
    ),
}


class Lane(NamedTuple):
    """What a lane did."""

    text: str
    """What ansible-playbook printed."""
    cases: dict
    """For each case the task's result, and what the core saw."""
    folder: Path


def lane(folder, environment=None, *, fast):
    """Play all cases through one lane."""
    tasks = []
    for name, (options, keywords, answer, _request, _result) in CASES.items():
        core = folder / name
        install_core(core, answer)
        if fast:
            tasks.append(task(name, {**options, "executable": f"{core}/podwright"}, keywords))
        else:
            (core / "python").symlink_to(os.path.realpath(sys.executable))
            interpreter = {"vars": {"ansible_python_interpreter": f"{core}/python"}}
            tasks.append(task(name, {**options, "executable": "/nonexistent/podwright"}, {**keywords, **interpreter}))
    (folder / "files").mkdir()
    (folder / "files" / "web.yaml").write_text("kind: Pod  # ä\n")
    text, results = play(folder, tasks, environment, ansible_python_interpreter="/nonexistent/python")
    return Lane(text, {name: (results[name], seen(folder / name)) for name in CASES}, folder)


@pytest.fixture(scope="module")
def fast_lane(tmp_path_factory):
    return lane(tmp_path_factory.mktemp("fast"), fast=True)


@pytest.fixture(scope="module")
def request_in_a_file(tmp_path_factory):
    """The fast lane without standard input, as some ways of becoming another user need it."""
    return lane(tmp_path_factory.mktemp("file"), {"ANSIBLE_KEEP_REMOTE_FILES": "1"}, fast=True)


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return lane(tmp_path_factory.mktemp("module"), fast=False)


LANES = ("fast_lane", "request_in_a_file", "module")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lane", LANES)
def test_case(request, lane, name):
    _options, keywords, _answer, asked, expected = CASES[name]
    result, core = request.getfixturevalue(lane).cases[name]
    assert core["argv"] == ["api"]
    assert core["request"] == asked
    assert core["greeting"] == keywords.get("environment", {}).get("GREETING")
    assert own(result) == {"failed": False, "changed": False, **expected}


@pytest.mark.parametrize("lane", LANES)
def test_a_warning_is_printed_and_returned(request, lane):
    played = request.getfixturevalue(lane)
    assert "[WARNING]: no swap accounting" in played.text
    assert played.cases["warning"][0]["warnings"] == ["no swap accounting"]


@pytest.mark.parametrize("lane", LANES)
def test_the_diff_is_printed(request, lane):
    assert "\n-h\n+i\n" in request.getfixturevalue(lane).text


@pytest.mark.parametrize("lane", ["fast_lane", "module"])
def test_nothing_is_left_on_the_host(request, lane):
    remote = request.getfixturevalue(lane).folder / "remote"
    assert not remote.exists() or not list(remote.iterdir())


@pytest.mark.parametrize(("lane", "mode"), [("fast_lane", None), ("request_in_a_file", "0o700"), ("module", None)])
def test_only_the_user_can_read_the_request(request, lane, mode):
    assert {core["mode"] for _result, core in request.getfixturevalue(lane).cases.values()} == {mode}


def test_without_a_core_one_sentence_says_what_to_do(tmp_path):
    tasks = [
        task("path", {"definition": POD, "executable": f"{tmp_path}/podwright"}),
        task("word", {"definition": POD, "executable": "pw"}),
        task("folder", {"definition": POD, "executable": str(tmp_path)}),
    ]
    (tmp_path / "python").symlink_to(os.path.realpath(sys.executable))
    results = play(tmp_path, tasks, ansible_python_interpreter=f"{tmp_path}/python").results
    for name, wanted in (("path", f"{tmp_path}/podwright"), ("word", "pw"), ("folder", tmp_path)):
        result = results[name]
        assert result["failed"]
        assert result["msg"] == (
            f"the Podwright core is not on this host (no {wanted}): install it with the role podwright.runtime.host, "
            "or name its command with the option executable"
        )


def test_an_option_of_no_sense_is_one_sentence(tmp_path):
    """Also in check mode, where nobody waits: the real run would fail."""
    install_core(tmp_path / "core", ok(SAME))
    options = {"definition": POD, "executable": f"{tmp_path}/core/podwright", "wait_timeout": -1}
    tasks = [task("fast", options, {"check_mode": True}), task("module", options, {"async": 30, "poll": 1})]
    host = {"ansible_python_interpreter": sys.executable, "ansible_async_dir": f"{tmp_path}/jobs"}
    results = play(tmp_path, tasks, **host).results
    for result in results.values():
        assert result["failed"]
        assert result["msg"] == "wait_timeout is -1, but must be a number of seconds above 0"
    assert seen(tmp_path / "core") is None


def test_a_core_on_the_path(tmp_path):
    install_core(tmp_path / "bin", ok(SAME))
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    tasks = [task("here", {"definition": POD, "executable": "podwright"}, {"environment": environment})]
    results = play(tmp_path, tasks, ansible_python_interpreter="/nonexistent/python").results
    assert own(results["here"]) == {"failed": False, **success(SAME)}


def test_in_the_background(tmp_path):
    install_core(tmp_path / "core", ok({**UPDATE, "pod": RUNNING}))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "web.yaml").write_text("kind: Pod\n")
    options = {"src": "web.yaml", "executable": f"{tmp_path}/core/podwright"}
    tasks = [task("later", options, {"async": 60, "poll": 1})]
    host = {"ansible_python_interpreter": sys.executable, "ansible_async_dir": f"{tmp_path}/jobs"}
    results = play(tmp_path, tasks, **host).results
    assert results["later"]["pod"] == RUNNING
    assert seen(tmp_path / "core")["request"] == {**APPLY, "text": "kind: Pod\n"}


def test_a_file_of_the_managed_host(tmp_path):
    install_core(tmp_path / "core", ok(SAME))
    (tmp_path / "web.yaml").write_text("kind: Pod  # ö\n")
    (tmp_path / "latin.yaml").write_bytes("kind: Pod  # ö\n".encode("latin-1"))
    core = f"{tmp_path}/core/podwright"
    tasks = [
        task("there", {"src": f"{tmp_path}/web.yaml", "remote_src": True, "executable": core}),
        task("missing", {"src": f"{tmp_path}/none.yaml", "remote_src": True, "executable": core}),
        task("nowhere", {"src": "none.yaml", "executable": core}),
        task("latin", {"src": "latin.yaml", "executable": core}),
        task("latin-there", {"src": f"{tmp_path}/latin.yaml", "remote_src": True, "executable": core}),
    ]
    results = play(tmp_path, tasks, ansible_python_interpreter=sys.executable).results
    assert own(results["there"]) == {"failed": False, **success(SAME)}
    assert seen(tmp_path / "core")["request"] == {**APPLY, "text": "kind: Pod  # ö\n"}
    assert results["missing"]["msg"] == f"cannot read the manifest {tmp_path}/none.yaml: No such file or directory"
    for name in ("latin", "latin-there"):
        assert results[name]["msg"] == f"cannot read the manifest {tmp_path}/latin.yaml: it is not UTF-8"
    assert results["nowhere"]["failed"]


@pytest.mark.parametrize("fast", [True, False])
def test_a_vault_is_opened_on_the_control_machine(tmp_path, fast):
    install_core(tmp_path / "core", ok(SAME))
    (tmp_path / "core" / "python").symlink_to(os.path.realpath(sys.executable))
    (tmp_path / "password").write_text("open\n")
    (tmp_path / "web.yaml").write_text("kind: Pod\n")
    vault = [
        os.path.join(os.path.dirname(sys.executable), "ansible-vault"),
        "encrypt",
        "--vault-password-file",
        "password",
    ]
    encrypted = subprocess.run(
        [*vault, "web.yaml"], cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True
    )
    assert encrypted.returncode == 0, encrypted.stderr
    assert (tmp_path / "web.yaml").read_text().startswith("$ANSIBLE_VAULT")
    options = {"src": "web.yaml", "executable": f"{tmp_path}/core/podwright" if fast else "/nonexistent/podwright"}
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": f"{tmp_path}/password"}
    interpreter = f"{tmp_path}/core/python"
    results = play(tmp_path, [task("secret", options)], environment, ansible_python_interpreter=interpreter).results
    assert own(results["secret"]) == {"failed": False, **success(SAME)}
    assert seen(tmp_path / "core")["request"] == {**APPLY, "text": "kind: Pod\n"}


def test_no_log_hides_the_result(tmp_path):
    secret = {**RUNNING, "spec": {"containers": [{"name": "a", "env": [{"name": "TOKEN", "value": "hunter2"}]}]}}
    install_core(tmp_path / "core", ok({**UPDATE, "pod": secret, "diff": {"before": "", "after": "hunter2\n"}}))
    options = {"definition": secret, "executable": f"{tmp_path}/core/podwright"}
    environment = {"ANSIBLE_VERBOSITY": "3"}
    text, results = play(
        tmp_path,
        [task("hidden", options, {"no_log": True, "diff": True})],
        environment,
        ansible_python_interpreter="/nonexistent/python",
    )
    assert results["hidden"]["pod"] == secret
    assert "hunter2" not in text


def test_no_log_hides_what_an_error_quotes(tmp_path):
    """Ansible prints the message of a task that failed also when the task has no_log."""
    answer = error(type="ManifestError", message="env.value: got 'hunter2'", field="env.value", value="hunter2")
    install_core(tmp_path / "core", answer)
    (tmp_path / "core" / "python").symlink_to(os.path.realpath(sys.executable))
    tasks = [
        task("fast", {"definition": POD, "executable": f"{tmp_path}/core/podwright"}, {"no_log": True}),
        task("module", {"definition": POD, "executable": "/nonexistent/podwright"}, {"no_log": True}),
    ]
    text, results = play(tmp_path, tasks, ansible_python_interpreter=f"{tmp_path}/core/python")
    assert own(results["fast"]) == own(results["module"])
    assert results["fast"]["msg"] == "env.value is wrong; how is hidden, as the task has no_log"
    assert "hunter2" not in text


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_a_large_definition(tmp_path, size):
    """Ansible's own way to start a module under another interpreter hangs on arguments that do not fit into a pipe."""
    install_core(tmp_path / "core", ok(SAME))
    (tmp_path / "core" / "python").symlink_to(os.path.realpath(sys.executable))
    large = {**POD, "metadata": {"name": "web", "annotations": {"text": "x" * size}}}
    tasks = [
        task("fast", {"definition": large, "executable": f"{tmp_path}/core/podwright"}),
        task("module", {"definition": large, "executable": "/nonexistent/podwright"}),
    ]
    results = play(tmp_path, tasks, ansible_python_interpreter=f"{tmp_path}/core/python").results
    assert own(results["fast"]) == own(results["module"]) == {"failed": False, **success(SAME)}
    assert seen(tmp_path / "core")["request"] == {**APPLY, "manifest": large}
