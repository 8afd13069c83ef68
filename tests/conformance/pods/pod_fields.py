# SPDX-License-Identifier: Apache-2.0
"""The fields of a Pod that podwright acts upon: every one must have a row."""

from typing import Any

from podwright.manifest import check
from podwright.manifest.ignored import IGNORED
from podwright.manifest.unbuilt import REFUSED

_OF_CONTAINERS_ALONE = "LoneContainer"
_ALSO_ENFORCED = {"PodSpec.dnsPolicy"}
"""Fields with a warning for one of their values only."""


def enforced() -> list[str]:
    """Return ``Kind.field`` of all that a Pod may say and that has an effect, from the Pod down."""
    ignored = {f"PodSpec.{name}" for name in IGNORED} - _ALSO_ENFORCED
    fields = [f"{kind}.{name}" for kind in _reachable("Pod", ignored, []) for name in _properties(kind)]
    return [field for field in fields if field not in ignored and field not in _ENVELOPE]


def refused() -> list[tuple[str, str]]:
    """Return ``Kind.field`` and the way out of what is refused by name."""
    kinds = {kind: fields for kind, fields in REFUSED.items() if kind != _OF_CONTAINERS_ALONE}
    return [(f"{kind}.{name}", entry.hint) for kind, fields in kinds.items() for name, entry in fields.items()]


_ENVELOPE = {"Pod.apiVersion", "Pod.kind", "Pod.metadata", "Pod.spec"}


def _properties(kind: str) -> dict[str, Any]:
    node = check.schema() if kind == "Pod" else check.schema()["$defs"][kind]
    properties: dict[str, Any] = node["properties"]
    return properties


def _reachable(kind: str, ignored: set[str], seen: list[str]) -> list[str]:
    """Return the kinds that a field which is not ignored leads to, in the order in which one comes upon them."""
    seen.append(kind)
    for name, value in _properties(kind).items():
        if f"{kind}.{name}" not in ignored:
            for found in sorted(_named(value)):
                if found not in seen:
                    _reachable(found, ignored, seen)
    return seen


def _named(node: dict[str, Any]) -> set[str]:
    """Return the kinds that a node of the schema refers to."""
    found = {node["$ref"].removeprefix("#/$defs/")} if "$ref" in node else set()
    for inner in [*node.get("anyOf", ()), *([node["items"]] if "items" in node else [])]:
        found |= _named(inner)
    return found
