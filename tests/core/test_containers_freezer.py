# SPDX-License-Identifier: Apache-2.0
"""Whether a container is paused, from files as the kernel has them."""

import pytest

from podwright.containers.freezer import is_frozen


@pytest.mark.parametrize(
    ("version", "file", "text", "frozen", "partly"),
    [
        (1, "freezer.state", "THAWED\n", False, False),
        (1, "freezer.state", "FREEZING\n", False, True),
        (1, "freezer.state", "FROZEN\n", True, True),
        (2, "cgroup.events", "populated 1\nfrozen 0\n", False, False),
        (2, "cgroup.events", "populated 1\nfrozen 1\n", True, True),
    ],
)
def test_the_group_says_whether_it_is_frozen(tmp_path, version, file, text, frozen, partly):
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / file).write_text(text)
    record = [[1, str(tmp_path), ["memory"], "c2"], [version, f"{tmp_path}/", ["freezer"], "c1"]]
    assert is_frozen(record) is frozen
    assert is_frozen(record, partly=True) is partly


def test_a_group_that_is_gone_is_not_frozen(tmp_path):
    assert not is_frozen([[2, str(tmp_path), [], "c1"], [1, str(tmp_path), ["freezer"], "c1"]])
    assert not is_frozen([])
