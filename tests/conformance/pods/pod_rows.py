# SPDX-License-Identifier: Apache-2.0
"""The rows of ``rows/*.yaml``: a Pod, and what must be seen of it from inside and outside.

::

    - row: grace-period               # the pod's name too
      says: "one sentence, for the table"
      fields: [PodSpec.terminationGracePeriodSeconds]
      source: pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer
      objects: []                     # ConfigMaps and Secrets in the same stream
      metadata: {}                    # of the pod, beside its name
      spec: {...}                     # as anyone writes it, but for two things: a container that names no image has
                                      # that of SHELL, and `sh:` is short for command [/bin/sh, -c, …]
      expect: {...}                   # see pod_observe.py
      edit: {containers.main.image: …}  # paths into spec, applied next; `objects` may be given anew
      plan: {path: effect}            # what the plan for that says, before
      after: {...}                    # expected then
      delete: {grace: 1, took: [1, 9], left: {file: text}}  # how it ends, and what it left in ${DIR}

``${DIR}`` is a folder of the host for this row, ``${REGISTRY}`` a registry that wants a password.
"""

import copy
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
SHELL = "localhost/conformance/shell:1"
"""Busybox."""
WORDS = "localhost/conformance/words:1"
"""Busybox with an entrypoint, arguments, a variable, a folder to work in and a stop signal of its own."""

_KEYS = frozenset(
    "row says fields source objects metadata spec expect edit edit_objects plan after delete".split()  # noqa: SIM905
)


class Row(NamedTuple):
    """One row; ``data`` is as it stands in the file."""

    name: str
    says: str
    fields: list[str]
    source: str
    data: dict[str, Any]

    def manifest(self, words: dict[str, str]) -> dict[str, Any]:
        """Return the Pod; ``words`` are put in for ``${NAME}``."""
        metadata = {"name": self.name, **self.data.get("metadata", {})}
        spec = {"terminationGracePeriodSeconds": 0, **copy.deepcopy(self.data["spec"])}
        for kind in ("initContainers", "containers"):
            if kind in spec:
                spec[kind] = [_container(item) for item in spec[kind]]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        return substituted(pod, words)

    def part(self, key: str, words: dict[str, str]) -> Any:
        """Return another part of the row, or None."""
        return substituted(self.data.get(key), words)


def rows() -> list[Row]:
    """Return all rows, file by file."""
    return [_row(item, path.name) for path in sorted((HERE / "rows").glob("*.yaml")) for item in _items(path)]


def edited(manifest: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with other values at paths into its spec; None removes what is there."""
    manifest = copy.deepcopy(manifest)
    for path, value in edit.items():
        *parents, last = path.split(".")
        place: Any = manifest["spec"]
        for name in parents:
            place = entry(place, name)
        if value is None:
            del place[last]
        else:
            place[last] = value
    return manifest


def entry(place: Any, name: str) -> Any:
    """Return a member of an object, or the item of a list by its name, type or number; None when it is not there."""
    if isinstance(place, dict):
        return place.get(name)
    if not isinstance(place, list):
        return None
    if name.isdecimal():
        return place[int(name)] if int(name) < len(place) else None
    return next((item for item in place if name in (item.get("name"), item.get("type"))), None)


def substituted(value: Any, words: dict[str, str]) -> Any:
    """Return a value with its ``${NAME}`` replaced, wherever there is a text."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: words[found[1]], value)
    if isinstance(value, dict):
        return {substituted(key, words): substituted(item, words) for key, item in value.items()}
    return [substituted(item, words) for item in value] if isinstance(value, list) else value


def _items(path: Path) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return items


def _row(data: dict[str, Any], file: str) -> Row:
    unknown = set(data) - _KEYS
    assert not unknown, f"{file}: {data['row']} has {sorted(unknown)}"
    return Row(data["row"], data["says"], data["fields"], data["source"], data)


def _container(item: dict[str, Any]) -> dict[str, Any]:
    item = dict(item)
    if "image" not in item:
        item = {**item, "image": SHELL, "imagePullPolicy": "IfNotPresent"}
    if "sh" in item:
        item["command"] = ["/bin/sh", "-c", item.pop("sh")]
    return item
