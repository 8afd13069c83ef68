# SPDX-License-Identifier: Apache-2.0
"""The images that a pod needs: those of its containers, and those that are volumes."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Needed(NamedTuple):
    """One of them."""

    key: str
    """A container's name, or ``volume:`` and that of a volume."""
    reference: str
    policy: str
    """Always, IfNotPresent or Never."""
    user: str
    """Who needs it, for a sentence."""
    field: str
    """What the policy is called there."""


def needed(pod: Mapping[str, Any]) -> Iterator[Needed]:
    """Yield the images of a (normalised) pod's containers, in the order in which these start, then of its volumes."""
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
        name = container["name"]
        if "image" in container:
            yield Needed(name, container["image"], container["imagePullPolicy"], f"container {name}", "imagePullPolicy")
    for volume in image_volumes(pod):
        image, name = volume["image"], volume["name"]
        yield Needed(volume_key(name), image["reference"], image["pullPolicy"], f"volume {name}", "image.pullPolicy")


def image_volumes(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the volumes of a (normalised) pod that are images."""
    return [volume for volume in pod["spec"].get("volumes", ()) if "image" in volume]


def volume_key(name: str) -> str:
    """Return the key of a volume's image."""
    return f"volume:{name}"  # no container's name holds a colon
