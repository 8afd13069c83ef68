# SPDX-License-Identifier: Apache-2.0
"""The pure half of the Ansible module: options to a request, an answer to a result."""

import json

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.podwright.runtime.plugins.module_utils import _answer, _container, _core, _image, _pod

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
PLAN = {
    "changed": True,
    "action": "update",
    "changes": [{"path": "spec"}],
    "warnings": ["old tag"],
    "diff": {"before": "a", "after": "b"},
}


@pytest.mark.parametrize(
    ("options", "text", "check", "expected"),
    [
        ({"definition": POD}, None, False, {"action": "apply", "manifest": POD, "wait": True, "timeout": 120}),
        (
            {"definition": POD, "wait": False},
            None,
            False,
            {"action": "apply", "manifest": POD, "wait": False, "timeout": 120},
        ),
        (
            {"src": "p.yaml", "wait_timeout": 5},
            "kind: Pod",
            False,
            {"action": "apply", "text": "kind: Pod", "wait": True, "timeout": 5},
        ),
        ({"definition": POD}, None, True, {"action": "plan", "manifest": POD}),
        ({"src": "p.yaml"}, "", True, {"action": "plan", "text": ""}),
        ({"definition": POD, "state": "absent"}, None, False, {"action": "delete", "manifest": POD, "dry_run": False}),
        (
            {"src": "p.yaml", "state": "absent"},
            "kind: Pod",
            True,
            {"action": "delete", "text": "kind: Pod", "dry_run": True},
        ),
        (
            {"name": "web", "state": "absent"},
            None,
            False,
            {"action": "delete", "name": "web", "namespace": "default", "dry_run": False},
        ),
        (
            {"name": "web", "namespace": "shop", "state": "absent"},
            None,
            True,
            {"action": "delete", "name": "web", "namespace": "shop", "dry_run": True},
        ),
    ],
)
def test_request(options, text, check, expected):
    params = ArgumentSpecValidator(**_pod.ARGUMENTS).validate(options).validated_parameters
    assert _pod.request(params, text, check_mode=check) == {"version": 1, **expected}


CONTAINER = {"kind": "Container", "version": 1}


@pytest.mark.parametrize(
    ("options", "check", "expected"),
    [
        (
            {"name": "web", "image": "a", "command": ["x", 1], "image_pull_policy": "Never", "volume_mounts": []},
            False,
            {
                "action": "apply",
                "manifest": {
                    "name": "web",
                    "state": "present",
                    "image": "a",
                    "command": ["x", "1"],
                    "imagePullPolicy": "Never",
                    "volumeMounts": [],
                },
                "wait": True,
                "timeout": 120,
            },
        ),
        (
            {"name": "web", "rootfs": "/srv", "securityContext": {"runAsUser": 1}, "namespace": "shop"},
            True,
            {
                "action": "plan",
                "manifest": {
                    "name": "web",
                    "state": "present",
                    "rootfs": "/srv",
                    "securityContext": {"runAsUser": 1},
                    "namespace": "shop",
                },
            },
        ),
        (
            {"name": "web", "state": "stopped"},
            True,
            {"action": "plan", "manifest": {"name": "web", "state": "stopped"}},
        ),
        (
            {"name": "web", "image": "a", "state": "absent"},
            False,
            {"action": "delete", "name": "web", "namespace": "default", "dry_run": False},
        ),
    ],
)
def test_request_about_a_container(options, check, expected):
    validated = ArgumentSpecValidator(**_container.ARGUMENTS).validate(options)
    assert validated.error_messages == []
    assert _container.request(validated.validated_parameters, check_mode=check) == {**CONTAINER, **expected}


def test_the_options_are_the_fields_of_a_container():
    from podwright.manifest import check

    fields = {_core.kubernetes_name(option) for option in _container.FIELDS}
    assert fields | {"kind", "name", "state"} == set(check.node_of("LoneContainer")["properties"])


IMAGE = {"kind": "Image", "version": 1}


@pytest.mark.parametrize(
    ("options", "check", "expected"),
    [
        ({"name": "a:1"}, False, {"action": "apply", "manifest": {"name": "a:1"}}),
        (
            {
                "name": "a:1",
                "source": "oci:/srv",
                "pullPolicy": "Always",
                "platform": "linux/arm64",
                "auth": {"username": "robot", "password": "hunter2"},
                "destinations": ["docker://b:1"],
            },
            True,
            {
                "action": "plan",
                "manifest": {
                    "name": "a:1",
                    "source": "oci:/srv",
                    "pullPolicy": "Always",
                    "platform": "linux/arm64",
                    "auth": {"username": "robot", "password": "hunter2"},
                    "destinations": ["docker://b:1"],
                },
            },
        ),
        (
            {"name": "a:1", "auth": {"auth_file": "/etc/auth.json"}},
            False,
            {"action": "apply", "manifest": {"name": "a:1", "auth": {"authFile": "/etc/auth.json"}}},
        ),
        (
            {"name": "a:1", "source": "oci:/srv", "state": "absent"},
            True,
            {"action": "delete", "name": "a:1", "force": False, "dry_run": True},
        ),
        (
            {"name": "a:1", "force": True, "state": "absent"},
            False,
            {"action": "delete", "name": "a:1", "force": True, "dry_run": False},
        ),
    ],
)
def test_request_about_an_image(options, check, expected):
    validated = ArgumentSpecValidator(**_image.ARGUMENTS).validate(options)
    assert validated.error_messages == []
    assert _image.request(validated.validated_parameters, check_mode=check) == {**IMAGE, **expected}


def test_requests_about_all_images():
    params = ArgumentSpecValidator(**_image.INFO_ARGUMENTS).validate({}).validated_parameters
    assert _image.info_request(params) == {**IMAGE, "action": "list"}
    params = ArgumentSpecValidator(**_image.INFO_ARGUMENTS).validate({"names": "a"}).validated_parameters
    assert _image.info_request(params) == {**IMAGE, "action": "list", "names": ["a"]}
    params = ArgumentSpecValidator(**_image.PRUNE_ARGUMENTS).validate({"all": True}).validated_parameters
    expected = {**IMAGE, "action": "prune", "all": True}
    assert _image.prune_request(params, check_mode=True) == {**expected, "dry_run": True}


def test_the_options_are_the_fields_of_an_image():
    from podwright.manifest.image import FIELDS

    options = set(_image.ARGUMENTS["argument_spec"]) - {"force", "state", "executable"}
    assert {_core.kubernetes_name(option) for option in options} == set(FIELDS)


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"username": "robot"}, "parameters are required together: username, password found in auth"),
        ({}, "one of the following is required: username, auth_file found in auth"),
        (
            {"username": "a", "password": "b", "auth_file": "/c"},
            "parameters are mutually exclusive: auth_file|username",
        ),
    ],
)
def test_an_auth_of_no_sense(auth, message):
    errors = ArgumentSpecValidator(**_image.ARGUMENTS).validate({"name": "a:1", "auth": auth}).error_messages
    assert any(message in error for error in errors), errors


def test_a_password_is_known_as_one():
    options = {"name": "a:1", "auth": {"username": "robot", "password": "hunter2"}}
    assert ArgumentSpecValidator(**_image.ARGUMENTS).validate(options)._no_log_values == {"hunter2"}


def test_an_empty_name_makes_no_sense():
    params = ArgumentSpecValidator(**_image.ARGUMENTS).validate({"name": ""}).validated_parameters
    with pytest.raises(_core.OptionError, match=r"^name is empty, but must be the name of an image$"):
        _image.request(params, check_mode=False)


def test_an_empty_name_of_a_container_makes_no_sense():
    params = (
        ArgumentSpecValidator(**_container.ARGUMENTS).validate({"name": "", "state": "absent"}).validated_parameters
    )
    with pytest.raises(_core.OptionError, match=r"^name is empty, but must be the name of a container$"):
        _container.request(params, check_mode=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"definition": POD, "wait_timeout": 0}, "wait_timeout is 0, but must be a number of seconds above 0"),
        ({"definition": POD, "wait_timeout": -5}, "wait_timeout is -5, but must be a number of seconds above 0"),
        ({"name": "", "state": "absent"}, "name is empty, but must be the name of a pod"),
    ],
)
def test_values_that_make_no_sense(options, message):
    params = ArgumentSpecValidator(**_pod.ARGUMENTS).validate(options).validated_parameters
    with pytest.raises(_core.OptionError) as raised:
        _pod.request(params, None, check_mode=True)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the following is required: definition, src, name"),
        ({"definition": POD, "src": "p.yaml"}, "parameters are mutually exclusive: definition|src|name"),
        ({"definition": POD, "name": "web"}, "parameters are mutually exclusive: definition|src|name"),
        ({"name": "web"}, "state is present but any of the following are missing: definition, src"),
        ({"definition": POD, "namespace": "shop"}, "missing parameter(s) required by 'namespace': name"),
        ({"definition": POD, "state": "started"}, "value of state must be one of: absent, present, got: started"),
        ({"definition": POD, "wait_timeout": "soon"}, "wait_timeout"),
        ({"definition": POD, "image": "x"}, "image"),
    ],
)
def test_bad_options(options, message):
    errors = ArgumentSpecValidator(**_pod.ARGUMENTS).validate(options).error_messages
    assert any(message in error for error in errors), errors


def test_result():
    answer = json.dumps({"status": "ok", "result": {**PLAN, "pod": POD}})
    expected = {"changed": True, "action": "update", "changes": [{"path": "spec"}], "pod": POD}
    assert _answer.result(answer, "", 0, diff_mode=False) == (expected, ["old tag"])
    assert _answer.result(answer, "", 0, diff_mode=True) == ({**expected, "diff": PLAN["diff"]}, ["old tag"])


def test_a_plan_has_no_pod():
    result, _warnings = _answer.result(json.dumps({"status": "ok", "result": PLAN}), "", 0, diff_mode=False)
    assert result["pod"] is None


def test_an_image_a_list_and_what_was_removed_are_results_too():
    def result(answer, subject, *, diff_mode=False):
        return _answer.result(
            json.dumps({"status": "ok", "result": answer}), "", 0, diff_mode=diff_mode, subject=subject
        )

    plan = {key: PLAN[key] for key in ("changed", "action", "changes")}
    assert result({**PLAN, "image": {"name": "a"}}, "image") == ({**plan, "image": {"name": "a"}}, ["old tag"])
    assert result(PLAN, "image") == ({**plan, "image": None}, ["old tag"])
    assert result([], "images") == ({"changed": False, "images": []}, [])
    pruned = {"changed": True, "images": ["a"], "size": 5}
    assert result({**pruned, "diff": {"before": "a", "after": ""}}, "pruned") == (pruned, [])
    shown = result({**pruned, "diff": {"before": "a", "after": ""}}, "pruned", diff_mode=True)
    assert shown == ({**pruned, "diff": {"before": "a", "after": ""}}, [])


@pytest.mark.parametrize(
    "noise",
    [
        "{answer}",
        "Welcome to web1\r\n{answer}\r\n",
        '{{"motd": true}}\n{answer}\nbye\n',
        "{{not json\n{answer}",
    ],
)
def test_an_answer_is_found_among_noise(noise):
    answer = json.dumps({"status": "ok", "result": PLAN})
    assert _answer.result(noise.format(answer=answer), "", 0, diff_mode=False)[0]["changed"]


def test_an_answer_over_several_lines():
    answer = json.dumps({"status": "ok", "result": PLAN}, indent=2).replace("\n", "\r\n")
    assert _answer.result(f"hello\n{answer}\n", "", 0, diff_mode=False)[0]["changed"]


def test_an_error_names_field_and_value():
    error = {"type": "ManifestError", "message": "metadata.name: no", "field": "metadata.name", "value": "A B"}
    with pytest.raises(_answer.AnswerError) as caught:
        _answer.result(json.dumps({"status": "error", "error": error}), "", 0, diff_mode=True)
    assert caught.value.msg == "metadata.name: no"
    assert caught.value.result == {"error": {"type": "ManifestError", "field": "metadata.name", "value": "A B"}}


@pytest.mark.parametrize("stdout", ["", "Traceback", "{}", "[]", '{"status": ', '"status"'])
def test_no_answer(stdout):
    with pytest.raises(_answer.AnswerError) as caught:
        _answer.result(stdout, "Killed", 137, diff_mode=False)
    assert "exit code 137" in caught.value.msg
    assert caught.value.result == {"module_stdout": stdout, "module_stderr": "Killed", "rc": 137}
