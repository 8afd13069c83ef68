# SPDX-License-Identifier: Apache-2.0
"""The guest, booted once for all tests of this folder."""

import os
from collections.abc import Iterator

import pytest

from guest import Guest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests the time that an emulated machine may take to boot, and make none for whoever is not root."""
    folder = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(folder):
            item.add_marker(pytest.mark.timeout(1200))
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A guest that answers. It fails, and never skips, where it cannot be had."""
    machine = Guest(tmp_path_factory.mktemp("guest"))
    try:
        machine.boot()
        yield machine
    finally:
        machine.close()
