# SPDX-License-Identifier: Apache-2.0
"""Tests of this folder use the real kernel and need root; nowhere else do they make sense."""

import os
import subprocess

import pytest

from ansibletools import NO_MODULE, play
from imagetools import make_busybox_image
from podtools import IMAGE
from podwright.images.store import ImageStore
from registry import Registry
from storetools import PODINIT
from unpacktools import SOURCE, outside


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them for whoever is not root, and say why."""
    if os.geteuid() == 0:
        return
    folder = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(folder):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """An OCI image layout of busybox."""
    path = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(path)
    return path


@pytest.fixture
def machine(host, layout):
    """A Podwright installation with an image."""
    host.run("import", layout, IMAGE)
    return host


@pytest.fixture
def playing(machine, tmp_path):
    """Play tasks on the installation."""

    def call(*tasks, options=(), environment=None, **variables):
        environment = {"PODWRIGHT_CONFIG": str(machine.config_path), **(environment or {})}
        return play(tmp_path, list(tasks), environment, options, **(variables or NO_MODULE))

    return call


@pytest.fixture
def jail(tmp_path):
    """An empty directory, in a folder where everything else must stay as it is."""
    (tmp_path / "canary").write_text("untouched")
    (tmp_path / "etc").mkdir()
    (tmp_path / "jail").mkdir()
    before = outside(tmp_path)
    yield tmp_path / "jail"
    assert outside(tmp_path) == before


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory):
    """podinit built with AddressSanitizer and UndefinedBehaviorSanitizer."""
    binary = tmp_path_factory.mktemp("asan") / "podinit"
    subprocess.run(["make", "-s", "-C", SOURCE, "asan", f"ASAN_OUT={binary}"], check=True)
    return binary


@pytest.fixture
def store(tmp_path):
    """An empty image store, in the folder ``root``."""
    return ImageStore(str(tmp_path / "root"), podinit=PODINIT)


@pytest.fixture(scope="module")
def registry():
    """A real registry."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def place(registry, request):
    """A reference in the real registry that no other test uses."""
    return f"{registry.address}/{abs(hash(request.node.name)):x}/image"
