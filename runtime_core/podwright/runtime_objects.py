# SPDX-License-Identifier: Apache-2.0
"""``Runtime.objects``: the ConfigMaps, Secrets and PersistentVolumeClaims that this host keeps for its pods."""

import builtins
from typing import Any

from podwright.errors import PodwrightError
from podwright.manifest import claims, objects
from podwright.manifest.faults import error
from podwright.plan.model import Plan
from podwright.plan.objects import plan as plan_object
from podwright.pods.claims import ClaimStore, users_of
from podwright.pods.objects import ObjectStore
from podwright.pods.store import PodStore
from podwright.runtime_errors import host_errors

KINDS = (*objects.KINDS, claims.KIND)


class Objects:
    """Plans, applies, lists and deletes ConfigMaps, Secrets and PersistentVolumeClaims, which are volumes.

    What is raised and returned never holds the data of a Secret.
    """

    def __init__(self, store: ObjectStore, volumes: ClaimStore, pods: PodStore) -> None:
        self._store = store
        self._volumes = volumes
        self._pods = pods

    @host_errors()
    def plan(self, document: dict[str, Any]) -> Plan:
        """Say what ``apply`` would change.

        Raises ManifestError for what cannot be kept here, and for a change of what is immutable.
        """
        return self._planned(document)[0]

    @host_errors()
    def apply(self, document: dict[str, Any]) -> Plan:
        """Keep an object as the document has it. A pod that names it gets its new data when it is applied again."""
        plan, desired = self._planned(document)
        if plan.changed:
            self._of(desired["kind"]).write(desired)
        return plan

    @host_errors()
    def list(self, kind: str, namespace: str | None = None) -> builtins.list[dict[str, Any]]:
        """Return the objects of a kind, by namespace and name; Secrets without their data."""
        kept = (one for one in self._of(_known(kind)).all(kind) if namespace in (None, one["metadata"]["namespace"]))
        hidden = ("data",) if kind == objects.SECRET else ()
        return [{key: value for key, value in one.items() if key not in hidden} for one in kept]

    @host_errors()
    def plan_delete(self, document: dict[str, Any]) -> Plan:
        """Say what ``delete`` would do."""
        return plan_object(None, self._found(document))

    @host_errors()
    def delete(self, document: dict[str, Any]) -> Plan:
        """Forget the object of a document's kind and name; nothing else in it matters. None there is no error.

        A PersistentVolumeClaim is removed with all data of its volume: HostError while a pod names it.
        """
        plan = self.plan_delete(document)
        kind, namespace, name = _names(document)
        if kind == claims.KIND:
            self._volumes.remove(namespace, name, self._pods)
        else:
            self._store.remove(kind, namespace, name)
        return plan

    def users(self, namespace: str, name: str) -> builtins.list[str]:
        """Return the pods, and containers alone, that name a PersistentVolumeClaim."""
        return builtins.list(users_of(self._pods, namespace, name))

    def _of(self, kind: str) -> ObjectStore | ClaimStore:
        return self._volumes if kind == claims.KIND else self._store

    def _found(self, document: dict[str, Any]) -> dict[str, Any] | None:
        kind, namespace, name = _names(document)
        return self._of(kind).find(kind, namespace, name)

    def _planned(self, document: dict[str, Any]) -> tuple[Plan, dict[str, Any]]:
        rules = claims if _known(document.get("kind")) == claims.KIND else objects
        desired = rules.normalise(document)
        kept = self._found(desired)
        if kept:
            rules.check_update(kept, desired)
        plan = plan_object(desired, kept)
        plan.warnings = rules.warnings_of(document)
        return plan, desired


def _names(document: dict[str, Any]) -> tuple[str, str, str]:
    """Return kind, namespace and name, checked: they become part of a path."""
    kind = _known(document.get("kind"))
    faults = list(objects.metadata_faults(document))
    if faults:
        raise error(faults)
    return kind, document["metadata"].get("namespace") or "default", document["metadata"]["name"]


def _known(kind: object) -> str:
    if kind not in KINDS:
        raise PodwrightError(f"kind is {kind!r}, but must be {' or '.join(KINDS)}", field="kind", value=kind)
    return str(kind)
