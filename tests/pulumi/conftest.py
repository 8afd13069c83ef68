# SPDX-License-Identifier: Apache-2.0
"""The real engine, and stacks in it whose pods run in an installation of the test's own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi.runtime import mocks

from hosttools import Host
from imagetools import make_busybox_image
from mockengine import Engine
from pods import IMAGE
from stack import Stack

ENGINE = Path(__file__).parent / "engine" / "build.py"


@pytest.fixture(scope="session")
def engine() -> Path:
    """The folder of Pulumi's programs. It fails, and never skips, where they cannot be had."""
    done = subprocess.run([sys.executable, ENGINE], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, "the Pulumi engine could not be built; what it said is above"
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI image layout with busybox."""
    path = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(path)
    return path


@pytest.fixture
def stack(engine: Path, host: Host, layout: Path, tmp_path: Path) -> Iterator[Stack]:
    """A new stack for pods of ``host``, which has the image ``pods.IMAGE``."""
    host.run("import", layout, IMAGE)
    yield Stack(engine, tmp_path, host.env)


@pytest.fixture
def mocked() -> Engine:
    """The mock that stands for the engine."""
    mocked = Engine()
    mocks.set_mocks(mocked, preview=False)
    return mocked
