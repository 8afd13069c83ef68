# SPDX-License-Identifier: Apache-2.0
"""What is in the volumes of files that are configuration: of ConfigMaps, of Secrets, and of the pod itself."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from podwright.manifest.config_volumes import DEFAULT_MODE, sources_of
from podwright.pods.facts import Facts
from podwright.pods.ownership import group_of, readable
from podwright.pods.sources import Sources

Volume = Mapping[str, Any]

_KINDS = {"configMap": "ConfigMap", "secret": "Secret"}


class File(NamedTuple):
    """A file of a volume."""

    data: bytes
    mode: int


def files(volume: Volume, sources: Sources, facts: Facts) -> dict[str, File]:
    """Return the files of a (normalised) volume by their paths. Raises ManifestError for what is not there."""
    found: dict[str, File] = {}
    where = f"spec.volumes[{volume['name']}]"
    for path, kind, source in sources_of(volume):
        default = _default_mode(volume)
        if kind == "downwardAPI":
            found |= _own(source, default, f"{where}.{path}", facts)
        else:
            found |= _of_object(kind, source, default, f"{where}.{path}", sources)
    if group_of(facts.pod) is None:
        return found
    return {path: file._replace(mode=readable(file.mode)) for path, file in found.items()}


def of_objects(volume: Volume, sources: Sources) -> Iterator[tuple[str, bool, object]]:
    """Yield the path of each ConfigMap or Secret in a volume, whether it is a Secret, and what is taken from it."""
    for path, kind, source in sources_of(volume):
        if kind != "downwardAPI":
            where = f"spec.volumes[{volume['name']}].{path}"
            taken = _of_object(kind, source, 0, where, sources)
            yield where, kind == "secret", {name: file.data.hex() for name, file in taken.items()}


def _default_mode(volume: Volume) -> int:
    source = next(value for key, value in volume.items() if key != "name")
    return int(source.get("defaultMode", DEFAULT_MODE))


def _of_object(kind: str, source: Mapping[str, Any], default: int, field: str, sources: Sources) -> dict[str, File]:
    from podwright.manifest.objects import values_of

    optional, name = source.get("optional", False), source.get("name") or source["secretName"]
    kept = sources.find(_KINDS[kind], name, field, optional=optional)
    values = values_of(kept) if kept else {}
    if "items" not in source:
        return {key: File(data, default) for key, data in values.items()}
    found = {}
    for item in source["items"]:
        if item["key"] in values:
            found[_plain(item["path"])] = File(values[item["key"]], item.get("mode", default))
        elif not optional:
            raise sources.no_key(_KINDS[kind], name, item["key"], field)
    return found


def _own(source: Mapping[str, Any], default: int, field: str, facts: Facts) -> dict[str, File]:
    found = {}
    for index, item in enumerate(source["items"]):
        if "fieldRef" in item:
            text = facts.field(item["fieldRef"]["fieldPath"])
        else:
            text = facts.resource(item["resourceFieldRef"], f"{field}.items[{index}].resourceFieldRef")
        found[_plain(item["path"])] = File(text.encode(), item.get("mode", default))
    return found


def _plain(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))
