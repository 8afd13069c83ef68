# SPDX-License-Identifier: Apache-2.0
"""The ConfigMaps and Secrets that a pod names, and the words for one that is not there."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from podwright.errors import ManifestError

Kept = dict[str, Any]

_TITLES = {"ConfigMap": "configmap", "Secret": "secret"}


class Finder(Protocol):
    """Where objects are found; ``pods/objects.py`` has the ones that the host keeps."""

    def find(self, kind: str, namespace: str, name: str) -> Kept | None:
        """Return a normalised object, or None."""

    def key(self) -> bytes:
        """Return the host's key, with which digests of Secrets are made."""


class Sources:
    """The objects of one namespace, each read once."""

    def __init__(self, finder: Finder, namespace: str) -> None:
        self._finder = finder
        self._namespace = namespace
        self._found: dict[tuple[str, str], Kept | None] = {}

    def find(self, kind: str, name: str, field: str, *, optional: bool) -> Kept | None:
        """Return an object; when there is none, None if it is optional, else ManifestError, which names ``field``."""
        if (kind, name) not in self._found:
            self._found[kind, name] = self._finder.find(kind, self._namespace, name)
        found = self._found[kind, name]
        if found is None and not optional:
            reason = f'{_TITLES[kind]} "{name}" not found in namespace {self._namespace}'
            way_out = f"apply the {kind} with the pod or before it, or set optional: true"
            raise config_error(field, f"{reason}; {way_out}", name)
        return found

    def no_key(self, kind: str, name: str, key: str, field: str) -> ManifestError:
        """Return the error for a key that an object does not have."""
        reason = f"couldn't find key {key} in {kind} {self._namespace}/{name}"
        return config_error(field, f"{reason}; add it there, or set optional: true", key)


class Beside:
    """The objects that stand beside a pod in its stream, and those that are kept already."""

    def __init__(self, objects: Iterable[Kept], kept: Finder) -> None:
        self._objects = {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): one for one in objects}
        self._kept = kept

    def find(self, kind: str, namespace: str, name: str) -> Kept | None:
        """Return a normalised object, or None."""
        return self._objects.get((kind, namespace, name)) or self._kept.find(kind, namespace, name)

    def key(self) -> bytes:
        """Return the host's key."""
        return self._kept.key()


def containers_of(pod: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return all containers of a normalised pod, each with its path in the manifest."""
    kinds = ("initContainers", "containers")
    return [(f"spec.{kind}[{item['name']}]", item) for kind in kinds for item in pod["spec"].get(kind, ())]


def config_error(field: str, reason: str, value: str) -> ManifestError:
    """Return the error for a container that cannot be configured."""
    # Kubernetes' reason, which whoever knows it looks for
    return ManifestError(f"{field}: CreateContainerConfigError: {reason}", field=field, value=value)
