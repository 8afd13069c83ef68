# SPDX-License-Identifier: Apache-2.0
"""Capabilities by name, number and mask."""

import re

import pytest

from podwright.errors import ManifestError
from podwright.security import capabilities


def test_the_default_is_containerds_fourteen():
    assert len(set(capabilities.DEFAULT)) == 14
    assert f"{capabilities.mask(capabilities.DEFAULT):016x}" == "00000000a80425fb"


def test_the_numbers_are_the_kernels():
    try:
        with open("/usr/include/linux/capability.h") as file:
            found = re.findall(r"^#define (CAP_[A-Z_]+)\s+(\d+)$", file.read(), re.MULTILINE)
    except FileNotFoundError:
        pytest.skip("linux-libc-dev is not installed")
    assert dict(found).items() <= {name: str(number) for number, name in enumerate(capabilities.NAMES)}.items()
    assert len(found) == len(capabilities.NAMES)


def test_names_and_mask_are_inverse():
    assert capabilities.names(capabilities.mask(capabilities.NAMES)) == list(capabilities.NAMES)
    assert capabilities.mask([]) == 0
    assert capabilities.names(0) == []


@pytest.mark.parametrize("name", ["CAP_NOTHING", "SYS_ADMIN", "cap_chown", ""])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(ManifestError) as caught:
        capabilities.mask(["CAP_CHOWN", name], field="process.capabilities.bounding")
    assert (caught.value.field, caught.value.value) == ("process.capabilities.bounding", name)
