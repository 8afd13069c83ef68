# SPDX-License-Identifier: Apache-2.0
"""A container alone, and one edit of each of its fields: what must be named, and what must be done about it."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

Container = dict[str, Any]


class Edit(NamedTuple):
    """An edit of the container, the paths that must be named, the plan's action and the effect of every change."""

    name: str
    change: Callable[[Container], object]
    fields: set[str]
    action: str
    effect: str


def base(image: str = "localhost/busybox:1") -> Container:
    """Return a container that has every field but ``rootfs`` and ``runtimeClassName``."""
    return {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web"},
        "annotations": {"note": "first"},
        "state": "present",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh"],
        "args": ["-c", "exec sleep 100000"],
        "workingDir": "/tmp",  # the container's own
        "envFrom": [{"secretRef": {"name": "none", "optional": True}}],
        "env": [{"name": "GREETING", "value": "hello"}, {"name": "KEEP", "value": "same"}],
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
        "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["NET_RAW"]}},
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "fast", "emptyDir": {"medium": "Memory"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "fast", "mountPath": "/fast"}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 0,
    }


RESTART, RECREATE = "restart container", "recreate container"
CPU = {"resources.limits[cpu]", "resources.requests[cpu]"}
MEMORY = {"resources.limits[memory]", "resources.requests[memory]"}
EDITS = [
    Edit("nothing", lambda c: None, set(), "none", ""),
    Edit("other words", lambda c: c["resources"]["limits"].update(cpu=0.5, memory=64 << 20), set(), "none", ""),
    Edit("labels", lambda c: c["labels"].update(app="shop"), {"labels[app]"}, "update", "none"),
    Edit("annotations", lambda c: c.pop("annotations"), {"annotations[note]"}, "update", "none"),
    Edit("image", lambda c: c.update(image="localhost/busybox:2"), {"image"}, "update", RESTART),
    Edit("imagePullPolicy", lambda c: c.update(imagePullPolicy="Never"), {"imagePullPolicy"}, "update", "in-place"),
    Edit("command", lambda c: c.update(command=["/bin/ash"]), {"command"}, "update", RESTART),
    Edit("args", lambda c: c["args"].append("more"), {"args"}, "update", RESTART),
    Edit("workingDir", lambda c: c.pop("workingDir"), {"workingDir"}, "update", RESTART),
    Edit("envFrom", lambda c: c["envFrom"][0].update(prefix="A_"), {"envFrom"}, "update", RESTART),
    Edit("env", lambda c: c["env"][0].update(value="Hello"), {"env[GREETING].value"}, "update", RESTART),
    Edit("env removed", lambda c: c["env"].pop(1), {"env[KEEP].value"}, "update", RESTART),
    Edit("env added", lambda c: c["env"].append({"name": "N", "value": "1"}), {"env[N].value"}, "update", RESTART),
    Edit("ports", lambda c: c["ports"][0].update(name="web"), {"ports[8080/TCP]"}, "update", "in-place"),
    Edit("cpu", lambda c: c["resources"]["limits"].update(cpu="250m"), CPU, "update", "in-place"),
    Edit("memory", lambda c: c["resources"]["limits"].update(memory="96Mi"), MEMORY, "update", "in-place"),
    Edit(
        "user",
        lambda c: c["securityContext"].update(runAsUser=0),
        {"securityContext.runAsUser"},
        "update",
        RESTART,
    ),
    Edit(
        "group",
        lambda c: c["securityContext"].update(runAsGroup=7),
        {"securityContext.runAsGroup"},
        "update",
        RESTART,
    ),
    Edit(
        "not root",
        lambda c: c["securityContext"].update(runAsNonRoot=True),
        {"securityContext.runAsNonRoot"},
        "update",
        RESTART,
    ),
    Edit(
        "capabilities",
        lambda c: c["securityContext"]["capabilities"].update(add=["NET_BIND_SERVICE"], drop=["ALL"]),
        {"securityContext.capabilities.add", "securityContext.capabilities.drop"},
        "update",
        RESTART,
    ),
    Edit(
        "escalation",
        lambda c: c["securityContext"].update(allowPrivilegeEscalation=True),
        {"securityContext.allowPrivilegeEscalation"},
        "update",
        RESTART,
    ),
    Edit(
        "read-only root",
        lambda c: c["securityContext"].update(readOnlyRootFilesystem=True),
        {"securityContext.readOnlyRootFilesystem"},
        "update",
        RESTART,
    ),
    Edit(
        "seccomp",
        lambda c: c["securityContext"].update(seccompProfile={"type": "Unconfined"}),
        {"securityContext.seccompProfile.type"},
        "update",
        RESTART,
    ),
    Edit(
        "privileged",
        lambda c: c["securityContext"].update(privileged=True),
        {"securityContext.privileged"},
        "recreate",
        RECREATE,
    ),
    Edit(
        "volumes",
        lambda c: c["volumes"][1]["emptyDir"].update(sizeLimit="1Mi"),
        {"volumes[fast].emptyDir.sizeLimit"},
        "recreate",
        RECREATE,
    ),
    Edit(
        "volumeMounts",
        lambda c: c["volumeMounts"][0].update(readOnly=True),
        {"volumeMounts[/data].readOnly"},
        "update",
        RESTART,
    ),
    Edit("restartPolicy", lambda c: c.update(restartPolicy="Never"), {"restartPolicy"}, "recreate", RECREATE),
    Edit(
        "runtime",
        lambda c: c.update(runtimeClassName="podwright"),
        {"runtimeClassName"},
        "recreate",
        RECREATE,
    ),
    Edit(
        "grace",
        lambda c: c.update(terminationGracePeriodSeconds=1),
        {"terminationGracePeriodSeconds"},
        "recreate",
        RECREATE,
    ),
    Edit("state", lambda c: c.update(state="stopped"), {"state"}, "stop", "stop container"),
]
"""One for each field at least; tests/core/test_plan_container.py proves that."""


def edited(edit: Edit, image: str = "localhost/busybox:1") -> Container:
    """Return the container with an edit."""
    container = copy.deepcopy(base(image))
    edit.change(container)
    return container
