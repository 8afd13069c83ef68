# SPDX-License-Identifier: Apache-2.0
"""What lies in the store's folders, whether an image reaches it or not, told apart by its name."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_HEX = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.tmp-.*|.*\.tmp|[0-9a-f]{64}\.lock")
_OWN = ("blobs", "index.json", "ingest", "oci-layout", ".gate", ".lock")


class Inventory(NamedTuple):
    """The content of ``<root>/images`` and ``<root>/layers``."""

    blobs: list[str]
    """Digests."""
    layers: list[str]
    """Diff-ids of what is unpacked."""
    unfinished: list[str]
    """Paths of what a writer has begun: a blob on its way in, a layer being unpacked or removed, and its lock."""
    foreign: list[str]
    """Paths that podwright has not made."""


def take(root: str) -> Inventory:
    """List what the store at ``root`` holds; what is not there yet is empty."""
    blobs, layers, unfinished, foreign = [], [], [], []
    for entry in _scan(f"{root}/images"):
        if _TEMPORARY.fullmatch(entry.name):
            unfinished.append(entry.path)
        elif entry.name not in _OWN:
            foreign.append(entry.path)
    foreign += [entry.path for entry in _scan(f"{root}/images/blobs") if entry.name != "sha256"]
    for entry in _scan(f"{root}/images/blobs/sha256"):
        if _HEX.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            blobs.append(f"sha256:{entry.name}")
        else:
            (unfinished if _TEMPORARY.fullmatch(entry.name) else foreign).append(entry.path)
    unfinished += [entry.path for entry in _scan(f"{root}/images/ingest")]
    for entry in _scan(f"{root}/layers"):
        if _HEX.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            layers.append(f"sha256:{entry.name}")
        elif _TEMPORARY.fullmatch(entry.name):
            unfinished.append(entry.path)
        elif entry.name != ".lock":
            foreign.append(entry.path)
    return Inventory(sorted(blobs), sorted(layers), sorted(unfinished), sorted(foreign))


def _scan(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return
