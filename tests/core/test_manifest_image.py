# SPDX-License-Identifier: Apache-2.0
"""An image as it is wanted: what may be said of it, and what is filled in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ManifestError
from podwright.manifest.image import FIELDS, normalise

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("name", "full", "policy"),
    [
        ("busybox", "docker.io/library/busybox:latest", "Always"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "IfNotPresent"),
        ("localhost:5000/a/b:latest", "localhost:5000/a/b:latest", "Always"),
        (f"localhost:5000/a@{DIGEST}", f"localhost:5000/a@{DIGEST}", "IfNotPresent"),
    ],
)
def test_the_name_in_full_and_kubernetes_default_policy(name, full, policy):
    assert normalise({"name": name}) == {"kind": "Image", "name": full, "pullPolicy": policy}


def test_a_file_is_always_looked_at_unless_told_otherwise():
    document = {"name": "a:1", "source": "oci-archive:/srv/a.tar"}
    assert normalise(document)["pullPolicy"] == "Always"
    assert normalise(document | {"pullPolicy": "IfNotPresent"})["pullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(
    ("platform", "normal"),
    [("linux/arm64/v8", "linux/arm64"), ("linux/x86_64", "linux/amd64"), ("linux/arm", "linux/arm/v7")],
)
def test_a_platform_has_one_spelling(platform, normal):
    assert normalise({"name": "a:1", "platform": platform})["platform"] == normal


def test_what_is_null_or_empty_is_not_there():
    empty = {"source": None, "auth": {}, "destinations": [], "platform": None}
    assert normalise({"name": "a:1", **empty}) == normalise({"name": "a:1"})


WHOLE = {
    "kind": "Image",
    "name": "a:1",
    "source": "oci:/srv/layout:a",
    "pullPolicy": "IfNotPresent",
    "platform": "linux/amd64",
    "auth": {"username": "robot", "password": "hunter2"},
    "destinations": ["docker://localhost:5000/a:1", "docker-archive:/srv/a.tar"],
}


def test_what_is_normal_stays_as_it_is():
    assert set(WHOLE) == {"kind", *FIELDS}
    once = normalise(WHOLE)
    assert normalise(once) == once
    assert {key: once[key] for key in WHOLE if key != "name"} == {key: WHOLE[key] for key in WHOLE if key != "name"}


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"name": None}, "name", "name: required, but missing"),
        ({"name": 5}, "name", "name: must be a string (got 5)"),
        ({"name": "a/B"}, "name", "name: the name 'a/B' must be lower-case words"),
        ({"kind": "Pod"}, "kind", "kind: must be Image (got 'Pod')"),
        ({"imagee": 1}, "imagee", "imagee: not a field of an image; there are: name, source,"),
        (
            {"source": "/srv/a.tar"},
            "source",
            "source: must begin with one of oci: oci-archive: docker-archive: rootfs:",
        ),
        ({"source": "oci:"}, "source", "source: must begin with one of"),
        ({"source": ["oci:/a"]}, "source", "source: must begin with one of"),
        ({"pullPolicy": "Sometimes"}, "pullPolicy", "pullPolicy: must be one of Always, IfNotPresent, Never"),
        ({"pullPolicy": ["Always"]}, "pullPolicy", "pullPolicy: must be one of"),
        ({"source": "oci:/a", "pullPolicy": "Never"}, "pullPolicy", "pullPolicy: must not be Never"),
        ({"platform": "amd64"}, "platform", "platform: must be OS/ARCHITECTURE"),
        ({"platform": 64}, "platform", "platform: must be OS/ARCHITECTURE"),
        ({"destinations": "docker://a"}, "destinations", "destinations: must be a list"),
        ({"destinations": ["docker://a", "a"]}, "destinations[1]", "destinations[1]: must begin with one of docker://"),
        ({"destinations": ["oci:/a", "oci:/a"]}, "destinations", "destinations: must not have the same place twice"),
    ],
)
def test_what_is_wrong_is_named(fields, field, reason):
    with pytest.raises(ManifestError) as caught:
        normalise({"name": "a:1"} | fields)
    assert caught.value.field == field
    assert caught.value.message.startswith(reason)


@pytest.mark.parametrize(
    "auth",
    [
        "hunter2",
        {"username": "robot", "password": ["hunter2"]},
        {"password": "hunter2"},
        {"username": "robot", "password": "hunter2", "authFile": "/hunter2"},
        {"token": "hunter2"},
        {"username": "robot", "password": "hunter2", "more": "hunter2"},
    ],
)
def test_an_error_never_quotes_a_password(auth):
    with pytest.raises(ManifestError) as caught:
        normalise({"name": "a:1", "auth": auth})
    assert caught.value.field == "auth"
    assert "hunter2" not in json.dumps(caught.value.as_dict())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["oci:/a", "a:1", "linux/amd64"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES | st.dictionaries(st.sampled_from(["kind", "other", *FIELDS]), VALUES))
def test_anything_is_an_error_or_normal(document):
    try:
        once = normalise(document)
    except ManifestError:
        return
    assert normalise(once) == once
