# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every kind of test shares."""

from collections.abc import Iterator

import pytest

from hosttools import Host


@pytest.fixture
def host() -> Iterator[Host]:
    """A Podwright installation of this test's own; at the end nothing of it may be left."""
    installation = Host()
    yield installation
    installation.close()


@pytest.fixture(scope="module")
def module_host() -> Iterator[Host]:
    """A Podwright installation that the tests of one file share."""
    installation = Host()
    yield installation
    installation.close()
