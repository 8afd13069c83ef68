# SPDX-License-Identifier: Apache-2.0
"""Forgetting images, and giving back the space of what nobody needs.

``prune`` may be killed at any instruction: names go first, then layers, then blobs, so the store never names what it
has not, and what is left over is found by the next ``prune`` (or the next pull).
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from podwright.errors import ImageError
from podwright.files import locked
from podwright.images import gate, inventory
from podwright.images import reference as references
from podwright.images.contents import contents
from podwright.images.garbage import garbage
from podwright.images.store import ImageStore
from podwright.images.trash import Trash
from podwright.images.usage import size_of
from podwright.images.used import Used


class Pruned(NamedTuple):
    """What ``prune`` removed, or would remove."""

    images: list[str]
    """Full references that lost their image."""
    blobs: list[str]
    """Digests."""
    layers: list[str]
    """Diff-ids."""
    leftovers: list[str]
    """Paths of what dead processes had begun."""
    size: int
    """Bytes on the disk that all of it took."""


def remove(store: ImageStore, reference: str, used: Used, *, force: bool = False) -> bool:
    """Forget an image; False when there is none of that name. Its space comes back with ``prune``.

    Raises ImageError when pods or containers use it, unless ``force``: they run on then, until they are made anew.
    """
    name = str(references.parse(reference))
    users = used.images.get(name)
    if users and not force and store.layout.find(name):
        reason = f"it is used by {', '.join(users)}: delete what uses it first"
        way_out = "or force the removal: what runs then runs on, and needs the image again when it is made anew"
        raise ImageError(f"image {name}: {reason}, {way_out}", value=name)
    return store.remove(name)


def prune(
    store: ImageStore,
    used: Callable[[], Used],
    *,
    all: bool = False,  # noqa: A002 - the command line's word
    dry_run: bool = False,
) -> Pruned:
    """Remove blobs and layers that neither a name nor a container needs, and what dead processes left unfinished.

    ``all`` forgets the images first that no pod or container uses. ``used`` tells what is in use, and is called while
    nobody pulls or applies. Raises HostError when somebody does so for longer than ``gate.PATIENCE``, and ImageError
    when the index is damaged: then nothing is known to be unused.
    """
    with Trash(f"{store.root}/layers") as trash:
        with gate.alone(store.root):
            held = inventory.take(store.root)
            chosen = garbage(contents(store.layout), held, used(), images=all)
            leftovers = [path for path in held.unfinished if not inventory.is_held(path)]
            trees = [path for path in leftovers if os.path.isdir(path)] + list(map(store.layers.path, chosen.layers))
            trees += filter(os.path.isdir, map(store.parents.above, chosen.layers))
            files = [path for path in leftovers if path not in trees] + list(map(store.layout.blob_path, chosen.blobs))
            size = sum(map(size_of, files))
            if not dry_run:
                for name in chosen.images:
                    store.remove(name)
                trees = [trash.take(path) for path in trees]
                _unlink(store.layout.root, files)
        size += sum(map(size_of, trees))
    return Pruned(chosen.images, chosen.blobs, chosen.layers, leftovers, size)


def _unlink(images: str, paths: Iterable[str]) -> None:
    with locked(f"{images}/.lock"):  # the index is written under it, to a temporary name first
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
