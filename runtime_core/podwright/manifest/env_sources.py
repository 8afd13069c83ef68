# SPDX-License-Identifier: Apache-2.0
"""``envFrom`` and ``valueFrom``: what Kubernetes does not allow in them, and their normal form."""

import re
from collections.abc import Iterator
from typing import Any

from podwright.manifest import names, quantity
from podwright.manifest.faults import Fault

FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
"""Fields of a pod that a variable may have, besides one label or annotation."""

_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_ENV_SOURCES = ("configMapRef", "secretRef")
_SUBSCRIPT = r"(metadata\.(?:labels|annotations))\['(.*)'\]"
_POWERS = [quantity.NANO * 1000**power for power in range(7)] + [quantity.NANO * 1024**power for power in range(1, 7)]


def faults_of(container: dict[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with where a container's variables come from."""
    for index, source in enumerate(container.get("envFrom") or []):
        yield from _one_of(source, _ENV_SOURCES, f"{field}.envFrom[{index}]")
    for index, variable in enumerate(container.get("env") or []):
        source = variable.get("valueFrom")
        if source is None:
            continue
        here = f"{field}.env[{index}].valueFrom"
        yield from _one_of(source, _VALUE_SOURCES, here)
        if variable.get("value"):
            yield Fault(here, "must not be there beside a value", variable["name"])
        if source.get("fieldRef") is not None:
            yield from field_faults_of(source["fieldRef"]["fieldPath"], FIELDS, f"{here}.fieldRef.fieldPath")
        if source.get("resourceFieldRef") is not None:
            yield from resource_faults_of(source["resourceFieldRef"], f"{here}.resourceFieldRef")
        for kind in ("configMapKeyRef", "secretKeyRef"):
            key = (source.get(kind) or {}).get("key")
            if key is not None and not names.is_config_key(key):
                yield Fault(f"{here}.{kind}.key", names.MEANING[names.CONFIG_KEY], key)


def resource_faults_of(selector: dict[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a ``resourceFieldRef``: the unit must be one that Kubernetes knows."""
    divisor = selector.get("divisor")
    if divisor is None:
        return
    try:
        nano = quantity.parse(divisor)
    except ValueError as error:
        yield Fault(f"{field}.divisor", str(error), divisor)
        return
    if selector["resource"].endswith(".cpu"):
        if nano not in (0, quantity.MILLI, quantity.NANO):
            yield Fault(f"{field}.divisor", "must be 1m or 1", divisor)
    elif nano != 0 and nano not in _POWERS:
        yield Fault(f"{field}.divisor", "must be 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi or 1Ei", divisor)


def subscript(path: str) -> tuple[str, str] | None:
    """Return field and key of ``metadata.labels['key']`` or ``metadata.annotations['key']``, None for another path."""
    found = re.fullmatch(_SUBSCRIPT, path)
    return (found[1], found[2]) if found else None


def normal_variable(variable: dict[str, Any], container: str) -> dict[str, Any]:
    """Return the normal form of a variable of a container."""
    source = variable.get("valueFrom")
    if source is None:
        return {"name": variable["name"], "value": variable.get("value") or ""}
    ((kind, given),) = ((kind, given) for kind, given in source.items() if given is not None)
    if kind == "fieldRef":
        normal = normal_field(given)
    elif kind == "resourceFieldRef":
        normal = normal_resource(given, container)
    else:
        normal = {"name": given["name"], "key": given["key"], **_optional(given)}
    return {"name": variable["name"], "valueFrom": {kind: normal}}


def normal_from(source: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of an item of ``envFrom``."""
    prefix = {"prefix": source["prefix"]} if source.get("prefix") else {}
    kind = next(kind for kind in _ENV_SOURCES if source.get(kind) is not None)
    return {**prefix, kind: {"name": source[kind]["name"], **_optional(source[kind])}}


def normal_field(selector: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of a ``fieldRef``."""
    return {"fieldPath": selector["fieldPath"]}


def normal_resource(selector: dict[str, Any], container: str) -> dict[str, Any]:
    """Return the normal form of a ``resourceFieldRef``; ``container`` is the one that it means unless it says."""
    nano = quantity.parse(selector.get("divisor") or 0) or quantity.NANO
    binary = not selector["resource"].endswith(".cpu")
    return {
        "containerName": selector.get("containerName") or container,
        "resource": selector["resource"],
        "divisor": quantity.canonical(nano, binary=binary),
    }


def names_account(spec: dict[str, Any]) -> bool:
    """Tell whether a variable of a pod has its service account's name, which means nothing else here."""
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    variables = (variable for container in containers for variable in container.get("env") or ())
    sources = ((variable.get("valueFrom") or {}).get("fieldRef") or {} for variable in variables)
    return any(source.get("fieldPath") == "spec.serviceAccountName" for source in sources)


def _optional(given: dict[str, Any]) -> dict[str, bool]:
    return {"optional": True} if given.get("optional") else {}


def _one_of(source: dict[str, Any], kinds: tuple[str, ...], field: str) -> Iterator[Fault]:
    given = [kind for kind in kinds if source.get(kind) is not None]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "has none"
        yield Fault(field, f"must have one of {', '.join(kinds)}, but {found}")


def field_faults_of(path: str, allowed: tuple[str, ...], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a ``fieldPath``, which must be one of some fields, or one label or annotation."""
    keyed = subscript(path)
    if keyed:
        name, key = keyed
        if not names.is_label_key(key.lower() if name.endswith("annotations") else key):
            yield Fault(field, f"the key {names.LABEL_KEY}", path)
    elif path not in allowed:
        reason = f"must be {', '.join(allowed)}, metadata.labels['KEY'] or metadata.annotations['KEY']"
        yield Fault(field, reason, path)
