# SPDX-License-Identifier: Apache-2.0
"""What a pod may know of itself (Kubernetes' downward API): ``fieldRef`` and ``resourceFieldRef``."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from podwright.manifest import quantity
from podwright.manifest.env_sources import subscript
from podwright.oci.oom import host_memory
from podwright.pods.sources import config_error, containers_of

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES["\v"] = "\\v"


class Facts(NamedTuple):
    """A pod, and where it runs."""

    pod: Mapping[str, Any]
    """As it is recorded."""
    uid: str
    address: str
    """Of the pod."""
    host_address: str
    root: str
    """A folder of the file system that the pods' files are on."""

    def field(self, path: str) -> str:
        """Return the value of a ``fieldPath``; a label or annotation that is not there is empty, as in Kubernetes."""
        metadata = self.pod["metadata"]
        keyed = subscript(path)
        if keyed:
            return str(metadata.get(keyed[0].partition(".")[2], {}).get(keyed[1], ""))
        if path in ("metadata.labels", "metadata.annotations"):
            pairs = metadata.get(path.partition(".")[2], {})
            return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(pairs.items()))
        values = {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata["namespace"],
            "metadata.uid": self.uid,
            "spec.nodeName": os.uname().nodename,
            "spec.serviceAccountName": self.pod["spec"].get("serviceAccountName", "default"),
            "status.hostIP": self.host_address,
            "status.hostIPs": self.host_address,
            "status.podIP": self.address,
            "status.podIPs": self.address,
        }
        return str(values[path])

    def resource(self, selector: Mapping[str, str], field: str) -> str:
        """Return the value of a (normal) ``resourceFieldRef``: in units of its divisor, rounded up.

        A limit that is not set is the pod's, or what the host has; a request 0. Raises ManifestError, which names
        ``field``, when the pod has no such container.
        """
        name = selector["containerName"]
        containers = {item["name"]: item for _, item in containers_of(self.pod)}
        container = containers.get(name)
        if container is None:
            where = f"{field}.containerName"
            raise config_error(where, f"no container is called {name}; choose one of: {', '.join(containers)}", name)
        kind, _, resource = selector["resource"].partition(".")
        given = [one.get("resources", {}).get(kind, {}).get(resource, 0) for one in (container, self.pod["spec"])]
        nano, shared = map(quantity.parse, given)
        if kind == "limits":
            nano = nano or shared or self._of_host(resource)
        return str(-(-nano // quantity.parse(selector["divisor"])))

    def _of_host(self, resource: str) -> int:
        if resource == "cpu":
            return (os.cpu_count() or 1) * quantity.NANO
        if resource == "memory":
            return host_memory() * quantity.NANO
        disk = os.statvfs(self.root)
        return disk.f_blocks * disk.f_frsize * quantity.NANO


def _quoted(text: str) -> str:
    """Return a text in quotes, escaped as Go's %q does, with which Kubernetes writes labels and annotations."""
    return '"' + "".join(_ESCAPES.get(letter) or _printable(letter) for letter in text) + '"'


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    number = ord(letter)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
