# SPDX-License-Identifier: Apache-2.0
"""The cgroups of a container whose record is lost: found by what its creator wrote besides.

``plan.json`` is written when the groups have been made, and names them. So what it names is the container's own, and
never a group of somebody else's that ``linux.cgroupsPath`` would have led to.
"""

from __future__ import annotations

from podwright.errors import PodwrightError
from podwright.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podwright.cgroups.container import ContainerCgroup
    from podwright.containers.state import Folder


def lost_group(folder: Folder, *, systemd: bool, missing: str) -> ContainerCgroup | None:
    """Return the groups; None when there are none, or nothing tells which they are."""
    from podwright.cgroups.container import ContainerCgroup

    try:
        texts = []
        for name in ("plan.json", "config.json"):
            with open(f"{folder.path}/{name}", "rb") as file:
                texts.append(loads(file.read()))
        plan, spec = texts
        path = (spec.get("linux") or {}).get("cgroupsPath")
        group = ContainerCgroup.open(path, folder.id, systemd=systemd, missing=missing)
        named = plan["cgroups"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, PodwrightError):
        return None
    return group if named and named == group.directories else None
