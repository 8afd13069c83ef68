# SPDX-License-Identifier: Apache-2.0
"""How a container's ``volumeMounts`` are carried out: bind mounts of a volume, or of what lies inside one.

What lies inside is mounted by ``podinit`` (``subpath.c``), which looks it up where no container can mislead it. The
runtime-spec's mounts, for whatever runtime, have that place as their source::

    <pod>/containers/<name>/subpaths/<index>
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from podwright.errors import HostError
from podwright.manifest.config_volumes import is_config
from podwright.manifest.expand import expand, references
from podwright.manifest.volume_mounts import sub_path_fault
from podwright.oci.mounts import Bind
from podwright.pods import propagation
from podwright.pods.claims import ClaimStore
from podwright.pods.sources import config_error
from podwright.pods.store import Record

Container = Mapping[str, Any]

_PROPAGATION = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}


class Mounts(NamedTuple):
    """The volumes of a container."""

    binds: list[Bind]
    sub_paths: list[tuple[str, str]]
    """Volume and path below it, by their index."""


def mounts_of(
    record: Record,
    container: Container,
    where: str,
    declared: Mapping[str, str],
    pod_dir: str,
    claims: ClaimStore,
    *,
    recursive: Callable[[], bool] = lambda: True,
) -> Mounts:
    """Return how the volumes that a container mounts are mounted.

    ``where`` is the container's path, ``declared`` are its variables, and ``recursive`` tells whether its runtime can
    make a mount read-only with all below it. Raises ManifestError, naming the field, for a
    ``subPathExpr`` with a variable that is not there or is empty, and for one that leads out of its volume.
    """
    known = {volume["name"]: volume for volume in record.pod["spec"].get("volumes", ())}
    shared = {row[0] for row in propagation.rows(record, pod_dir, claims)}
    found = Mounts([], [])
    for mount in container.get("volumeMounts", ()):
        volume = known[mount["name"]]
        source = propagation.path_of(volume, record.namespace, pod_dir, claims)
        if volume["name"] in shared:
            source = f"{pod_dir}/volumes/{volume['name']}"
        field = f"{where}.volumeMounts[{mount['mountPath']}]"
        inside = _inside(mount, field, declared)
        if inside:
            found.sub_paths.append((source, inside))
            source = f"{pod_dir}/containers/{container['name']}/subpaths/{len(found.sub_paths) - 1}"
        options = (
            _PROPAGATION[mount.get("mountPropagation", "None")],
            _right(mount, volume, field, recursive),
        )
        found.binds.append(Bind(source, mount["mountPath"], options))
    return found


def _right(mount: Mapping[str, Any], volume: Mapping[str, Any], field: str, recursive: Callable[[], bool]) -> str:
    """Return the mount option that says whether the container may write."""
    wanted = mount.get("recursiveReadOnly")
    possible = wanted is not None and recursive()
    if wanted == "Enabled" and not possible:
        reason = "the container's runtime cannot make what is mounted further down read-only; choose IfPossible"
        raise HostError(f"{field}.recursiveReadOnly: {reason}", field=f"{field}.recursiveReadOnly", value=wanted)
    if possible:
        return "rro"
    never_written = (
        is_config(volume) or "image" in volume or volume.get("persistentVolumeClaim", {}).get("readOnly", False)
    )
    return "ro" if never_written or mount.get("readOnly") else "rw"  # nor is configuration in Kubernetes


def _inside(mount: Mapping[str, Any], where: str, declared: Mapping[str, str]) -> str:
    """Return the path below the volume's own that a mount shows; "" for all of it."""
    if "subPathExpr" not in mount:
        return str(mount.get("subPath", ""))
    field, given = f"{where}.subPathExpr", str(mount["subPathExpr"])
    missing = {name for name in references(given) if not declared.get(name)}  # an empty one too, as in Kubernetes
    if missing:
        reason = f"missing value for {', '.join(sorted(missing))}; declare it in the container's env"
        raise config_error(field, reason, given)
    path = expand(given, declared)
    wrong = sub_path_fault(path)
    if wrong:
        raise config_error(field, f"is {path!r} with its variables, but {wrong}", given)
    return path
