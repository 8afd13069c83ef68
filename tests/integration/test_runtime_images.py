# SPDX-License-Identifier: Apache-2.0
"""``Runtime.images`` on a real host with a real registry: what is planned is done, and nothing a second time."""

import base64
import json
import shutil
import subprocess
import sys

import pytest

from imagetools import ARCHITECTURE, entry, make_busybox_image, make_index, make_layout, push
from podtools import IMAGE, container, pod
from podwright.errors import ImageError, NotFound
from registry import Registry
from secure_registry import PASSWORD, USER, SecureRegistry

OTHER = "s390x" if ARCHITECTURE != "s390x" else "amd64"


@pytest.fixture(scope="module")
def registry():
    with Registry() as one:
        yield one


@pytest.fixture
def images(host):
    return host.runtime.images


def publish(folder, reference, content):
    """Push an image with one file to the registry; return its layout."""
    shutil.rmtree(folder, ignore_errors=True)
    layout = make_layout(folder, [[entry("content", content)]])
    push(layout, reference)
    return layout


def paths(plan):
    return [change.path for change in plan.changes]


def settled(images, document):
    """Apply a document as planned, and tell that a second run finds nothing; return the first plan."""
    planned = images.plan(document)
    done = images.apply(document).plan
    assert (done.action, done.changes) == (planned.action, planned.changes)
    again = images.apply(document)
    assert (again.plan.action, again.plan.changes) == ("none", [])
    assert images.get(document["name"], platform=document.get("platform")) == again.image
    return planned


def test_a_tag_that_moves(images, host, registry, tmp_path):
    name = f"{registry.address}/moving:1"
    publish(tmp_path / "layout", name, "first")
    always, lazy = {"name": name, "pullPolicy": "Always"}, {"name": name}
    assert (settled(images, always).action, settled(images, lazy).action) == ("create", "none")
    old = images.get(name).digest

    publish(tmp_path / "layout", name, "second")
    before = host.snapshot()
    plan = images.plan(always)
    (change,) = plan.changes
    assert (plan.action, change.path, change.before, change.effect) == ("update", "digest", old, "pull image")
    assert not images.plan(lazy).changed
    assert host.snapshot() == before
    assert settled(images, always).changes == [change]
    assert images.get(name).digest == change.after != old


def test_an_image_that_is_nowhere(images, host, registry):
    name = f"{registry.address}/none:1"
    with pytest.raises(ImageError, match="has no such manifest"):
        images.plan({"name": name})
    with pytest.raises(ImageError, match="is not on this host, and pullPolicy is Never"):
        images.plan({"name": name, "pullPolicy": "Never"})
    with pytest.raises(NotFound, match=f"there is no image {name} on this host"):
        images.get(name)
    assert images.list() == []
    assert not images.remove(name)


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive", "rootfs"])
def test_a_source_whose_content_changes(images, tmp_path, kind):
    place = tmp_path / "place"

    def write(content):
        shutil.rmtree(tmp_path / "layout", ignore_errors=True)
        make_layout(tmp_path / "layout", [[entry("content", content)]])
        if kind == "rootfs":
            place.mkdir(exist_ok=True)
            (place / "content").write_text(content)
        else:
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)
            name = ":localhost/app:1" if kind == "docker-archive" else ":latest"
            command = ["skopeo", "copy", "--quiet", f"oci:{tmp_path}/layout:latest", f"{kind}:{place}{name}"]
            subprocess.run(command, check=True)

    write("first")
    document = {"name": "localhost/app:1", "source": f"{kind}:{place}"}
    assert settled(images, document).action == "create"
    write("second")
    plan = settled(images, document)
    assert (plan.action, paths(plan), plan.changes[0].effect) == ("update", ["digest"], "import image")
    write("third")
    assert not images.plan(document | {"pullPolicy": "IfNotPresent"}).changed


def test_destinations(images, registry, tmp_path):
    make_layout(tmp_path / "layout", [[entry("content", "x")]])
    places = [
        f"docker://{registry.address}/copies/app:1",
        f"oci:{tmp_path}/copy",
        f"oci-archive:{tmp_path}/copy.tar:named",
        f"docker-archive:{tmp_path}/docker.tar:localhost/app:1",
    ]
    images.load(f"oci:{tmp_path}/layout", "localhost/app:1")
    document = {"name": "localhost/app:1", "destinations": places}
    plan = settled(images, document)
    assert paths(plan) == sorted(f"destinations[{place}]" for place in places)
    assert {change.effect for change in plan.changes} == {"push image"}
    for place in places:
        shown = subprocess.run(
            ["skopeo", "inspect", "--tls-verify=false", "--config", place], capture_output=True, text=True, check=True
        )
        assert json.loads(shown.stdout)["rootfs"]["diff_ids"] == images.get("localhost/app:1").diff_ids

    (tmp_path / "copy.tar").unlink()
    shutil.rmtree(tmp_path / "layout")
    make_layout(tmp_path / "layout", [[entry("content", "y")]])
    push(tmp_path / "layout", f"{registry.address}/copies/app:1")
    assert paths(settled(images, document)) == [f"destinations[{places[0]}]", f"destinations[{places[2]}]"]

    images.load(f"oci:{tmp_path}/layout", "localhost/app:1")
    assert len(settled(images, document).changes) == 4


def test_a_layout_with_other_images_in_it_is_a_destination_too(images, tmp_path):
    make_layout(tmp_path / "layout", [[entry("content", "x")]], tag="other")
    images.load(f"oci:{tmp_path}/layout", "localhost/app:1")
    document = {"name": "localhost/app:1", "destinations": [f"oci:{tmp_path}/layout"]}
    assert len(settled(images, document).changes) == 1


def test_what_did_not_change_costs_no_heavy_import(images, host, tmp_path):
    make_layout(tmp_path / "layout", [[entry("content", "x")]])
    images.load(f"oci:{tmp_path}/layout", "localhost/app:1")
    program = (
        "import sys; before = set(sys.modules); from podwright.cli.api import handle;"
        "request = {'version': 1, 'kind': 'Image', 'action': 'apply', 'manifest': {'name': 'localhost/app:1'}};"
        "assert handle(request)['result']['action'] == 'none'; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=host.env)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"urllib3", "rich", "pydantic", "yaml", "pyroute2", "concurrent", "threading", "zstandard", "cryptography"}
    assert imported & heavy == set()


def test_a_login_is_for_the_registry_of_the_name_alone(images, tmp_path):
    make_layout(tmp_path / "layout", [[entry("content", "x")]])
    with SecureRegistry(users=True) as own, SecureRegistry(users=True) as other:
        name = f"{own.address}/app:1"
        here, there = f"docker://{own.address}/copy:1", f"docker://{other.address}/copy:1"
        images.load(f"oci:{tmp_path}/layout", name)
        login = {"username": USER, "password": PASSWORD}
        assert paths(settled(images, {"name": name, "auth": login, "destinations": [here]})) == [
            f"destinations[{here}]"
        ]
        for auth, place in ((login, there), ({"username": USER, "password": "guessed wrong"}, here)):
            with pytest.raises(ImageError) as caught:
                images.plan({"name": name, "auth": auth, "destinations": [place]})
            assert auth["password"] not in json.dumps(caught.value.as_dict())

        encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        logins = {"auths": {one.address: {"auth": encoded} for one in (own, other)}}
        (tmp_path / "auth.json").write_text(json.dumps(logins))
        document = {"name": name, "auth": {"authFile": f"{tmp_path}/auth.json"}, "destinations": [here, there]}
        assert paths(settled(images, document)) == [f"destinations[{there}]"]


def test_a_push_to_where_the_name_says(images, registry, tmp_path):
    make_layout(tmp_path / "layout", [[entry("content", "x")]])
    name = f"{registry.address}/own/app:1"
    images.load(f"oci:{tmp_path}/layout", name)
    assert images.push(name) == images.get(name).digest
    assert not images.plan({"name": name, "pullPolicy": "Always"}).changed


def test_platforms_stand_beside_each_other(images, tmp_path):
    make_index(tmp_path / "layout", [(ARCHITECTURE, "ours"), (OTHER, "theirs")])
    document = {"name": "localhost/app:1", "source": f"oci:{tmp_path}/layout"}
    assert paths(settled(images, document)) == ["digest"]
    other = document | {"platform": f"linux/{OTHER}"}
    plan = settled(images, other)
    assert (plan.action, paths(plan)) == ("create", ["digest", "platform"])
    assert not images.plan(document).changed
    assert {image.platform for image in images.list()} == {f"linux/{ARCHITECTURE}", f"linux/{OTHER}"}
    assert images.remove("localhost/app:1")
    assert images.list() == []


def test_an_image_in_use_stays_unless_forced(images, host, tmp_path):
    make_busybox_image(tmp_path / "layout")
    images.load(f"oci:{tmp_path}/layout", IMAGE)
    host.runtime.apply(pod("web", container("a", "sleep 100000")), wait=True)
    assert images.users(IMAGE) == ["pod default/web"]
    for refused in (images.plan_delete, images.delete, images.remove):
        with pytest.raises(ImageError, match=r"it is used by pod default/web: delete what uses it first"):
            refused(IMAGE)
    assert images.prune(all=True).images == []
    assert images.plan_delete(IMAGE, force=True).action == "delete"
    assert images.get(IMAGE)
    assert images.remove(IMAGE, force=True)
    assert images.prune(all=True).layers == [], "a layer of a running container went"
    assert host.pod("web")["status"]["phase"] == "Running"
    host.delete("web")
    assert images.prune().layers


def test_prune_and_verify(images, host, tmp_path):
    make_layout(tmp_path / "layout", [[entry("content", "x" * 100)]])
    images.load(f"oci:{tmp_path}/layout", "localhost/app:1")
    assert images.verify().damages == []
    before = host.snapshot()
    predicted = images.prune(all=True, dry_run=True)
    assert predicted.images == ["localhost/app:1"]
    assert host.snapshot() == before
    pruned = images.prune(all=True)
    assert (pruned.images, pruned.layers, pruned.blobs) == (predicted.images, predicted.layers, predicted.blobs)
    assert images.usage().blobs == images.list() == []
