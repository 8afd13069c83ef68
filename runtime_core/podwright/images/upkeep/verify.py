# SPDX-License-Identifier: Apache-2.0
"""Checking that the store still holds what was verified when it came in, and taking out what does not.

A layer is checked by unpacking it once more, with the same program, and comparing the two trees: so there is only one
opinion on what a tar means, and nothing has to be noted when a layer is made. It needs room for the largest layer.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from podwright.errors import HostError, ImageError
from podwright.images import gate
from podwright.images.documents import Descriptor
from podwright.images.layers import Layers
from podwright.images.layout import Layout
from podwright.images.parents import Parents
from podwright.images.store import ImageStore
from podwright.images.upkeep import inventory
from podwright.images.upkeep.compare import differences
from podwright.images.upkeep.contents import Content, contents
from podwright.images.upkeep.trash import Trash
from podwright.images.upkeep.used import Used
from podwright.trees import remove_tree

_PIECE = 1 << 20  # bytes


class Damage(NamedTuple):
    """Something in the store that is not as it should be."""

    kind: str
    """``blob``, ``layer``, ``parents`` (the directories on top of an image's layers), ``image`` (its documents are
    wrong), or ``foreign`` (a file of somebody else)."""
    name: str
    """The digest, the diff-id (for parents that of the topmost layer), the full reference, or the path."""
    images: list[str]
    """The names that reach it."""
    reason: str
    """What is wrong with it, and why it was left when it was."""
    removed: bool
    """Whether it was taken out, so that the next pull fetches it, or the next use unpacks it, again."""


class Verified(NamedTuple):
    """What was found; the numbers are of what is sound."""

    damages: list[Damage]
    images: int
    blobs: int
    layers: int
    unchecked: list[str]
    """Diff-ids of layers whose blob is not there (any more), or damaged: nothing says what should be in them."""


class _Suspect(NamedTuple):
    damage: Damage
    path: str
    identity: tuple[int, int, int] | None


def verify(store: ImageStore, used: Callable[[], Used]) -> Verified:
    """Read all of the store. Damaged blobs and layers are taken out, but no layer that something lies on.

    ``used`` tells what does, and is called while nobody pulls or applies. Raises ImageError when the index is damaged,
    and HostError or OSError when there is no room to check a layer in.
    """
    with Trash(f"{store.root}/layers") as trash:
        with gate.shared(store.root):  # nothing is removed meanwhile
            found = contents(store.layout)
            held = inventory.take(store.root)
            blobs = _check_blobs(store.layout, held.blobs, found)
            sound = set(held.blobs) - {suspect.damage.name for suspect in blobs}
            layers, unchecked = _check_layers(store, held.layers, found, sound, trash)
            parents = _check_parents(store, {suspect.damage.name for suspect in layers}, trash)
        damages = [
            *_take_out(store, [*blobs, *layers, *parents], used, trash),
            *_missing(found, held.blobs),
            *(
                Damage("image", content.name, [content.name], fault, False)
                for content in found
                for fault in content.faults
            ),
            *(Damage("foreign", path, [], "it is none of podwright's files", False) for path in held.foreign),
        ]
    concerned = {name for damage in damages for name in damage.images}
    return Verified(
        sorted(damages),
        len({content.name for content in found} - concerned),
        len(sound),
        len(held.layers) - len(layers) - len(unchecked),
        unchecked,
    )


def _missing(found: Sequence[Content], blobs: Sequence[str]) -> list[Damage]:
    absent = {digest for content in found for digest in content.blobs} - set(blobs)
    return [Damage("blob", digest, _names(found, digest), "it is missing", False) for digest in absent]


def _names(found: Sequence[Content], digest: str) -> list[str]:
    return sorted({content.name for content in found if digest in content.blobs or digest in content.layers})


# ---- blobs ----


def _check_blobs(layout: Layout, digests: Sequence[str], found: Sequence[Content]) -> list[_Suspect]:
    """Hash every blob, as many at a time as there are processors: hashlib lets other threads run meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    sizes = {digest: blob.size for content in found for digest, blob in content.blobs.items()}
    suspects = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for digest, fault in zip(
            digests, threads.map(lambda one: _blob_fault(layout, one, sizes), digests), strict=True
        ):
            if fault:
                damage = Damage("blob", digest, _names(found, digest), fault, False)
                suspects.append(_suspect(damage, layout.blob_path(digest)))
    return suspects


def _blob_fault(layout: Layout, digest: str, sizes: Mapping[str, int]) -> str:
    """Say what is wrong with a blob, "" for nothing."""
    hashed, size = hashlib.sha256(), 0
    try:
        for chunk in layout.chunks(digest):
            hashed.update(chunk)
            size += len(chunk)
    except FileNotFoundError:
        return ""  # a pull has found it damaged, and fetches it again
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if f"sha256:{hashed.hexdigest()}" == digest:
        return ""
    if size != sizes.get(digest, size):
        return f"it has {size} bytes instead of {sizes[digest]}"
    return f"it has other content: its digest is sha256:{hashed.hexdigest()}"


# ---- layers ----


def _check_layers(
    store: ImageStore, diff_ids: Sequence[str], found: Sequence[Content], sound: Collection[str], trash: Trash
) -> tuple[list[_Suspect], list[str]]:
    """Compare every layer with what its blob unpacks to; returns those that differ, and those that have no blob."""
    blobs = {each: blob for content in found for each, blob in content.layers.items() if blob.digest in sound}
    suspects = []
    for diff_id in sorted(blobs.keys() & set(diff_ids)):
        fault = _layer_fault(store, diff_id, blobs[diff_id], trash)
        if fault:
            damage = Damage("layer", diff_id, _names(found, diff_id), fault, False)
            suspects.append(_suspect(damage, store.layers.path(diff_id)))
    return suspects, [diff_id for diff_id in diff_ids if diff_id not in blobs]


def _layer_fault(store: ImageStore, diff_id: str, blob: Descriptor, trash: Trash) -> str:
    """Say in what a layer differs from its blob, "" for nothing."""
    again = Layers(f"{trash.path}/again", store.podinit)
    since = os.stat(trash.path).st_mtime_ns  # by the clock of the file system
    try:
        again.unpack(diff_id, store.layout.chunks(blob.digest), blob.size)
        found = list(differences(again.path(diff_id), store.layers.path(diff_id), since))
    except ImageError as error:
        return error.message
    finally:
        remove_tree(again.path(diff_id))
    return _told(found)


def _check_parents(store: ImageStore, damaged: Collection[str], trash: Trash) -> list[_Suspect]:
    """Make what lies on top of the layers of each image once more, from layers that are sound, and compare."""
    again = Parents(f"{trash.path}/parents")
    since = os.stat(trash.path).st_mtime_ns
    suspects = []
    for image in store.list():
        path = store.parents.path(image.diff_ids) if image.diff_ids else ""
        if not os.path.isdir(path) or not all(map(store.layers.has, image.diff_ids)):
            continue
        if any(diff_id in damaged for diff_id in image.diff_ids):
            continue
        layers = list(dict.fromkeys(map(store.layers.path, reversed(image.diff_ids))))
        fault = _told(list(differences(again.make(image.diff_ids, layers), path, since)))
        if fault:
            damage = Damage("parents", image.diff_ids[-1], [image.reference], fault, False)
            suspects.append(_suspect(damage, path))
    return suspects


def _told(found: Sequence[str]) -> str:
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


# ---- taking out ----


def _suspect(damage: Damage, path: str) -> _Suspect:
    return _Suspect(damage, path, _identity(path))


def _identity(path: str) -> tuple[int, int, int] | None:
    """Return what changes when the path gets another file; None when there is none."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _take_out(store: ImageStore, suspects: Sequence[_Suspect], used: Callable[[], Used], trash: Trash) -> list[Damage]:
    if not suspects:
        return []
    try:
        with gate.alone(store.root):
            layers = used().layers
            return [_removed(suspect, layers, trash) for suspect in suspects]
    except HostError as error:
        return [_left(suspect.damage, error.message) for suspect in suspects]


def _removed(suspect: _Suspect, used: Mapping[str, Sequence[str]], trash: Trash) -> Damage:
    damage = suspect.damage
    if damage.kind != "blob" and damage.name in used:
        return _left(damage, f"{', '.join(used[damage.name])} lies on it; delete that, and verify again")
    if suspect.identity is None or _identity(suspect.path) != suspect.identity:
        return _left(damage, "it was replaced meanwhile")
    if damage.kind == "blob":
        os.unlink(suspect.path)
    else:
        trash.take(suspect.path)
    return damage._replace(removed=True)


def _left(damage: Damage, why: str) -> Damage:
    return damage._replace(reason=f"{damage.reason} (left: {why})")
