# SPDX-License-Identifier: Apache-2.0
"""The manifest that these tests deploy and edit."""

from copy import deepcopy
from typing import Any

IMAGE = "localhost/podwright-test/busybox:1"

_WEB: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "server",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "command": ["/bin/sleep", "100000"],
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "GREETING", "value": "hello"}],
            },
            {"name": "client", "image": IMAGE, "imagePullPolicy": "Never", "command": ["/bin/sleep", "100000"]},
        ],
    },
}


def web(**metadata: str) -> dict[str, Any]:
    """Return a pod of two containers that sleep."""
    pod = deepcopy(_WEB)
    pod["metadata"] |= metadata
    return pod


def server(pod: dict[str, Any]) -> dict[str, Any]:
    """Return its first container, to be edited."""
    container: dict[str, Any] = pod["spec"]["containers"][0]
    return container
