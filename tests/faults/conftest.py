# SPDX-License-Identifier: Apache-2.0
"""A store that must be in order after each test, whatever happened to it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulls import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of this test's own; at the end nothing in it is damaged, and ``prune`` removes what is half done."""
    with Store(tmp_path / "root") as store:
        yield store
    try:
        store.check()
        store.prune()
    finally:
        subprocess.run(["rm", "-rf", store.root], check=True)  # pytest's own way ends at a depth of some hundred
