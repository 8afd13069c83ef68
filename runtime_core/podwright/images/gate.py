# SPDX-License-Identifier: Apache-2.0
"""Who may use the store's content, and who may remove it: never both at once.

A pull has blobs and layers that no image names yet, and an apply has chosen layers that no container lies on yet. Both
hold the gate shared, and who removes holds it alone; so what looks unused then is unused.
"""

import os
import time

from podwright.errors import HostError
from podwright.files import locked, make_folders

PATIENCE = 30.0  # seconds
_PAUSE = 0.02  # seconds


def shared(root: str) -> locked:
    """Hold the gate of the store at ``root``, beside others who add and use. Waits for one who holds it alone."""
    return locked(_path(root), shared=True)


def alone(root: str, patience: float = PATIENCE) -> locked:
    """Hold the gate of the store at ``root`` as the only one.

    Waits ``patience`` seconds for those who use the store: a pull of a small image, an apply. One that takes longer, as
    the pull of a big image over a slow line may, is a HostError, so that whoever frees space on a schedule learns of it
    instead of hanging.
    """
    deadline = time.monotonic() + patience

    def pause() -> None:
        if time.monotonic() >= deadline:
            reason = "an image is being pulled, pushed or verified, or a pod applied; try again when that has ended"
            raise HostError(f"the image store below {root} has been in use for {patience:g} s: {reason}")
        time.sleep(_PAUSE)

    return locked(_path(root), pause=pause)


def _path(root: str) -> str:
    folder = os.path.join(root, "images")
    make_folders(folder)
    return os.path.join(folder, ".gate")
