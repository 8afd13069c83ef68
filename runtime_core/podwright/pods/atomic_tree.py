# SPDX-License-Identifier: Apache-2.0
"""A folder whose files are all replaced at once, as Kubernetes does it, for whoever has it mounted.

::

    <folder>/..2026_11_25_16_05_44.1f2e3d4c/    the files, written once
    <folder>/..data                             a symlink to that: what an update swaps
    <folder>/<name>                             a symlink to ..data/<name>, for each name at the top
"""

import os
import time
from collections.abc import Mapping

from podwright.pods.ownership import SETGID
from podwright.pods.projection import File
from podwright.trees import remove_tree

_DATA = "..data"
_NEW = "..data_tmp"


def write(folder: str, files: Mapping[str, File]) -> None:
    """Make the files those of a folder. Killed at any step it leaves the old or the new, which the next ends.

    What is as it shall be is not touched. The caller sees to it that only one writes.
    """
    current = _target(folder)
    if current is None or _read(f"{folder}/{current}") != dict(files):
        current = _new_tree(folder, files)
        _symlink(current, f"{folder}/{_NEW}")
        os.rename(f"{folder}/{_NEW}", f"{folder}/{_DATA}")
    wanted = {path.partition("/")[0] for path in files}
    for name in os.listdir(folder):
        if name not in (current, _DATA) and name not in wanted:
            _remove(f"{folder}/{name}")
    for name in wanted:
        if not os.path.islink(f"{folder}/{name}"):
            os.symlink(f"{_DATA}/{name}", f"{folder}/{name}")


def _target(folder: str) -> str | None:
    try:
        return os.readlink(f"{folder}/{_DATA}")
    except FileNotFoundError:
        return None


def _read(folder: str) -> dict[str, File] | None:
    """Return the files below a folder; None when it is not there whole."""
    found = {}
    try:
        for place, _folders, names in os.walk(folder):
            for name in names:
                path = f"{place}/{name}"
                with open(path, "rb") as file:
                    mode = os.fstat(file.fileno()).st_mode & 0o7777
                    found[path[len(folder) + 1 :]] = File(file.read(), mode)
    except FileNotFoundError:
        return None
    return found


def _new_tree(folder: str, files: Mapping[str, File]) -> str:
    name = f"..{time.strftime('%Y_%m_%d_%H_%M_%S', time.gmtime())}.{os.urandom(4).hex()}"
    _make(f"{folder}/{name}")
    made = {""}
    for path, file in files.items():
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in made:
                _make(f"{folder}/{name}/{parent}")
                made.add(parent)
        fd = os.open(f"{folder}/{name}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as out:
            out.write(file.data)
            os.fchmod(fd, file.mode)  # the caller's umask is not ours
    return name


def _make(folder: str) -> None:
    os.mkdir(folder, 0o700)
    inherited = os.stat(folder).st_mode & SETGID  # where the volume belongs to the pod's group
    os.chmod(folder, 0o755 | inherited)  # noqa: S103  # Kubernetes' mode: the files have their own


def _symlink(target: str, path: str) -> None:
    try:
        os.symlink(target, path)
    except FileExistsError:  # of a writer that was killed
        os.unlink(path)
        os.symlink(target, path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)
