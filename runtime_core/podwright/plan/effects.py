# SPDX-License-Identifier: Apache-2.0
"""What it costs to change a field of a running pod: one table, which every front end shows."""

import re
from collections.abc import Sequence

NONE = "none"
"""Only the record changes."""
IN_PLACE = "in-place"
"""The container goes on; its cgroup's limits, or what is recorded of it, change."""
RECREATE = "recreate pod"
"""Part of what the supervisor was started with, or of the sandbox that all containers share."""
CREATE = "create pod"
DELETE = "delete pod"
START = "start container"
STOP = "stop container"
PULL = "pull image"
IMPORT = "import image"
PUSH = "push image"
REMOVE = "remove image"
"""Its name: what no image needs any more is removed by ``prune``."""
_RESTART = "restart container"

TABLE = {
    "apiVersion": RECREATE,
    "kind": RECREATE,
    "state": START,  # of a container alone; a change to stopped is the planner's own case
    "metadata.name": RECREATE,
    "metadata.namespace": RECREATE,
    "metadata.labels": NONE,
    "metadata.annotations": NONE,
    "spec.restartPolicy": RECREATE,
    "spec.terminationGracePeriodSeconds": RECREATE,
    "spec.activeDeadlineSeconds": RECREATE,
    "spec.os": NONE,
    "spec.dnsPolicy": RECREATE,
    "spec.runtimeClassName": RECREATE,
    "spec.serviceAccountName": RECREATE,  # variables may have it
    "spec.hostname": RECREATE,
    "spec.hostAliases": RECREATE,
    "spec.securityContext": RECREATE,
    "spec.resources": IN_PLACE,  # resize.py knows what cannot change so
    "spec.volumes": RECREATE,
    "spec.readinessGates": NONE,
    "spec.imagePullSecrets": NONE,  # matters when an image is pulled
    "spec.initContainers": RECREATE,  # they run once, when the pod is made
    "spec.containers": RECREATE,  # which there are, and in which order they start
    "spec.containers.image": _RESTART,
    "spec.containers.rootfs": _RESTART,
    "spec.containers.command": _RESTART,
    "spec.containers.args": _RESTART,
    "spec.containers.workingDir": _RESTART,
    "spec.containers.envFrom": _RESTART,
    "spec.containers.env": _RESTART,
    "spec.containers.imagePullPolicy": IN_PLACE,
    "spec.containers.ports": IN_PLACE,
    "spec.containers.resources": IN_PLACE,  # unless its resizePolicy, or resize.py, says otherwise
    "spec.containers.resizePolicy": IN_PLACE,
    "spec.containers.restartPolicy": RECREATE,
    "spec.containers.restartPolicyRules": RECREATE,
    "spec.containers.securityContext": _RESTART,
    "spec.containers.securityContext.privileged": RECREATE,  # the cgroup's devices
    "spec.containers.volumeMounts": _RESTART,
    "spec.containers.terminationMessagePath": _RESTART,
    "spec.containers.terminationMessagePolicy": _RESTART,
    "spec.containers.startupProbe": _RESTART,
    "spec.containers.livenessProbe": _RESTART,
    "spec.containers.readinessProbe": _RESTART,
    "spec.containers.lifecycle": _RESTART,
}
"""Field (the keys of list items left out) to the effect of a change in it or below it."""

_CONTAINER = re.compile(r"(?:spec\.containers|status\.containerStatuses)\[([^]]+)\]")


def restart(container: str) -> str:
    """Return the effect of a change for which one container is restarted."""
    return f"{_RESTART} {container}"


def effect_of(path: Sequence[str]) -> str:
    """Return the effect of a change at a path of two Pods that both have the container which the path names."""
    if len(path) == 2 or path[:2] != ("spec", "containers"):
        return TABLE.get(".".join(path[:2]), RECREATE)
    field = f"spec.containers.{path[3]}"
    effect = TABLE.get(f"{field}.{path[4]}") if len(path) > 4 else None
    effect = effect or TABLE.get(field, RECREATE)
    return restart(path[2]) if effect is _RESTART else effect


def container_of(path: str) -> str | None:
    """Return the container that a (rendered) path leads into, if any."""
    found = _CONTAINER.match(path)
    return found[1] if found else None
