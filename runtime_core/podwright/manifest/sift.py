# SPDX-License-Identifier: Apache-2.0
"""First pass over a manifest: plain JSON values, without the fields that Kubernetes knows and this release does not."""

from typing import Any, NamedTuple

from podwright.manifest import check, paths
from podwright.manifest.faults import Fault
from podwright.manifest.unbuilt import REFUSED, SERVER_SET

_MAX_DEPTH = 64
_MAX_SAFE_FLOAT = 2.0**53
"""From here on a float cannot tell one integer from the next."""


class Sifted(NamedTuple):
    """A copy of the manifest, and what was found on the way."""

    pod: Any
    faults: list[Fault]
    warnings: list[str]


def sift(manifest: object, kind: str = "Pod") -> Sifted:
    """Copy a manifest of a kind, taking out what is refused, switched off or set by a server.

    Whole floats become integers, as some front ends (Pulumi) have no other number. Whatever else is wrong stays, for
    ``check`` to find.
    """
    sifted = Sifted(None, [], [])
    node = check.node_of(kind)
    copy = _object(manifest, kind, node, (), sifted) if isinstance(manifest, dict) else manifest
    return sifted._replace(pod=copy)


def _value(value: object, node: check.Schema, loc: tuple[object, ...], out: Sifted) -> object:
    kind, node = check.resolve(node)
    if len(loc) > _MAX_DEPTH:
        out.faults.append(Fault(paths.render(loc[:8]), f"is nested deeper than {_MAX_DEPTH} levels"))
        return None
    if isinstance(value, dict):
        return _object(value, kind, node, loc, out)
    if isinstance(value, (list, tuple)):
        items = node.get("items", {})
        return [_value(item, items, (*loc, index), out) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value, loc, out)
    if isinstance(value, float):
        return _number(value, loc, out)
    return value


def _object(
    value: dict[object, object], kind: str, node: check.Schema, loc: tuple[object, ...], out: Sifted
) -> dict[object, object]:
    refused = REFUSED.get(kind, {})
    server_set = SERVER_SET.get(kind, frozenset())
    properties = node.get("properties", {})
    others = node.get("additionalProperties")
    copy: dict[object, object] = {}
    for key, item in value.items():
        field = (*loc, key)
        if isinstance(key, str) and key in refused:
            if item is not None and not refused[key].is_off(item):
                reason = f"not supported by this release of podwright; {refused[key].hint}"
                out.faults.append(Fault(paths.render(field), reason, item))
        elif key in server_set:
            if item:
                out.warnings.append(f"{paths.render(field)}: set by an API server, ignored here")
        else:
            inside = properties.get(key, others if isinstance(others, dict) else {})
            plain = str(key) if isinstance(key, str) else key
            copy[plain] = _value(item, inside, field, out)
    return copy


def _text(value: str, loc: tuple[object, ...], out: Sifted) -> str:
    """Return a plain string; what could become neither an argument of a process nor a file's text is a fault."""
    if "\0" in value:
        out.faults.append(Fault(paths.render(loc), "must not hold a NUL character", value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            out.faults.append(Fault(paths.render(loc), "must not hold half a surrogate pair", ascii(value)))
    return str(value)


def _number(value: float, loc: tuple[object, ...], out: Sifted) -> float | int:
    if not abs(value) < float("inf"):  # also catches NaN
        out.faults.append(Fault(paths.render(loc), "must be a finite number", str(value)))
        return 0
    return int(value) if abs(value) < _MAX_SAFE_FLOAT and value.is_integer() else float(value)
