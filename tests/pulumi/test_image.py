# SPDX-License-Identifier: Apache-2.0
"""Image: what a program hands to the engine, what comes back checked, and what a difference means."""

import subprocess
import sys
from typing import Any

import pulumi
import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import UNKNOWN

from podwright.images import platform as platforms
from pulumi_podwright import Image
from pulumi_podwright.image_provider import FIELDS, ImageProvider

NAME = "localhost:5000/app:1"
SERIALIZE = (
    "from pulumi.dynamic.dynamic import serialize_provider; from pulumi_podwright.image_provider import ImageProvider;"
    "print(serialize_provider(ImageProvider()))"
)
HERE = str(platforms.host())
ELSEWHERE = "linux/s390x"


def deploy(mocked, resource="app", /, **options):
    """Declare an Image; return what it offers once it is there, and what the engine was asked for."""
    mocked.answer = {"reference": NAME, "digest": "sha256:1", "size": 5.0, "platform": HERE}
    found: dict[str, Any] = {}

    @pulumi.runtime.test
    def program():
        image = Image(resource, **options)
        outputs = {"reference": image.reference, "digest": image.digest, "size": image.size, "platform": image.platform}
        return pulumi.Output.all(**outputs).apply(found.update)

    program()
    return found, {name: value for name, value in mocked.asked.inputs.items() if value is not None}


def checked(image):
    result = ImageProvider().check({}, image)
    assert result.failures == []
    return result.inputs


def applied(image, **outputs):
    """Return the outputs of an image that was applied."""
    inputs = checked(image)
    return {**inputs, "reference": inputs["name"], "digest": "sha256:1", "size": 5.0, "platform": HERE, **outputs}


def diff(old, new):
    return ImageProvider().diff(NAME, old, checked(new))


# the program's side


def test_the_resource_and_its_outputs(mocked):
    found, asked = deploy(mocked, name=NAME)
    assert (mocked.asked.typ, mocked.asked.name) == ("pulumi-python:dynamic/podwright:Image", "app")
    assert found == {"reference": NAME, "digest": "sha256:1", "size": 5, "platform": HERE}
    asked.pop("__provider", None)
    assert asked == {"name": NAME, "keepLocally": False}


def test_the_arguments_are_the_fields_of_an_image(mocked):
    from podwright.manifest import image

    assert FIELDS == image.FIELDS
    _found, asked = deploy(
        mocked,
        name=NAME,
        source="oci:/srv",
        pull_policy="Always",
        platform="linux/amd64",
        auth={"username": "robot", "password": "hunter2"},
        destinations=["oci:/backup"],
        keep_locally=True,
    )
    assert set(asked) - {"__provider"} == {*FIELDS, "keepLocally"}


# check


def test_what_is_not_given_is_filled_in():
    assert checked({"name": "busybox"}) == {
        "name": "docker.io/library/busybox:latest",
        "pullPolicy": "Always",
        "keepLocally": False,
    }


def test_what_is_checked_checks_to_itself():
    once = checked({"name": "busybox", "platform": "linux/aarch64", "auth": {"authFile": "/a"}, "keepLocally": True})
    assert checked(once) == once


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "A/B/C"}, "name: "),
        ({"source": "/srv/a.tar"}, "source: must begin with one of"),
        ({"pullPolicy": "Sometimes"}, "pullPolicy: must be one of"),
        ({"destinations": ["oci:/a", "b"]}, "destinations[1]: must begin with one of"),
        ({"auth": {"username": "robot", "password": 5.0}}, "auth: must have username and password"),
    ],
)
def test_what_is_wrong_is_named(fields, reason):
    (failure,) = ImageProvider().check({}, {"name": NAME, **fields}).failures
    assert (failure.property, failure.reason[: len(reason)]) == ("", reason)


def test_a_wrong_setting_is_named():
    (failure,) = ImageProvider().check({}, {"name": NAME, "keepLocally": "yes"}).failures
    assert failure.property == "keepLocally"


@pytest.mark.parametrize("field", FIELDS)
def test_an_unknown_field_stays_unknown_and_others_are_judged(field):
    image = {"name": NAME, field: UNKNOWN}
    result = ImageProvider().check({}, image)
    assert (result.failures, result.inputs[field]) == ([], UNKNOWN)
    assert ImageProvider().diff(NAME, applied({"name": NAME}), result.inputs).changes
    other = "platform" if field != "platform" else "pullPolicy"
    (failure,) = ImageProvider().check({}, image | {other: "none"}).failures
    assert failure.reason.startswith(f"{other}: ")


# diff


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent"])
def test_an_image_that_did_not_change(policy):
    image = {"name": NAME, "pullPolicy": policy, "destinations": ["oci:/a"]}
    assert not diff(applied(image), image).changes


def test_another_name_is_another_image_and_the_new_one_comes_first():
    found = diff(applied({"name": NAME}), {"name": "localhost:5000/app:2"})
    assert (found.replaces, bool(found.delete_before_replace)) == (["name"], False)


def test_another_spelling_of_a_name_is_the_same_image():
    assert not diff(applied({"name": "busybox:1"}), {"name": "docker.io/library/busybox:1"}).changes


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ({}, {"platform": HERE}, []),
        ({}, {"platform": ELSEWHERE}, ["digest", "platform"]),
        ({"platform": ELSEWHERE}, {}, ["digest"]),
        ({}, {"destinations": ["oci:/a"]}, ["destinations[oci:/a]"]),
        ({"destinations": ["oci:/a", "oci:/b"]}, {"destinations": ["oci:/b"]}, []),
        ({}, {"source": "oci:/a"}, ["digest"]),
        ({"source": "oci:/a"}, {"source": "oci:/b"}, ["digest"]),
    ],
)
def test_an_edit_names_what_differs(old, new, fields):
    recorded = applied({"name": NAME, **old}, platform=old.get("platform", HERE))
    assert ImageProvider().changed_fields(recorded, checked({"name": NAME, **new})) == fields
    found = diff(recorded, {"name": NAME, **new})
    assert not found.replaces
    assert found.changes >= bool(fields)


@pytest.mark.parametrize(
    "fields", [{"auth": {"authFile": "/a"}}, {"pullPolicy": "Always"}, {"keepLocally": True}, {"source": "oci:/a"}]
)
def test_what_refresh_and_destroy_go_by_is_kept_up_to_date(fields):
    assert diff(applied({"name": NAME}), {"name": NAME, **fields}).changes


def test_what_a_refresh_found_is_mended():
    assert diff(applied({"name": NAME}, drift=["digest: a is b now"]), {"name": NAME}).changes


def test_webassembly_suits_any_host():
    assert not diff(applied({"name": NAME}, platform="wasip1/wasm"), {"name": NAME}).changes


# the provider in the engine's state


def test_the_provider_is_stored_as_a_reference_that_never_differs():
    here = serialize_provider(ImageProvider())
    there = subprocess.run([sys.executable, "-c", SERIALIZE], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there
    assert len(here) < 120
    assert ImageProvider.serialize_as_secret_always is False


def test_the_provider_imports_nothing_heavy():
    code = (
        "import sys, pulumi.dynamic; before = set(sys.modules); import pulumi_podwright.image_provider;"
        "print(*sorted(set(sys.modules) - before))"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in imported if not name.startswith("pulumi_podwright")] == []
