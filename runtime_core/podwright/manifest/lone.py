# SPDX-License-Identifier: Apache-2.0
"""A container without a pod around it, as a pod of one.

::

    {"kind": "Container", "name": "web", "image": "…", "env": […], "volumes": […], …}      as it is written
    {"kind": "Container", "state": …, "metadata": {…}, "spec": {…, "containers": [{…}]}}   as it is kept, and runs

The first form has Kubernetes' container fields and, beside them, the few of a Pod's that a single container needs. The
second is a normalised Pod but for its kind, for ``state``, and for a ``rootfs`` that may stand where an image does;
what handles pods handles it.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwright.manifest.faults import Fault

KIND = "Container"
STOPPED = "stopped"
_HOMES = {
    "kind": (),
    "state": (),
    "namespace": ("metadata",),
    "labels": ("metadata",),
    "annotations": ("metadata",),
    "volumes": ("spec",),
    "restartPolicy": ("spec",),
    "runtimeClassName": ("spec",),
    "terminationGracePeriodSeconds": ("spec",),
}
"""Where a field stands in the pod of one, when it is not in the container."""
# Texts, which are compiled where they are used: this module is on the path of every command.
_PREFIX = r"^(?:metadata|spec(?:\.containers\[[^]]*\])?)(?:\.|$)"
_INSIDE = r"(?<![\w./-])(?:metadata|spec(?:\.containers\[[^]]*\])?)\."


def is_lone(pod: dict[str, Any]) -> bool:
    """Tell whether a normalised pod is a container alone."""
    return bool(pod.get("kind") == KIND)


def is_stopped(pod: dict[str, Any]) -> bool:
    """Tell whether a normalised pod is only recorded: nothing of it shall run."""
    return bool(pod.get("state") == STOPPED)


def only_stops(container: dict[str, Any]) -> bool:
    """Tell whether a container, as it is written, says no more than that the recorded one shall be stopped."""
    return container.get("state") == STOPPED and container.keys() <= {"kind", "name", "namespace", "state"}


def wrap(container: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of one; only the places of the fields change."""
    pod: dict[str, Any] = {"metadata": {"name": container["name"]}, "spec": {}}
    inner: dict[str, Any] = {}
    for name, value in container.items():
        home = _HOMES.get(name)
        if home is None:
            inner[name] = value
        else:
            (pod[home[0]] if home else pod)[name] = value
    pod["spec"]["containers"] = [inner]
    return pod


def unwrap(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the container that a pod of one was made of: the inverse of ``wrap``."""
    (inner,) = pod["spec"]["containers"]
    outer = {
        name: value for part in (pod, pod["metadata"], pod["spec"]) for name, value in part.items() if name in _HOMES
    }
    return {**outer, **inner}


def manifest_of(pod: dict[str, Any]) -> dict[str, Any]:
    """Return what a normalised pod may be normalised from again: itself, or the container alone."""
    return unwrap(pod) if is_lone(pod) else pod


def own_path(path: str) -> str:
    """Return a path into a pod of one as one into the container alone."""
    return re.sub(_PREFIX, "", path, count=1) or "status"


def own_words(sentence: str) -> str:
    """Return a sentence in which every path is one into the container alone."""
    return re.sub(_INSIDE, "", sentence)


def faults_of(container: dict[str, Any]) -> "list[Fault]":
    """Return what is wrong with a container alone besides what may be wrong with any."""
    from podwright.manifest.faults import Fault

    image, rootfs = container.get("image"), container.get("rootfs")
    if not image and not rootfs:
        return [Fault("image", "required, but missing (or give a rootfs, a directory of the host)")]
    if image and rootfs:
        return [Fault("rootfs", "must not be there beside an image", rootfs)]
    if rootfs and container.get("imagePullPolicy"):
        return [Fault("imagePullPolicy", "must not be there with a rootfs", container["imagePullPolicy"])]
    if rootfs and (".." in rootfs.split("/") or not rootfs.strip("/.")):
        return [Fault("rootfs", "must be a directory below /, without '..'", rootfs)]
    return []
