# SPDX-License-Identifier: Apache-2.0
"""The structure of ``resources``; a part of ``models.py``."""

from typing import Literal

from podwright.manifest.model import Object, Quantity

Quantities = dict[str, Quantity]


class ResourceRequirements(Object):
    """What of the host a container may use, or all containers of a pod together."""

    limits: Quantities | None = None
    """The most of each: `cpu`, `memory`, `hugepages-<size>`, and of a container `ephemeral-storage`."""
    requests: Quantities | None = None
    """What it is weighed by; the limits unless given."""


class ContainerResizePolicy(Object):
    """Whether the container has to start again for a new amount of a resource."""

    resource_name: Literal["cpu", "memory"]
    """Of requests and limits."""
    restart_policy: Literal["NotRequired", "RestartContainer"]
    """NotRequired for a resource that is not listed."""
