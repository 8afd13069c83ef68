# SPDX-License-Identifier: Apache-2.0
"""Container: what a program hands to the engine, what comes back checked, and what a difference means."""

import json
import subprocess
import sys
from typing import Any

import pulumi
import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import UNKNOWN

from containertools import EDITS, base, edited
from pulumi_podwright import Container, inputs
from pulumi_podwright.provider import ContainerProvider

SMALL = {"name": "web", "image": "localhost/busybox:1"}
SERIALIZE = (
    "from pulumi.dynamic.dynamic import serialize_provider; from pulumi_podwright.provider import ContainerProvider;"
    "print(serialize_provider(ContainerProvider()))"
)


def deploy(mocked, resource="web", /, **options):
    """Declare a Container; return what it offers once it is up, and what the engine was asked for."""
    found: dict[str, Any] = {}

    @pulumi.runtime.test
    def program():
        container = Container(resource, **options)
        outputs = {"uid": container.uid, "phase": container.phase, "pod_ip": container.pod_ip, "id": container.id}
        return pulumi.Output.all(**outputs, name=container.container_name).apply(found.update)

    program()
    return found, {name: value for name, value in mocked.asked.inputs.items() if value is not None}


def checked(container):
    result = ContainerProvider().check({}, container)
    assert result.failures == []
    return result.inputs


def failure(container):
    (only,) = ContainerProvider().check({}, container).failures
    return only


def diff(old, new):
    return ContainerProvider().diff("shop/web", {**checked(old), "uid": "1", "phase": "Running"}, new)


def as_engine(value):
    return json.loads(json.dumps(value), parse_int=float)


# the program's side


def test_the_resource_and_its_outputs(mocked):
    found, asked = deploy(mocked, image="a")
    assert (mocked.asked.typ, mocked.asked.name) == ("pulumi-python:dynamic/podwright:Container", "web")
    assert found == {"uid": "u-1", "phase": "Running", "pod_ip": "10.77.0.5", "id": "default/web", "name": "web"}
    asked.pop("__provider", None)
    assert asked == {"name": "web", "image": "a", "wait": True, "waitTimeout": 120}


def test_fields_are_handed_on_as_kubernetes_spells_them(mocked):
    _found, asked = deploy(
        mocked,
        "resource",
        name="web",
        rootfs="/srv",
        image_pull_policy="Never",
        working_dir="/",
        env=[{"name": "A", "value": pulumi.Output.from_input("later")}],
        security_context={"runAsUser": 1},
        volume_mounts=[{"name": "v", "mountPath": "/v"}],
        termination_grace_period_seconds=3,
        restart_policy="Never",
        wait=False,
        wait_timeout=5,
    )
    asked.pop("__provider", None)
    assert asked == {
        "name": "web",
        "rootfs": "/srv",
        "imagePullPolicy": "Never",
        "workingDir": "/",
        "env": [{"name": "A", "value": "later"}],
        "securityContext": {"runAsUser": 1},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "terminationGracePeriodSeconds": 3,
        "restartPolicy": "Never",
        "wait": False,
        "waitTimeout": 5,
    }


def test_every_field_is_an_argument():
    from podwright.manifest import check

    fields = set(check.node_of("LoneContainer")["properties"]) - {"kind"}
    assert set(inputs.CONTAINER_FIELDS) == fields
    arguments = Container.__init__.__annotations__
    spelling = {
        "".join([first, *map(str.capitalize, rest)]) for first, *rest in (name.split("_") for name in arguments)
    }
    assert fields <= spelling


# check


def test_defaults_are_filled_in():
    assert checked(SMALL) == {
        **SMALL,
        "namespace": "default",
        "state": "present",
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "wait": True,
        "waitTimeout": 120,
    }


def test_what_is_checked_checks_to_itself_also_as_floats():
    once = checked(base())
    assert checked(once) == once
    assert checked(as_engine(once)) == once
    assert checked(as_engine(base())) == once


def test_null_and_empty_fields_are_left_out():
    assert checked({**SMALL, "env": [], "labels": None, "args": []}) == checked(SMALL)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": None}, "image: required, but missing (or give a rootfs, a directory of the host)"),
        ({"imagePullPolicy": "Sometimes"}, "imagePullPolicy: must be "),
        ({"env": [{"name": "A", "value": 1.0}]}, "env[0].value: must be a string; put it in quotes"),
        (
            {"volumes": [{"name": "v", "nfs": {"server": "x", "path": "/"}}]},
            "volumes[0].nfs: not supported by this release",
        ),
        ({"name": "Not_A_Name"}, "name: must be lower case"),
    ],
)
def test_what_is_wrong_is_named(fields, reason):
    found = failure({**SMALL, **fields})
    assert found.property == ""
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("field", ["name", "image", "env", "securityContext", "terminationGracePeriodSeconds"])
def test_an_unknown_field_stays_unknown_and_others_are_judged(field):
    container = {**base(), field: UNKNOWN}
    assert checked(container)[field] == UNKNOWN
    assert diff(base(), checked(container)).changes
    assert "imagePullPolicy" in failure({**container, "imagePullPolicy": "Sometimes"}).reason


def test_an_unknown_value_deep_inside_makes_its_field_unknown():
    container = base()
    container["env"][0]["value"] = UNKNOWN
    now = checked(container)
    assert (now["env"], now["image"], now["restartPolicy"]) == (UNKNOWN, "localhost/busybox:1", "Always")


# diff


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_is_an_update(edit):
    found = diff(base(), checked(edited(edit)))
    assert (found.changes, found.replaces) == (edit.action != "none", [])


def test_drift_is_a_change():
    provider = ContainerProvider()
    assert provider.diff("shop/web", {**checked(base()), "drift": ["status: it is dead"]}, checked(base())).changes


def test_the_provider_is_stored_by_reference():
    stored = subprocess.run(
        [sys.executable, "-c", SERIALIZE], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert stored == serialize_provider(ContainerProvider())
    assert len(stored) < 200
