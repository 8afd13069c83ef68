# SPDX-License-Identifier: Apache-2.0
"""The guest, booted once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from guest import Guest


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A guest that answers. It fails, and never skips, where it cannot be had."""
    machine = Guest(tmp_path_factory.mktemp("guest"))
    try:
        machine.boot()
        yield machine
    finally:
        machine.close()
