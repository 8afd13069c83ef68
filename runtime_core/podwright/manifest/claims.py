# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumeClaims as Kubernetes writes them: what may be in one, and the form in which this host keeps it.

On one host a claim is the volume itself: a directory that outlives the pods which name it. Where it lies, how much
there is of it and who else may reach it are the host's, so the claim's words for these are kept and bind nobody, but
for the access mode ReadWriteOncePod.
"""

from collections.abc import Iterator
from typing import Any

from podwright.manifest import names, quantity
from podwright.manifest.faults import Fault, error
from podwright.manifest.objects import metadata_faults, metadata_of, metadata_warnings

KIND = "PersistentVolumeClaim"
ONE_POD = "ReadWriteOncePod"
ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", ONE_POD)
_FIELDS = frozenset(("apiVersion", "kind", "metadata", "spec"))
_SPEC = frozenset(("accessModes", "resources", "storageClassName", "volumeMode"))
_REFUSED = {
    "volumeName": "remove it: a claim is a volume of its own here",
    "selector": "remove it: a claim is a volume of its own here",
    "dataSource": "remove it: a volume begins empty here; fill it from an init container",
    "dataSourceRef": "remove it: a volume begins empty here; fill it from an init container",
    "volumeAttributesClassName": "remove it: a volume is a directory of the host here",
}


def empty(namespace: str, name: str) -> dict[str, Any]:
    """Return the claim of a volume that a pod named and nobody described."""
    return {"apiVersion": "v1", "kind": KIND, "metadata": {"namespace": namespace, "name": name}, "spec": {}}


def normalise(document: dict[str, Any]) -> dict[str, Any]:
    """Check a PersistentVolumeClaim and return the form in which it is kept. Raises ManifestError."""
    faults = list(_faults(document))
    if faults:
        raise error(faults)
    given = document["spec"]
    spec: dict[str, Any] = {"accessModes": sorted(set(given["accessModes"]))}
    size = quantity.canonical(quantity.parse(_storage(given)), binary=True)
    spec["resources"] = {"requests": {"storage": size}}
    if given.get("storageClassName"):
        spec["storageClassName"] = given["storageClassName"]
    return {"apiVersion": "v1", "kind": KIND, "metadata": metadata_of(document), "spec": spec}


def warnings_of(document: dict[str, Any]) -> list[str]:
    """Return what the author of a claim should know."""
    found = metadata_warnings(document)
    if "status" in document:
        found.append("status: set by an API server, ignored here")
    found.append("spec.resources.requests[storage]: kept, but what a volume holds is limited by the host's disk alone")
    if document["spec"].get("storageClassName"):
        found.append("spec.storageClassName: kept, without effect: every volume is a directory of this host")
    return found


def check_update(kept: dict[str, Any], desired: dict[str, Any]) -> None:
    """Raise ManifestError for a change that Kubernetes does not allow: of anything but what is requested."""
    before, after = kept["spec"], desired["spec"]
    if not before:  # a pod made the volume, before anybody described it
        return
    name = desired["metadata"]["name"]
    for field in ("accessModes", "storageClassName"):
        if before.get(field) != after.get(field):
            reason = f"cannot change while the volume is there; podwright delete pvc {name} deletes it with its data"
            raise error([Fault(f"spec.{field}", reason, after.get(field))])


def _faults(document: dict[str, Any]) -> Iterator[Fault]:
    for name in sorted(map(str, document.keys() - _FIELDS - {"status"})):
        yield Fault(name, f"unknown field of a {KIND}")
    if document.get("apiVersion") != "v1":
        yield Fault("apiVersion", "must be 'v1'", document.get("apiVersion"))
    yield from metadata_faults(document)
    spec = document.get("spec")
    if not isinstance(spec, dict):
        yield Fault("spec", "must be an object with accessModes and resources.requests", spec)
        return
    for name in sorted(map(str, spec.keys() - _SPEC)):
        if name not in _REFUSED:
            yield Fault(f"spec.{name}", f"unknown field of a {KIND}'s spec")
        elif spec[name]:
            yield Fault(f"spec.{name}", f"not supported by this release of podwright; {_REFUSED[name]}", spec[name])
    yield from _mode_faults(spec)
    yield from _storage_faults(spec)
    kind = spec.get("storageClassName")
    if kind and not (isinstance(kind, str) and names.is_subdomain(kind)):
        yield Fault("spec.storageClassName", names.MEANING[names.DNS_SUBDOMAIN], kind)


def _mode_faults(spec: dict[str, Any]) -> Iterator[Fault]:
    modes = spec.get("accessModes")
    if not modes or not isinstance(modes, list):
        yield Fault("spec.accessModes", f"must be a list of at least one of {', '.join(ACCESS_MODES)}", modes)
        return
    for index, mode in enumerate(modes):
        if mode not in ACCESS_MODES:
            yield Fault(f"spec.accessModes[{index}]", f"must be one of {', '.join(ACCESS_MODES)}", mode)
    if ONE_POD in modes and any(mode != ONE_POD for mode in modes):
        yield Fault("spec.accessModes", f"must hold no other with {ONE_POD}", modes)
    if spec.get("volumeMode") not in (None, "Filesystem"):
        way_out = "remove it: a volume is a directory here"
        yield Fault("spec.volumeMode", f"not supported by this release of podwright; {way_out}", spec["volumeMode"])


def _storage_faults(spec: dict[str, Any]) -> Iterator[Fault]:
    field = "spec.resources.requests[storage]"
    resources = spec.get("resources")
    requests = resources.get("requests") if isinstance(resources, dict) else None
    if not isinstance(requests, dict) or requests.get("storage") is None:
        yield Fault(field, "required, but missing")
        return
    try:
        size = quantity.parse(_storage(spec))
    except ValueError as problem:
        yield Fault(field, str(problem), requests["storage"])
    else:
        if size <= 0:
            yield Fault(field, "must be more than 0", requests["storage"])


def _storage(spec: dict[str, Any]) -> Any:
    return spec["resources"]["requests"]["storage"]
