# SPDX-License-Identifier: Apache-2.0
"""Whether a container is paused, from its record alone.

``ContainerCgroup.frozen`` tells the same. But every ``state`` asks, and loading all that can change cgroups, to read
one file, would make up a third of that command.
"""

from __future__ import annotations

from podwright.files import read_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def is_frozen(record: Sequence[Sequence[Any]], *, partly: bool = False) -> bool:
    """Tell whether all processes in the groups of ``ContainerCgroup.record()`` are stopped.

    With ``partly``, also whether they shall be, or some are.
    """
    for version, mount, controllers, group in record:
        directory = f"{mount.rstrip('/')}/{group}"
        if version == 2 and "frozen 1" in _read(f"{directory}/cgroup.events").splitlines():
            return True
        if version == 1 and "freezer" in controllers:
            state = _read(f"{directory}/freezer.state").strip()
            if state == "FROZEN" or (partly and state == "FREEZING"):
                return True
    return False


def _read(path: str) -> str:
    try:
        return read_small(path).decode()
    except OSError:  # the group is gone, and so is what was in it
        return ""
