# SPDX-License-Identifier: Apache-2.0
"""Words for what is wrong with a manifest's structure. Slow (it imports pydantic), and only run when something is."""

from typing import Any

from podwright.manifest import check, names, paths
from podwright.manifest.faults import Fault
from podwright.manifest.unbuilt import REFUSED, SERVER_SET

_TYPES = {
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
_MOST_DETAILS = 100  # a hostile manifest may have a million; a few are shown
_HOMES = {"Pod": "", "ObjectMeta": "metadata.", "PodSpec": "spec.", "Container": "spec.containers[…]."}
"""Kinds in which a misplaced field of a Pod is looked for, and where these stand."""


def explain(manifest: object, kind: str = "Pod") -> list[Fault]:
    """Return the structural faults of a (sifted) object in the order of its fields; none when pydantic accepts it."""
    from pydantic import ValidationError

    from podwright.manifest import models

    try:
        getattr(models, kind).model_validate(manifest)
    except ValidationError as error:
        faults: dict[str, Fault] = {}
        for detail in error.errors(include_url=False)[:_MOST_DETAILS]:
            fault = _fault(manifest, dict(detail), kind)
            faults.setdefault(fault.field, fault)  # a union gives one detail for each of its members
        return list(faults.values())
    return []


def _fault(manifest: object, detail: dict[str, Any], root: str) -> Fault:
    loc = _existing(manifest, detail["loc"], is_missing=detail["type"] == "missing")
    field = paths.render(loc)
    value = detail["input"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return Fault(field, "required, but missing")
        case "extra_forbidden":
            return Fault(field, _unknown(loc, root), value)
        case "invalid_key":
            return Fault(field, "the key must be a string", loc[-1])
        case "too_long":
            noun = "variables" if loc[-1] == "env" else str(loc[-1])
            return Fault(field, f"at most {context['max_length']} {noun} are allowed", len(value))
        case "too_short":
            return Fault(field, "must not be empty", value)
        case "string_too_long":
            return Fault(field, f"must have at most {context['max_length']} characters, but has {len(value)}", value)
        case "string_pattern_mismatch":
            return Fault(field, names.MEANING[context["pattern"]], value)
        case "literal_error":
            return Fault(field, f"must be {_choices(context['expected'])}", value)
        case "greater_than_equal":
            return Fault(field, f"must be at least {context['ge']}", value)
        case "less_than_equal":
            return Fault(field, f"must be at most {context['le']}", value)
    return Fault(field, _wrong_type(detail, loc), value)


def _choices(expected: str) -> str:
    """Return a field's words without the empty one, which is another way to write the default."""
    return expected.removeprefix("'', ").removeprefix("'' or ")


def _wrong_type(detail: dict[str, Any], loc: tuple[object, ...]) -> str:
    if detail["loc"][-1] == "[key]":
        return "the key must be a string"
    if loc[-1:] == ("sizeLimit",) or (len(loc) > 1 and loc[-2] in ("limits", "requests", "overhead")):
        return "must be a quantity such as 250m, 1.5, 64Mi or 2G"
    reason = _TYPES.get(detail["type"], str(detail["msg"]))
    if detail["type"] == "string_type" and isinstance(detail["input"], (int, float)):
        return f"{reason}; put it in quotes"
    return reason


def _existing(manifest: object, loc: tuple[int | str, ...], *, is_missing: bool) -> tuple[object, ...]:
    """Cut off pydantic's names for the members of a union and for keys, which are no part of the manifest."""
    here: Any = manifest
    for depth, part in enumerate(loc):
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if not in_list and not (isinstance(here, dict) and part in here):
            return loc if is_missing else loc[:depth]
        here = here[part]
    return loc


def _unknown(loc: tuple[object, ...], root: str) -> str:
    """Word an unknown field: with the name that was meant, if one is like it or belongs elsewhere."""
    wanted = str(loc[-1])
    kind = _kind(loc[:-1], root)
    for other, home in _HOMES.items() if root == "Pod" else ():
        if other != kind and wanted in _known(other):
            return f"unknown field; did you mean {home}{wanted}?"
    import difflib

    plain = {name.lower(): name for name in _known(kind)}
    near = difflib.get_close_matches(wanted.lower().replace("_", "").replace("-", ""), plain, n=1)
    return f"unknown field; did you mean {plain[near[0]]}?" if near else "unknown field"


def _kind(loc: tuple[object, ...], root: str) -> str:
    """Return the kind of the object at a place."""
    name, node = root, check.node_of(root)
    for part in loc:
        inside = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        name, node = check.resolve(inside)
    return name


def _known(kind: str) -> set[str]:
    """Return the names of all fields that Kubernetes gives a kind of object."""
    return {*check.node_of(kind).get("properties", ()), *REFUSED.get(kind, ()), *SERVER_SET.get(kind, ())}
