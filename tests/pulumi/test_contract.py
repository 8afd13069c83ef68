# SPDX-License-Identifier: Apache-2.0
"""The process that the engine starts for dynamic resources, driven over its own protocol, without an engine.

Only what touches no host is called: Configure, Check and Diff.
"""

import json
import subprocess
import sys

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_ON_WIRE

from containertools import EDITS, base, edited
from pods import server, web
from pulumi_podwright.image_provider import ImageProvider
from pulumi_podwright.provider import ContainerProvider, PodProvider

DEADLINE = 60.0  # seconds, for a loaded machine


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Yield a stub of a running provider process."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.dynamic", "127.0.0.1:1"],
        cwd=tmp_path_factory.mktemp("project"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = ResourceProviderStub(channel)
            stub.Configure(messages.ConfigureRequest(args=struct_pb2.Struct()), timeout=DEADLINE)
            yield stub
    finally:
        process.terminate()
        process.wait(DEADLINE)
        process.stdout.close()


def bag(provider=None, **properties):
    """Return properties as they go over the wire, the pickled provider among them."""
    struct = struct_pb2.Struct()
    struct.update({"__provider": serialize_provider(provider or PodProvider()), **properties})
    return struct


def check(plugin, manifest):
    return check_bag(plugin, bag(manifest=manifest))


def check_container(plugin, container):
    return check_bag(plugin, bag(ContainerProvider(), **container))


def check_bag(plugin, news):
    return plugin.Check(messages.CheckRequest(olds=struct_pb2.Struct(), news=news), timeout=DEADLINE)


def diff(plugin, olds, news):
    return plugin.Diff(messages.DiffRequest(id="default/web", olds=olds, news=news), timeout=DEADLINE)


def test_check_returns_inputs_that_check_to_themselves(plugin):
    first = check(plugin, web())
    assert not first.failures
    assert json.loads(first.inputs["manifest"])["spec"]["containers"][0]["ports"][0]["containerPort"] == 8080
    assert check(plugin, first.inputs["manifest"]).inputs == first.inputs


def test_check_names_what_is_wrong(plugin):
    pod = web(name="Not_A_Name")
    (failure,) = check(plugin, pod).failures
    assert failure.property == ""
    assert "metadata.name" in failure.reason
    assert "Not_A_Name" in failure.reason


def test_unknown_values_pass_and_stay_unknown(plugin):
    pod = web()
    server(pod)["image"] = UNKNOWN_ON_WIRE
    answer = check(plugin, pod)
    assert not answer.failures
    assert answer.inputs["manifest"] == UNKNOWN_ON_WIRE
    old = check(plugin, web()).inputs
    assert diff(plugin, old, answer.inputs).changes == messages.DiffResponse.DIFF_SOME


def test_diff_tells_same_update_and_replacement(plugin):
    old = check(plugin, web()).inputs
    edited = web()
    server(edited)["env"][0]["value"] = "bonjour"
    assert diff(plugin, old, old).changes == messages.DiffResponse.DIFF_NONE
    update = diff(plugin, old, check(plugin, edited).inputs)
    assert (update.changes, list(update.replaces)) == (messages.DiffResponse.DIFF_SOME, [])
    other = diff(plugin, old, check(plugin, web(name="other")).inputs)
    assert (list(other.replaces), other.deleteBeforeReplace) == (["manifest"], True)


def test_a_container_checks_to_itself_and_names_what_is_wrong(plugin):
    first = check_container(plugin, base())
    assert not first.failures
    assert first.inputs["terminationGracePeriodSeconds"] == 0
    assert check_bag(plugin, first.inputs).inputs == first.inputs
    (failure,) = check_container(plugin, base() | {"env": [{"name": "A", "value": 1}]}).failures
    assert (failure.property, failure.reason.partition(": ")[0]) == ("", "env[0].value")


def test_an_unknown_field_of_a_container_stays_unknown(plugin):
    answer = check_container(plugin, base() | {"image": UNKNOWN_ON_WIRE})
    assert not answer.failures
    assert answer.inputs["image"] == UNKNOWN_ON_WIRE
    old = check_container(plugin, base()).inputs
    assert diff(plugin, old, answer.inputs).changes == messages.DiffResponse.DIFF_SOME


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_each_edit_of_a_container_is_an_update(plugin, edit):
    old, new = (check_container(plugin, container).inputs for container in (base(), edited(edit)))
    found = diff(plugin, old, new)
    expected = messages.DiffResponse.DIFF_NONE if edit.action == "none" else messages.DiffResponse.DIFF_SOME
    assert (found.changes, list(found.replaces)) == (expected, [])


def test_an_image_checks_to_itself_and_names_what_is_wrong(plugin):
    auth = {"username": "robot", "password": "hunter2"}
    first = check_bag(plugin, bag(ImageProvider(), name="busybox", auth=auth, destinations=["oci:/a"]))
    assert not first.failures
    assert (first.inputs["name"], first.inputs["keepLocally"]) == ("docker.io/library/busybox:latest", False)
    assert check_bag(plugin, first.inputs).inputs == first.inputs
    (failure,) = check_bag(plugin, bag(ImageProvider(), name="busybox", auth={"password": "hunter2"})).failures
    assert failure.reason.startswith("auth: must have username and password")
    assert "hunter2" not in failure.reason


def test_an_unknown_name_of_an_image_leaves_its_policy_unknown(plugin):
    answer = check_bag(plugin, bag(ImageProvider(), name=UNKNOWN_ON_WIRE))
    assert not answer.failures
    assert (answer.inputs["name"], answer.inputs["pullPolicy"]) == (UNKNOWN_ON_WIRE, UNKNOWN_ON_WIRE)
    old = check_bag(plugin, bag(ImageProvider(), name="busybox")).inputs
    assert diff(plugin, old, answer.inputs).changes == messages.DiffResponse.DIFF_SOME
