# SPDX-License-Identifier: Apache-2.0
"""A real Debian image in our store, as a container sees it, is what umoci unpacks: entry for entry.

Left out is the link count, which overlayfs does not lower when it hides one name of a file of a lower layer; which
names are one file is compared. Where umoci differs, this image does not ask it:

- An attribute with an empty value is none to it, since an empty pax value takes a record back; GNU tar's is one.
- A whiteout below what has become a symbolic link deletes in the link's target; here it is redundant (layer.md).
- A hard link to a file of a lower layer is made; here, as in containerd and Docker, it is an error: layers lie apart.
- An entry whose path leads through a symbolic link goes where that leads; here it is an error within one layer, and
  across layers a directory hides the link, as in containerd and Docker.
"""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import treewalk
from debian_image import NAME, debian_image
from podwright.images.store import ImageStore
from storetools import PODINIT, import_layout

MOUNT = 'mount -t overlay overlay -o "ro,lowerdir=$1" "$2" && exec "$3" "$4" "$2"'
LAYERS = 4
KINDS = {stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with the image in it."""
    store = ImageStore(str(tmp_path_factory.mktemp("store")), podinit=PODINIT)
    import_layout(store, f"{debian_image()}:{NAME}", "localhost/debian:1")
    return store


@pytest.fixture(scope="module")
def ours(store, tmp_path_factory):
    """What a container finds: the lower directories, mounted where nobody else sees it."""
    lower = store.lower_dirs(store.get("localhost/debian:1"))
    mounted = tmp_path_factory.mktemp("mounted")
    alone = ["unshare", "--mount", "sh", "-ec", MOUNT, "sh"]
    return walk(*alone, ":".join(lower), mounted, sys.executable, treewalk.__file__)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """What umoci unpacks."""
    bundle = tmp_path_factory.mktemp("umoci") / "bundle"
    subprocess.run(["umoci", "unpack", "--image", f"{debian_image()}:{NAME}", bundle], check=True)
    return walk(sys.executable, treewalk.__file__, bundle / "rootfs")


def walk(*command):
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    for about in found.values():
        about.pop("links", None)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)  # debootstrap, when nobody has made the image yet
def test_every_entry_is_as_umoci_has_it(ours, theirs):
    assert set(ours) == set(theirs)
    assert {path: (ours[path], theirs[path]) for path in ours if ours[path] != theirs[path]} == {}
    assert len(ours) > 5000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_holds_what_it_is_to_prove(ours):
    """So that the comparison is not one of nothing."""
    assert {stat.S_IFMT(int(about["mode"], 8)) for about in ours.values()} == KINDS
    assert ours["srv/kinds/capable"]["xattrs"].keys() == {"security.capability"}
    assert ours["srv/kinds/char"]["device"] == "259:70000"
    assert ours["srv/kinds/hard-1"]["same"] == ours["srv/kinds/hard-3"]["same"] == "srv/kinds/hard-1"
    assert "srv/kinds/hard-2" not in ours
    assert (ours["srv/private"]["mode"], ours["srv/private"]["owner"]) == ("0o42770", "10:20")
    assert not {"srv/deleted", "srv/opaque/gone", "srv/opaque/below", "srv/becomes-file/inside"} & set(ours)
    assert ours["srv/becomes-link"]["target"] == "kinds"
    assert ours["srv/late/sparse"]["size"] == (8 << 20) + 5
    assert "srv/names/\udcff\udcfe" in ours


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_layers_are_kept_apart_and_holes_stay_holes(store):
    image = store.get("localhost/debian:1")
    layers = store.layer_dirs(image)
    assert len(layers) == LAYERS
    late = Path(layers[0]) / "srv/late"
    for name, size, most in (
        ("sparse", (8 << 20) + 5, 32 << 10),
        ("hole", 3 << 20, 0),
        ("many-holes", 200 << 16, 1 << 20),
    ):
        info = (late / name).stat()
        assert (info.st_size, info.st_blocks * 512 <= most) == (size, True), name
