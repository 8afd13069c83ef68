# SPDX-License-Identifier: Apache-2.0
"""Says in a millisecond whether a manifest has the right structure; ``models.py`` says what is wrong with one.

``pod.schema.json`` uses few words of JSON Schema, and these are all that is understood here. A test generates
manifests to prove that ``accepts`` answers yes exactly when pydantic does, and another that the schema uses no other
word.
"""

import json
import os
import re
from functools import cache
from typing import Any

Schema = dict[str, Any]

SCHEMA_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pod.schema.json")

KEYWORDS = frozenset(
    {
        "$defs",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
    }
)
"""All that ``accepts`` understands."""


@cache
def schema() -> Schema:
    """Return the schema of a Pod."""
    with open(SCHEMA_PATH, encoding="utf-8") as file:
        document: Schema = json.load(file)
    return document


def resolve(node: Schema) -> tuple[str, Schema]:
    """Follow a schema node past ``null`` and a reference: (name of the definition or "", node)."""
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            node = option
            break
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        return name, schema()["$defs"][name]
    return "", node


def node_of(kind: str) -> Schema:
    """Return the schema of a kind of object: ``Pod``, or one of its parts."""
    node: Schema = schema() if kind == "Pod" else schema()["$defs"].get(kind, {})
    return node


def accepts(value: object, node: Schema | None = None) -> bool:
    """Tell whether a value (a whole Pod, unless a node is given) has the structure that the schema asks for."""
    node = schema() if node is None else node
    if "$ref" in node:
        node = resolve(node)[1]
    if "anyOf" in node:
        return any(accepts(value, option) for option in node["anyOf"])
    if "const" in node:
        return _same(value, node["const"])
    if "enum" in node:
        return any(_same(value, choice) for choice in node["enum"])
    match node.get("type"):
        case None:
            return True
        case "null":
            return value is None
        case "boolean":
            return type(value) is bool
        case "integer":
            return type(value) is int and _in_bounds(value, node)
        case "number":
            return type(value) in (int, float)
        case "string":
            return type(value) is str and _is_text(value, node)
        case "array":
            return type(value) is list and _is_array(value, node)
        case "object":
            return type(value) is dict and _is_object(value, node)
    raise AssertionError(f"the schema holds a type that check.py does not know: {node['type']!r}")


def _same(value: object, choice: object) -> bool:
    return type(value) is type(choice) and value == choice


def _in_bounds(value: int, node: Schema) -> bool:
    return bool(node.get("minimum", value) <= value <= node.get("maximum", value))


def _is_text(value: str, node: Schema) -> bool:
    # The length first: a pattern over a text of any length could take its time.
    if len(value) > node.get("maxLength", len(value)):
        return False
    return "pattern" not in node or re.fullmatch(node["pattern"], value) is not None


def _is_array(value: list[object], node: Schema) -> bool:
    if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", len(value)):
        return False
    return all(accepts(item, node["items"]) for item in value)


def _is_object(value: dict[object, object], node: Schema) -> bool:
    properties = node.get("properties", {})
    if any(name not in value for name in node.get("required", ())):
        return False
    others = node.get("additionalProperties", True)
    for key, item in value.items():
        if key in properties:
            if not accepts(item, properties[key]):
                return False
        elif type(key) is not str or others is False or (others is not True and not accepts(item, others)):
            return False
    return True
