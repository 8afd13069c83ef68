# SPDX-License-Identifier: Apache-2.0
"""A container's variables: ``envFrom``, then ``env`` in its order, as a kubelet puts them together."""

import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from podwright.manifest.expand import expand
from podwright.pods.facts import Facts
from podwright.pods.sources import Kept, Sources, config_error

Container = Mapping[str, Any]

_FROM = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_KEY_OF = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


def declared(container: Container, where: str, sources: Sources, facts: Facts) -> dict[str, str]:
    """Return the variables that a (normalised) container declares; ``where`` is its path.

    Only what is written in ``value`` is expanded, with what was declared before it. Raises ManifestError for a
    ConfigMap, Secret or key that is not there, and for a value that no variable can have.
    """
    variables: dict[str, str] = {}
    for _field, found in many(container, where, sources):
        variables |= found or {}
    for variable in container.get("env", ()):
        name, source = variable["name"], variable.get("valueFrom")
        if source is None:
            variables[name] = expand(variable["value"], variables)
            continue
        value = _value(source, f"{where}.env[{name}].valueFrom", sources, facts)
        if value is not None:  # an optional one that is not there leaves what envFrom says
            variables[name] = value
    return variables


def many(container: Container, where: str, sources: Sources) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yield for each item of ``envFrom`` its path, and the variables that it gives; None when it is not there."""
    for index, item in enumerate(container.get("envFrom", ())):
        kind = next(kind for kind in _FROM if kind in item)
        field = f"{where}.envFrom[{index}].{kind}"
        found = sources.find(_FROM[kind], item[kind]["name"], field, optional=item[kind].get("optional", False))
        data = (found or {}).get("data", {})
        variables = {item.get("prefix", "") + key: _text(found, key, field) for key in data if found}
        yield field, variables if found else None


def one(source: Mapping[str, Any], field: str, sources: Sources) -> tuple[str, str | None] | None:
    """Return the path and the value of a key in a ConfigMap or Secret; None for what ``valueFrom`` gets elsewhere."""
    for kind in _KEY_OF:
        if kind not in source:
            continue
        given, where = source[kind], f"{field}.{kind}"
        optional = given.get("optional", False)
        found = sources.find(_KEY_OF[kind], given["name"], where, optional=optional)
        if found and given["key"] in found["data"]:
            return where, _text(found, given["key"], where)
        if not optional:
            raise sources.no_key(_KEY_OF[kind], given["name"], given["key"], where)
        return where, None
    return None


def _value(source: Mapping[str, Any], field: str, sources: Sources, facts: Facts) -> str | None:
    if "fieldRef" in source:
        return facts.field(source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return facts.resource(source["resourceFieldRef"], f"{field}.resourceFieldRef")
    found = one(source, field, sources)
    return found[1] if found else None


def _text(kept: Kept, key: str, field: str) -> str:
    """Return a value as a variable can have it."""
    value = str(kept["data"][key])
    try:
        text = binascii.a2b_base64(value).decode() if kept["kind"] == "Secret" else value
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        reason = f"key {key} of {kept['kind']} {kept['metadata']['name']} is no text, as a variable needs"
        raise config_error(field, f"{reason}; mount it as a volume", key)
    return text
