# SPDX-License-Identifier: Apache-2.0
"""Removing folders of pods."""

import os
import time

from podwright.errors import HostError


def remove_tree(path: str) -> None:
    """Remove a folder and all below it, following no link. No such folder is no error.

    What a process that was just killed still adds is waited for briefly.
    """
    for _ in range(100):
        try:
            entries = list(os.scandir(path))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                os.unlink(entry.path)
        try:
            os.rmdir(path)
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise HostError(f"the folder {path} cannot be removed: something keeps writing to it")
