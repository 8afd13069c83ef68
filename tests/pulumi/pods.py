# SPDX-License-Identifier: Apache-2.0
"""The manifest that these tests deploy and edit."""

from typing import Any

from podtools import container, pod

IMAGE = "localhost/busybox:1"
SLEEP = ("/bin/sleep", "100000")


def web(**metadata: Any) -> dict[str, Any]:
    """Return a pod of two containers that sleep."""
    ports, env = [{"containerPort": 8080}], [{"name": "GREETING", "value": "hello"}]
    server = container("server", *SLEEP, image=IMAGE, ports=ports, env=env)
    manifest = pod("web", server, container("client", *SLEEP, image=IMAGE))
    manifest["metadata"] |= metadata
    return manifest


def server(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return its first container, to be edited."""
    first: dict[str, Any] = manifest["spec"]["containers"][0]
    return first
