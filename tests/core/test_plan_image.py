# SPDX-License-Identifier: Apache-2.0
"""The planner of images, by table."""

import pytest

from podwright.plan.image import UNREAD, Observed, plan

HERE = {"digest": "sha256:index", "manifest": "sha256:manifest", "config": "sha256:config"}
IMAGE = {"kind": "Image", "name": "a:1", "pullPolicy": "Always"}
FILE = IMAGE | {"source": "rootfs:/srv"}
REGISTRY, ARCHIVE = "docker://b:1", "docker-archive:/b.tar"


def changes(found):
    return [(change.path, change.before, change.after, change.effect) for change in found.changes]


@pytest.mark.parametrize(
    ("desired", "recorded", "digest", "action", "expected"),
    [
        (IMAGE, HERE, None, "none", []),
        (IMAGE, HERE, "sha256:index", "none", []),
        (IMAGE, HERE, "sha256:new", "update", [("digest", "sha256:index", "sha256:new", "pull image")]),
        (FILE, HERE, "sha256:new", "update", [("digest", "sha256:index", "sha256:new", "import image")]),
        (FILE, HERE, UNREAD, "update", [("digest", "sha256:index", UNREAD, "import image")]),
        (IMAGE, None, "sha256:new", "create", [("digest", None, "sha256:new", "pull image")]),
        (
            IMAGE | {"platform": "linux/arm64"},
            None,
            "sha256:new",
            "create",
            [("digest", None, "sha256:new", "pull image"), ("platform", None, "linux/arm64", "pull image")],
        ),
        (None, HERE, None, "delete", [("digest", "sha256:index", None, "remove image")]),
        (None, None, None, "none", []),
    ],
)
def test_what_is_done_about_an_image(desired, recorded, digest, action, expected):
    found = plan(desired, recorded, Observed(digest, {}))
    assert (found.action, changes(found)) == (action, expected)
    assert found.changed == (action != "none")


@pytest.mark.parametrize(
    ("place", "held", "expected"),
    [
        (REGISTRY, "sha256:manifest", []),
        (ARCHIVE, "sha256:config", []),
        (REGISTRY, None, [(f"destinations[{REGISTRY}]", None, "sha256:manifest", "push image")]),
        (ARCHIVE, "sha256:old", [(f"destinations[{ARCHIVE}]", "sha256:old", "sha256:config", "push image")]),
    ],
)
def test_a_destination_holds_what_the_store_has(place, held, expected):
    found = plan(IMAGE, HERE, Observed(None, {place: held}))
    assert (found.action, changes(found)) == ("update" if expected else "none", expected)


def test_what_changes_here_changes_in_all_destinations():
    found = plan(IMAGE, HERE, Observed("sha256:new", {REGISTRY: "sha256:manifest"}))
    pushed = f"destinations[{REGISTRY}]", "sha256:manifest", UNREAD, "push image"
    assert changes(found) == [pushed, ("digest", "sha256:index", "sha256:new", "pull image")]


def test_a_plan_is_told_as_a_pods_is():
    told = plan(IMAGE, HERE, Observed("sha256:new", {})).as_dict()
    assert told["diff"] == {"before": 'digest: "sha256:index"\n', "after": 'digest: "sha256:new"\n'}
