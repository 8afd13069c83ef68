# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every kind of test shares."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from hosttools import Host, HostState

# a busy machine is slow, which says nothing about the code
settings.register_profile("podwright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("podwright")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain a failed ``snapshot() == before`` by what differs alone."""
    if op != "==" or not (isinstance(left, HostState) and isinstance(right, HostState)):
        return None
    sides = (("only on the left", left.new_since(right)), ("only on the right", right.new_since(left)))
    return [
        "the host's state is the same",
        *(f"{side}: {field}: {line}" for side, found in sides for field, lines in found.items() for line in lines[:50]),
    ]


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
