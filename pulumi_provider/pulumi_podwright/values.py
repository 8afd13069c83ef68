# SPDX-License-Identifier: Apache-2.0
"""Values as the engine hands them over: it knows no integers, and at preview any of them may not be known yet.

Pure functions over JSON-like trees; a leaf, at any depth, may be ``pulumi.output.Unknown``.
"""

from typing import Any

from pulumi.output import Unknown


def fold_numbers(value: Any) -> Any:
    """Return a copy in which numbers without a fraction are integers, as they were before the engine had them."""
    if isinstance(value, dict):
        return {key: fold_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fold_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def unknown_paths(value: Any, path: str = "") -> list[str]:
    """Return where a value is not known yet, each place written as errors write it: ``spec.containers[0].image``."""
    if isinstance(value, Unknown):
        return [path]
    if isinstance(value, dict):
        return [found for key in value for found in unknown_paths(value[key], f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in unknown_paths(item, f"{path}[{index}]")]
    return []


def without_unknowns(value: Any) -> Any:
    """Return a copy that lacks the unknown keys of dictionaries; an unknown element of a list becomes None."""
    if isinstance(value, dict):
        return {key: without_unknowns(item) for key, item in value.items() if not isinstance(item, Unknown)}
    if isinstance(value, list):
        return [None if isinstance(item, Unknown) else without_unknowns(item) for item in value]
    return value


def touches(field: str, paths: list[str]) -> bool:
    """Tell whether a field is, holds or lies within one of the places ``paths``."""
    return any(_within(field, path) or _within(path, field) for path in paths)


def _within(inner: str, outer: str) -> bool:
    return inner.startswith(outer) and (outer == "" or inner[len(outer) :][:1] in ("", ".", "["))
