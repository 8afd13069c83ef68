# SPDX-License-Identifier: Apache-2.0
"""Directories that a layer holds without describing them look as in the layers below (podwright/images/parents.py)."""

import json
import os
import subprocess
import sys

import pytest

import treewalk
from imagetools import entry, make_layout
from podwright.images.upkeep.prune import prune
from podwright.images.upkeep.used import Used
from podwright.images.upkeep.verify import verify
from storetools import import_layout

NAME = "localhost/parents:1"
MOUNT = 'mount -t overlay overlay -o "ro,lowerdir=$1" "$2" && exec "$3" "$4" "$2"'
OPAQUE = ".wh..wh..opq"


def private(name, **fields):
    """A directory that is unlike what podinit makes when it has to."""
    about = {"mode": 0o2750, "uid": 3, "gid": 4, "mtime": 1_000_000_000, "pax_headers": {"SCHILY.xattr.user.a": "b"}}
    return entry(name, kind="dir", **(about | fields))


@pytest.fixture
def image_of(store, tmp_path):
    def take(*layers):
        return import_layout(store, make_layout(tmp_path / "layout", layers), NAME)

    return take


@pytest.fixture
def seen(store, tmp_path):
    """What a container sees of an image."""

    def look(image):
        (tmp_path / "mounted").mkdir(exist_ok=True)
        words = [":".join(store.lower_dirs(image)), str(tmp_path / "mounted"), sys.executable, treewalk.__file__]
        command = ["unshare", "--mount", "sh", "-ec", MOUNT, "sh", *words]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    return look


def is_private(about):
    wanted = {"mode": "0o42750", "owner": "3:4", "mtime": 10**18, "xattrs": {"user.a": b"b".hex()}}
    return {key: about[key] for key in wanted} == wanted


def test_they_look_as_the_topmost_layer_that_describes_them_says(image_of, seen):
    found = seen(
        image_of(
            [private("d", mode=0o700), entry("d/e", kind="dir"), private("other")],
            [private("d"), private("d/e")],
            [entry("d/e/new", "x")],
            [entry("d/e/newer", "x")],
        )
    )
    assert is_private(found["d"])
    assert is_private(found["d/e"])
    assert is_private(found["other"])
    assert {"d/e/new", "d/e/newer"} <= set(found)


def test_the_root_is_one_of_them(image_of, seen):
    found = seen(image_of([private("./"), entry("a", "x")], [entry("b", "x")]))
    assert is_private(found["."])


def test_a_directory_that_a_layer_hides_does_not_count(image_of, seen):
    """Neither one that became a file and then a directory again, nor what an opaque directory above it hides."""
    found = seen(
        image_of(
            [private("hidden"), private("file"), private("deep"), private("deep/in"), private("kept")],
            [entry(".wh.hidden"), entry("file", "x"), entry(f"deep/{OPAQUE}"), entry(f"kept/{OPAQUE}")],
            [
                entry("hidden/x", "x"),
                entry(".wh.file"),
                entry("file/x", "x"),
                entry("deep/in/x", "x"),
                entry("kept/x", "x"),
            ],
        )
    )
    for path in ("hidden", "file", "deep/in"):
        assert (found[path]["mode"], found[path]["owner"], found[path]["xattrs"]) == ("0o40755", "0:0", {}), path
    assert is_private(found["deep"])  # what is in it was hidden, and not the directory itself
    assert is_private(found["kept"])


def test_a_link_in_a_lower_layer_is_not_followed(image_of, seen):
    found = seen(image_of([private("d"), entry("link", symlink="d")], [entry("link/x", "x")]))
    assert found["link"]["mode"] == "0o40755"
    assert is_private(found["d"])


def test_it_is_made_once_and_again_when_it_is_missing(store, image_of):
    image = image_of([private("d")], [entry("d/x", "x")])
    path, *layers = store.lower_dirs(image)
    assert layers == store.layer_dirs(image)
    before = os.stat(path)
    assert store.lower_dirs(image) == [path, *layers]
    assert os.stat(path) == before
    parents = store.root + "/parents"
    subprocess.run(["rm", "-rf", path], check=True)
    os.makedirs(f"{parents}/.tmp/left/by/the/dead")
    assert store.lower_dirs(image) == [path, *layers]
    assert os.stat(f"{path}/d").st_gid == 4
    assert os.listdir(parents).count(".tmp") == 0


def test_one_layer_has_none(store, image_of):
    image = image_of([entry("d/x", "x")])
    assert store.lower_dirs(image) == store.layer_dirs(image)


def test_it_goes_with_its_topmost_layer(store, image_of):
    store.lower_dirs(image_of([private("d")], [entry("d/x", "x")]))
    assert [name for name in os.listdir(f"{store.root}/parents") if name != ".lock"]
    prune(store, lambda: Used({}, {}), all=True)
    assert os.listdir(f"{store.root}/parents") == [".lock"]
    assert os.listdir(f"{store.root}/layers") == [".lock"]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: os.chmod(f"{path}/d", 0o777), "d has the mode 0777 instead of 2750"),
        (lambda path: os.chown(f"{path}/d", 9, 9), "d has the owner 9:9 instead of 3:4"),
        (lambda path: os.mkdir(f"{path}/e"), "e is not of this layer"),
        (lambda path: os.rmdir(f"{path}/d"), "d is missing"),
    ],
)
def test_verify_finds_one_that_was_edited_and_it_is_made_again(store, image_of, harm, reason):
    image = image_of([private("d")], [entry("d/x", "x")])
    path, *_ = store.lower_dirs(image)
    unused, used = Used({}, {}), Used({}, {image.diff_ids[-1]: ["pod default/a"]})
    assert verify(store, lambda: unused).damages == []
    harm(path)
    (damage,) = verify(store, lambda: used).damages
    assert (damage.kind, damage.name, damage.images) == ("parents", image.diff_ids[-1], [image.reference])
    assert damage.reason == f"{reason} (left: pod default/a lies on it; delete that, and verify again)"
    (damage,) = verify(store, lambda: unused).damages
    assert (damage.reason, damage.removed) == (reason, True)
    assert not os.path.exists(path)
    assert store.lower_dirs(image)[0] == path
    assert verify(store, lambda: unused).damages == []
