# SPDX-License-Identifier: Apache-2.0
"""Field by field difference of two normalised Pods.

Items of the lists that Kubernetes merges by a key are told apart by it, not by their index, so that a new first
variable does not look like a change of all others. Other lists (command, args) are one value.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from podwright.manifest.paths import Key, render

Path = tuple[str, ...]

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "hostAliases": "ip",
    "volumes": "name",
    "volumeMounts": "mountPath",
}


class Difference(NamedTuple):
    """A path and its two values; None where it is absent."""

    path: Path
    before: Any
    after: Any


def diff(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Difference]:
    """Return what differs, sorted by path. None is the pod that is not there."""
    old, new = leaves(before), leaves(after)
    differences = [
        Difference(path, old.get(path), new.get(path)) for path in {**old, **new} if old.get(path) != new.get(path)
    ]
    if before and after:
        differences += _reordered(before["spec"], after["spec"])
    return sorted(differences, key=lambda difference: render(difference.path))


def leaves(pod: dict[str, Any] | None) -> dict[Path, Any]:
    """Return each single value of a pod by its path."""
    found: dict[Path, Any] = {}
    if pod:
        _collect(pod, (), found)
    return found


def diff_text(changes: Iterable[tuple[str, Any, Any]]) -> tuple[str, str]:
    """Return two texts for a line-wise diff, of the changed fields only: ``path: value``, the value as JSON."""
    texts = ["", ""]
    for path, *values in changes:
        for side, value in enumerate(values):
            if value is not None:
                texts[side] += f"{path}: {json.dumps(value, ensure_ascii=False, sort_keys=True)}\n"
    return texts[0], texts[1]


def _collect(value: Any, path: Path, found: dict[Path, Any]) -> None:
    name = path[-1] if path else ""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _collect(item, (*path, key), found)
    elif isinstance(value, list) and name in _KEYS:
        for item in value:
            rest = {field: content for field, content in item.items() if field != _KEYS[name]}
            _collect(rest, (*path, Key(item[_KEYS[name]])), found)
    elif isinstance(value, list) and name == "ports":
        for port in value:  # a port is little more than its key
            found[*path, Key(f"{port['containerPort']}/{port['protocol']}")] = port
    else:
        found[path] = value


def _reordered(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """Return the keyed lists whose common items stand in another order, which has a meaning for each of them."""
    pairs: list[tuple[Path, list[dict[str, Any]], list[dict[str, Any]]]] = [
        (("spec", name), before.get(name, []), after.get(name, []))
        for name in ("containers", "initContainers", "hostAliases")
    ]
    for kind in ("containers", "initContainers"):
        old = {container["name"]: container for container in before.get(kind, ())}
        for container in after.get(kind, ()):
            path = ("spec", kind, Key(container["name"]), "env")
            pairs.append((path, old.get(container["name"], {}).get("env", []), container.get("env", [])))
    return [difference for pair in pairs if (difference := _order_of(*pair))]


def _order_of(path: Path, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Difference | None:
    key = _KEYS[path[-1]]
    old, new = [item[key] for item in before], [item[key] for item in after]
    if [name for name in old if name in new] == [name for name in new if name in old]:
        return None
    return Difference(path, old, new)
