# SPDX-License-Identifier: Apache-2.0
"""A mount of type ``cgroup``: the container's own cgroups, where programs look for them."""

from __future__ import annotations

import os

from podwright.errors import ManifestError
from podwright.oci.mount_options import NODEV, NOEXEC, NOSUID, RDONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from podwright.oci.mount_options import MountOptions

    Hierarchy = tuple[str, Collection[str], str]
    """Its mount point, its controllers (none for the unified one), and the container's directory in it."""

TYPES = ("cgroup", "cgroup2")
_SAFE = NOSUID | NODEV | NOEXEC


def cgroup_steps(
    source: str,
    target: str,
    options: MountOptions,
    hierarchies: Sequence[Hierarchy],
    *,
    own_namespace: bool,
    field: str,
) -> tuple[list[Any], list[Any]]:
    """Return the steps that mount, and those to be done when all mounts are there.

    The unified hierarchy alone is mounted as cgroup2 when the container has a cgroup namespace, so that it sees its own
    cgroup as the root, and bound otherwise. The hierarchies of cgroup v1 are bound side by side in a tmpfs, with a link
    for each controller of several that share one. Without cgroups the container gets an empty directory.
    """
    unified = len(hierarchies) == 1 and not hierarchies[0][1]
    propagation = {"propagation": options.propagation} if options.propagation else {}
    if unified and own_namespace:
        attributes = options.set | _SAFE
        return [["mount", "cgroup2", source, target, attributes, options.parameters, propagation]], []
    if options.parameters:
        raise ManifestError(
            f"{field}: {options.parameters[0]!r} is for a hierarchy that is mounted anew, which this one is not",
            field=field,
        )
    if unified:
        return [_bind(hierarchies[0][2], target, options, propagation)], []
    steps = _side_by_side(source, target, options, hierarchies, propagation)
    # the tmpfs, when all is in it
    return steps, [["attributes", target, RDONLY, 0]] if options.set & RDONLY else []


def _side_by_side(
    source: str, target: str, options: MountOptions, hierarchies: Sequence[Hierarchy], propagation: dict[str, int]
) -> list[Any]:
    attributes = (options.set | _SAFE) & ~RDONLY
    steps: list[Any] = [["mount", "tmpfs", source, target, attributes, ["mode=755", "size=64k"], propagation]]
    links: list[Any] = []
    for mount_point, controllers, directory in hierarchies:
        name = os.path.basename(mount_point)
        steps.append(_bind(directory, f"{target}/{name}", options, propagation))
        # name=systemd is no controller, and its directory has another name
        links += [["symlink", name, f"{target}/{item}"] for item in sorted(controllers) if "=" not in item]
    taken = {step[2] for step in steps[1:]}
    return [*steps, *(link for link in links if link[2] not in taken)]


def _bind(directory: str, target: str, options: MountOptions, extra: dict[str, int]) -> list[Any]:
    attributes = options.set | _SAFE
    return ["bind", directory, target, attributes, options.clear & ~attributes, dict(extra)]
