# SPDX-License-Identifier: Apache-2.0
"""Forgetting images, and giving back the space of what nobody needs.

``prune`` may be killed at any instruction, and works on a full disk: what no name reaches goes first, then layers (an
image that still has its name makes them again from its blobs), then names, and last the blobs that those reached. What
is left over is found by the next ``prune``.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from podwright.errors import ImageError
from podwright.files import is_held, locked
from podwright.images import gate, space
from podwright.images import reference as references
from podwright.images.store import ImageStore
from podwright.images.upkeep import inventory, usage
from podwright.images.upkeep.contents import contents
from podwright.images.upkeep.garbage import garbage
from podwright.images.upkeep.used import Used
from podwright.trees import remove_tree


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
    if not store.layout.find(name):
        return False
    if not force:
        check_unused(name, used)
    return store.remove(name)


def check_unused(name: str, used: Used) -> None:
    """Raise ImageError when pods or containers use the image of that full reference."""
    users = used.images.get(name)
    if users:
        reason = f"it is used by {', '.join(users)}: delete what uses it first"
        way_out = "or force the removal: what runs then runs on, and needs the image again when it is made anew"
        raise ImageError(f"image {name}: {reason}, {way_out}", field="name", value=name)


def prune(
    store: ImageStore,
    used: Callable[[], Used],
    *,
    all: bool = False,  # noqa: A002 - the command line's word
    dry_run: bool = False,
) -> Pruned:
    """Remove blobs and layers that neither a name nor a container needs, and what dead processes left unfinished.

    ``all`` forgets the images too that no pod or container uses. ``used`` tells what is in use; its word counts that it
    gives while nobody pulls or applies. Raises HostError when somebody does so for longer than ``gate.PATIENCE``, and
    ImageError when the index is damaged: then nothing is known to be unused.
    """
    size_of = functools.cache(usage.size_of)
    with gate.shared(store.root):  # measuring takes its time, so most of it is done while others may go on
        for path in _Doomed.choose(store, used(), images=all).paths:
            size_of(path)
    with gate.alone(store.root):
        doomed = _Doomed.choose(store, used(), images=all)
        size = sum(map(size_of, doomed.paths))
        moved = [] if dry_run else _take_out(store, doomed)
    for path in moved:
        remove_tree(path)
    return Pruned(doomed.images, doomed.blobs, doomed.layers, doomed.leftovers, size)


class _Doomed(NamedTuple):
    images: list[str]
    blobs: list[str]
    layers: list[str]
    leftovers: list[str]
    trees: list[str]
    """Paths of directories."""
    free: list[str]
    """Paths of files that no name reaches now."""
    named: list[str]
    """Paths of files that only names reach which go."""

    @classmethod
    def choose(cls, store: ImageStore, used: Used, *, images: bool) -> "_Doomed":
        found, held = contents(store.layout), inventory.take(store.root)
        chosen = garbage(found, held, used, images=images)
        nameless = set(garbage(found, held, used, images=False).blobs)
        leftovers = [path for path in held.unfinished if not is_held(path)]
        trees = [path for path in leftovers if os.path.isdir(path)]
        files = [path for path in leftovers if path not in trees]
        above = filter(os.path.isdir, map(store.parents.above, chosen.layers))
        return cls(
            *chosen,
            leftovers,
            [*trees, *above, *map(store.layers.path, chosen.layers)],  # so that a layer's death is not survived
            [*files, *(store.layout.blob_path(digest) for digest in chosen.blobs if digest in nameless)],
            [store.layout.blob_path(digest) for digest in chosen.blobs if digest not in nameless],
        )

    @property
    def paths(self) -> list[str]:
        return [*self.trees, *self.free, *self.named]


def _take_out(store: ImageStore, doomed: _Doomed) -> list[str]:
    """Remove the files, and return where the trees are now: to be removed when others may go on."""
    _unlink(store.layout.root, doomed.free)
    moved = [_move_aside(path, f"{store.root}/layers") for path in doomed.trees]
    try:
        _forget(store, doomed.images)
    except OSError as error:
        if not space.is_full(error):
            raise
        for path in moved:  # the new index finds room where they were
            remove_tree(path)
        _forget(store, doomed.images)
    _unlink(store.layout.root, doomed.named)
    return moved


def _forget(store: ImageStore, names: Iterable[str]) -> None:
    for name in names:
        store.layout.forget(name)


def _move_aside(path: str, folder: str) -> str:
    """Give a tree a name that says it is nobody's, where such are looked for: no layer is ever there in part."""
    target = f"{folder}/.tmp-{os.urandom(8).hex()}"
    os.rename(path, target)
    return target


def _unlink(images: str, paths: Iterable[str]) -> None:
    with locked(f"{images}/.lock"):  # the index is written under it, to a temporary name first
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
