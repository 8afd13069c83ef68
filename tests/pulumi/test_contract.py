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

from pods import server, web
from pulumi_podwright.provider import PodProvider

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


def bag(**properties):
    """Return properties as they go over the wire, the pickled provider among them."""
    struct = struct_pb2.Struct()
    struct.update({"__provider": serialize_provider(PodProvider()), **properties})
    return struct


def check(plugin, manifest):
    request = messages.CheckRequest(olds=struct_pb2.Struct(), news=bag(manifest=manifest))
    return plugin.Check(request, timeout=DEADLINE)


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
