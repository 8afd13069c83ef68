# SPDX-License-Identifier: Apache-2.0
"""How often the kernel has killed a process of a container for want of memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def kills(events: Mapping[str, str] | None) -> int:
    """Return the number that stands at ``key`` in ``file`` (see ``ContainerCgroup.oom_events``); 0 for what is gone."""
    if events is None:
        return 0
    try:
        with open(events["file"], "rb") as file:
            lines = file.read().decode().splitlines()
    except OSError:
        return 0
    pairs = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(pairs.get(events["key"], "0"))
