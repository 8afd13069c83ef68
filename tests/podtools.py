# SPDX-License-Identifier: Apache-2.0
"""Small words for tests of pods: manifests, and waiting for what a pod does."""

import time
from collections.abc import Callable
from typing import Any

IMAGE = "localhost/busybox:1"


def container(name: str, *command: str, image: str = IMAGE, **fields: Any) -> dict[str, Any]:
    """Return a container that runs ``command``; a single word with spaces is a shell script."""
    argv = ["/bin/sh", "-c", command[0]] if len(command) == 1 and " " in command[0] else list(command)
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "command": argv, **fields}


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return a Pod with no grace period to wait for."""
    spec = {"terminationGracePeriodSeconds": 0, **spec, "containers": list(containers)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def eventually(probe: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Return the first truthy value of ``probe``; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)
    return value


def statuses(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a pod's container statuses by name."""
    return {item["name"]: item for item in pod["status"]["containerStatuses"]}
