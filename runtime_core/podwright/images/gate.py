# SPDX-License-Identifier: Apache-2.0
"""Who may use the store's content, and who may remove it: never both at once.

A pull has blobs and layers that no image names yet, and an apply has chosen layers that no container lies on yet. Both
hold the gate shared, ``prune`` holds it alone; so what looks unused to it is unused.
"""

import os

from podwright.files import locked, make_folders


def shared(root: str) -> locked:
    """Hold the gate of the store at ``root``, beside others who add and use."""
    return locked(_path(root), shared=True)


def alone(root: str) -> locked:
    """Hold the gate of the store at ``root`` as the only one; waits for all who use the store."""
    return locked(_path(root))


def _path(root: str) -> str:
    folder = os.path.join(root, "images")
    make_folders(folder)
    return os.path.join(folder, ".gate")
