# SPDX-License-Identifier: Apache-2.0
"""What of the store nobody needs: a decision over what its index reaches, what it holds and what is in use."""

from collections.abc import Sequence
from typing import NamedTuple

from podwright.images.layout import NAME
from podwright.images.upkeep.contents import Content
from podwright.images.upkeep.inventory import Inventory
from podwright.images.upkeep.used import Used


class Garbage(NamedTuple):
    """What may go."""

    images: list[str]
    """Full references, to be forgotten first: they reach some of the rest."""
    blobs: list[str]
    """Digests."""
    layers: list[str]
    """Diff-ids."""


def garbage(found: Sequence[Content], held: Inventory, used: Used, *, images: bool) -> Garbage:
    """Choose the blobs that no name reaches, and the layers that no name reaches and no container lies on.

    With ``images``, the names that no pod or container uses go as well. An entry of the index without a name is another
    tool's, and stays.
    """
    names = {content.name for content in found if NAME in content.entry.annotations}
    going = names - used.images.keys() if images else set()
    staying = [content for content in found if content.name not in going]
    blobs = {digest for content in staying for digest in content.blobs}
    layers = {diff_id for content in staying for diff_id in content.layers}
    return Garbage(
        sorted(going),
        [digest for digest in held.blobs if digest not in blobs],
        [diff_id for diff_id in held.layers if diff_id not in layers and diff_id not in used.layers],
    )
