# SPDX-License-Identifier: Apache-2.0
"""Tests of this folder use the real kernel and need root; nowhere else do they make sense."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them for whoever is not root, and say why."""
    if os.geteuid() == 0:
        return
    folder = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(folder):
            item.add_marker(pytest.mark.skip(reason="needs root"))
