# SPDX-License-Identifier: Apache-2.0
"""A folder beside the unpacked layers that goes at the end, with all that was put into it."""

import fcntl
import os

from podwright.files import locked, make_folders
from podwright.trees import remove_tree


class Trash:
    """Enter it to have the folder ``path``, empty; its lock tells others that it is in use.

    Moving a layer there takes no time, removing it does: so the lock under which one decides what may go need not be
    held while it goes. What a killed process leaves is found by its name, as a layer that was half unpacked.
    """

    def __init__(self, layers: str) -> None:
        self._layers = layers
        self.path = f"{layers}/.tmp-{os.urandom(8).hex()}"
        self._fd = -1

    def __enter__(self) -> "Trash":
        make_folders(self._layers)
        with locked(f"{self._layers}/.lock"):  # who removes what dead processes left looks at locks under this one
            os.mkdir(self.path, 0o700)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_SH)
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            remove_tree(self.path)
        finally:
            os.close(self._fd)

    def take(self, path: str) -> str:
        """Move a directory here, and return where it is now."""
        target = f"{self.path}/{os.path.basename(path)}"
        os.rename(path, target)
        return target
