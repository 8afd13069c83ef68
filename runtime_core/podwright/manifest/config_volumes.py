# SPDX-License-Identifier: Apache-2.0
"""Volumes of files that are configuration: configMap, secret, downwardAPI, projected."""

from collections.abc import Iterator, Mapping
from typing import Any

from podwright.manifest import env_sources
from podwright.manifest.faults import Fault

KINDS = ("configMap", "secret", "downwardAPI", "projected")
DEFAULT_MODE = 0o644
_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations")
_PROJECTED = KINDS[:3]


def is_config(volume: Mapping[str, Any]) -> bool:
    """Tell whether a normalised volume is one of these."""
    return any(kind in volume for kind in KINDS)


def sources_of(volume: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return path below the volume's, kind and body of each source of a normalised volume."""
    if "projected" not in volume:
        return [(kind, kind, volume[kind]) for kind in KINDS if kind in volume]
    sources = enumerate(volume["projected"].get("sources", ()))
    return [(f"projected.sources[{index}].{kind}", kind, source[kind]) for index, source in sources for kind in source]


def faults_of(volume: dict[str, Any], field: str) -> Iterator[Fault]:
    """Yield what is wrong with a volume, if it is one of these."""
    for kind in _PROJECTED:
        yield from _items_faults(kind, volume.get(kind) or {}, f"{field}.{kind}")
    seen: dict[str, str] = {}
    for index, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
        here = f"{field}.projected.sources[{index}]"
        given = [kind for kind in _PROJECTED if source.get(kind) is not None]
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "has none"
            yield Fault(here, f"must have one of {', '.join(_PROJECTED)}, but {found}")
        for kind in given:
            yield from _items_faults(kind, source[kind], f"{here}.{kind}")
            yield from _same_paths(source[kind], f"{here}.{kind}", seen)


def normal(volume: dict[str, Any]) -> dict[str, Any]:
    """Return the normal form of what makes a volume one of these; {} when nothing does."""
    for kind in _PROJECTED:
        if volume.get(kind) is not None:
            return {kind: {**_source(kind, volume[kind]), **_mode(volume[kind])}}
    projected = volume.get("projected")
    if projected is None:
        return {}
    sources = [
        {kind: _source(kind, source[kind])}
        for source in projected.get("sources") or ()
        for kind in _PROJECTED
        if source.get(kind) is not None
    ]
    return {"projected": {"sources": sources, **_mode(projected)}}


def _source(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {name: given[name] for name in ("name", "secretName") if name in given}
    if given.get("optional"):
        result["optional"] = True
    items = [_item(item) for item in given.get("items") or ()]
    return {**result, "items": items} if items or kind == "downwardAPI" else result


def _item(item: dict[str, Any]) -> dict[str, Any]:
    result = {name: item[name] for name in ("key", "path", "mode") if item.get(name) is not None}
    if item.get("fieldRef") is not None:
        result["fieldRef"] = env_sources.normal_field(item["fieldRef"])
    if item.get("resourceFieldRef") is not None:
        result["resourceFieldRef"] = env_sources.normal_resource(item["resourceFieldRef"], "")
    return result


def _mode(given: dict[str, Any]) -> dict[str, int]:
    mode = given.get("defaultMode")
    return {} if mode in (None, DEFAULT_MODE) else {"defaultMode": mode}


def _items_faults(kind: str, source: dict[str, Any], field: str) -> Iterator[Fault]:
    for index, item in enumerate(source.get("items") or ()):
        here = f"{field}.items[{index}]"
        yield from _path_faults(item["path"], f"{here}.path")
        if kind == "downwardAPI":
            yield from _downward_faults(item, here)
        elif not item["key"]:
            yield Fault(f"{here}.key", "must not be empty")


def _downward_faults(item: dict[str, Any], field: str) -> Iterator[Fault]:
    chosen, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if (chosen is None) == (resource is None):
        yield Fault(field, "must have a fieldRef or a resourceFieldRef, and not both", item["path"])
    if chosen is not None:
        yield from env_sources.field_faults_of(chosen["fieldPath"], _FIELDS, f"{field}.fieldRef.fieldPath")
    if resource is not None:
        if not resource.get("containerName"):
            yield Fault(f"{field}.resourceFieldRef.containerName", "required in a volume, but missing")
        yield from env_sources.resource_faults_of(resource, f"{field}.resourceFieldRef")


def _path_faults(path: str, field: str) -> Iterator[Fault]:
    if not path or path.startswith("/") or ".." in path.split("/"):
        yield Fault(field, "must be a relative path without '..'", path)
    elif path.startswith("..") or path.strip("/") in ("", "."):
        yield Fault(field, "must be a file's path, and not start with '..'", path)


def _same_paths(source: dict[str, Any], field: str, seen: dict[str, str]) -> Iterator[Fault]:
    for index, item in enumerate(source.get("items") or ()):
        here, path = f"{field}.items[{index}].path", item["path"]
        if path in seen:
            yield Fault(here, f"must be unique, but {seen[path]} has it too", path)
        seen.setdefault(path, here)
