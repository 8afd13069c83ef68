# SPDX-License-Identifier: Apache-2.0
"""Digests of what a pod gets from ConfigMaps and Secrets, by the paths of the fields that name them.

They are recorded with the pod, so that an edited object shows as a change of each field that it is used by. The digest
of a Secret's data is keyed: nobody who sees it can try values.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from podwright.files import canonical_json
from podwright.manifest.lone import is_stopped
from podwright.pods import environment, projection
from podwright.pods.sources import Finder, Sources, containers_of


def digests(pod: dict[str, Any], finder: Finder) -> dict[str, str]:
    """Return ``sha256:…`` or ``keyed:…`` by path, "" for an optional object or key that is not there.

    Raises ManifestError for one that is not there and must be. A container alone that shall not run needs none.
    """
    if is_stopped(pod):
        return {}
    sources = Sources(finder, pod["metadata"]["namespace"])
    return {
        path: "" if content is None else _digest(content, finder.key() if is_secret else b"")
        for path, is_secret, content in _contents(pod, sources)
    }


def _contents(pod: dict[str, Any], sources: Sources) -> Iterator[tuple[str, bool, object]]:
    """Yield the path of each reference, whether it is to a Secret, and what is behind it."""
    for field, container in containers_of(pod):
        for path, variables in environment.many(container, field, sources):
            yield path, path.endswith(".secretRef"), variables
        for variable in container.get("env", ()):
            where = f"{field}.env[{variable['name']}].valueFrom"
            found = environment.one(variable.get("valueFrom", {}), where, sources)
            if found:
                yield found[0], found[0].endswith(".secretKeyRef"), found[1]
    for volume in pod["spec"].get("volumes", ()):
        yield from projection.of_objects(volume, sources)


def _digest(content: object, key: bytes) -> str:
    data = canonical_json(content)
    if not key:
        return f"sha256:{hashlib.sha256(data).hexdigest()}"
    return f"keyed:{hashlib.blake2b(data, key=key, digest_size=32).hexdigest()}"
