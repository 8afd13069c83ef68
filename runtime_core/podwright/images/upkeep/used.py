# SPDX-License-Identifier: Apache-2.0
"""What of the store is in use. Who knows it is above this package: ``podwright.pods.in_use``."""

from typing import NamedTuple


class Used(NamedTuple):
    """Images that something would miss, and layers that something lies on."""

    images: dict[str, list[str]]
    """By full reference, who uses it, in words: ``pod default/web``."""
    layers: dict[str, list[str]]
    """The same by diff-id. A container lies on its layers also when its image has lost its name."""
