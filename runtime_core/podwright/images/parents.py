# SPDX-License-Identifier: Apache-2.0
"""Directories that a layer holds without describing them.

A layer may have an entry ``srv/private/file`` and none of ``srv/private``: nothing of that directory changed. overlayfs
shows a directory as the topmost layer that holds it, so each image of several layers gets one more layer on top of
them, of directories alone, that look as the topmost layer that describes them says. podinit marks in the layers which
directories those are (podinit/directories.h).
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from podwright.files import locked, make_folders
from podwright.trees import remove_tree

_IMPLIED = "trusted.overlay.implied"
_IMPLIES = "trusted.overlay.implies"
_OPAQUE = "trusted.overlay.opaque"
_OVERLAY = "trusted.overlay."


class Look(NamedTuple):
    """What a directory has beside its name and its content."""

    mode: int
    uid: int
    gid: int
    mtime: int
    """Nanoseconds."""
    attributes: dict[str, bytes]


class Parents:
    """The folder ``root`` of these layers, each named by its image's chain-id (OCI config.md, "Layer ChainID").

    They stand in one folder for each topmost layer, and nothing needs them when that layer is gone.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def path(self, diff_ids: Sequence[str]) -> str:
        """Return the folder that belongs to layers, bottom first, whether it is there or not."""
        chain = diff_ids[0]
        for diff_id in diff_ids[1:]:
            chain = f"sha256:{hashlib.sha256(f'{chain} {diff_id}'.encode()).hexdigest()}"
        return os.path.join(self.above(diff_ids[-1]), chain.removeprefix("sha256:"))

    def above(self, diff_id: str) -> str:
        """Return the folder of all that belong to images with this topmost layer, whether it is there or not."""
        return os.path.join(self._root, f"above-{diff_id.removeprefix('sha256:')}")

    def make(self, diff_ids: Sequence[str], layers: Sequence[str]) -> str:
        """Return that folder, made when it is missing; ``layers`` are the layers' folders, topmost first."""
        path = self.path(diff_ids)
        if os.path.isdir(path):
            return path
        make_folders(self._root)
        temporary = os.path.join(self._root, ".tmp")
        with locked(os.path.join(self._root, ".lock")):
            remove_tree(temporary)  # of a process that died
            if not os.path.isdir(path):
                _build(temporary, _looks(layers))
                make_folders(os.path.dirname(path))
                os.rename(temporary, path)
        return path


# ---- what the layers say ----


def _looks(layers: Sequence[str]) -> dict[str, Look]:
    """Return the directories that overlayfs would show otherwise than they should be, and those above them."""
    wrong = {path for layer in layers for path in _implied(layer) if _is_wrong(layers, path)}
    parts = [path.split("/") for path in wrong]
    above = {"/".join(names[:count]) for names in parts for count in range(len(names))}
    return {path: _right_look(layers, path) for path in wrong | above | {""}}


def _right_look(layers: Sequence[str], path: str) -> Look:
    shown, right = _shown_and_right(layers, path)
    return _look(right or shown)


def _is_wrong(layers: Sequence[str], path: str) -> bool:
    shown, right = _shown_and_right(layers, path)
    return bool(right) and right != shown and _look(right) != _look(shown)


def _shown_and_right(layers: Sequence[str], path: str) -> tuple[str, str]:
    """Return the folder that overlayfs takes a directory's look from, and the one that describes it; "" for none."""
    found = list(_merged(layers, path))
    return next(iter(found), ""), next((each for each in found if not _has(each, _IMPLIED)), "")


def _merged(layers: Sequence[str], path: str) -> Iterator[str]:
    """Yield the folders that together are one directory of the image, topmost first."""
    for layer in layers:
        place, last = layer, False
        for name in path.split("/") if path else ():
            last = last or _has(place, _OPAQUE)
            place = os.path.join(place, name)
            try:
                mode = os.lstat(place).st_mode
            except FileNotFoundError:
                break
            if not stat.S_ISDIR(mode):
                return  # a file or a whiteout, which hides what is below
        else:
            yield place
        if last:
            return


def _implied(layer: str) -> Iterator[str]:
    """Yield a layer's marked directories but the root, relative to it."""
    pending = [""] if _has(layer, _IMPLIES) else []
    while pending:
        path = pending.pop()
        if path and _has(os.path.join(layer, path), _IMPLIED):
            yield path
        try:
            with os.scandir(os.path.join(layer, path)) as entries:
                pending += [os.path.join(path, each.name) for each in entries if each.is_dir(follow_symlinks=False)]
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # deeper than one path reaches: let it be as overlayfs shows it
                raise


def _has(path: str, attribute: str) -> bool:
    try:
        os.getxattr(path, attribute, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENAMETOOLONG):
            return False
        raise
    return True


def _look(path: str) -> Look:
    about = os.lstat(path)
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith(_OVERLAY)]
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    return Look(stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid, about.st_mtime_ns, attributes)


# ---- the layer of directories ----


def _build(folder: str, looks: dict[str, Look]) -> None:
    paths = sorted(looks)  # what is above comes before
    for path in paths:
        os.mkdir(os.path.join(folder, path) if path else folder)
    for path in reversed(paths):
        _dress(os.path.join(folder, path), looks[path])


def _dress(path: str, look: Look) -> None:
    os.chown(path, look.uid, look.gid)
    os.chmod(path, look.mode)
    for name, value in look.attributes.items():
        os.setxattr(path, name, value)
    os.utime(path, ns=(look.mtime, look.mtime))
