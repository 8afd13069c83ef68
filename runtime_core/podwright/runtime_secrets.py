# SPDX-License-Identifier: Apache-2.0
"""``Runtime.secrets``: the Secrets that this host keeps for its pods."""

import builtins
from typing import Any

from podwright.manifest import secret
from podwright.manifest.faults import error
from podwright.plan.model import Plan
from podwright.plan.secret import plan as plan_secret
from podwright.pods.secrets import SecretStore
from podwright.runtime_errors import host_errors


class Secrets:
    """Plans, applies, lists and deletes Secrets; what it raises and returns never holds their content."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    @host_errors()
    def plan(self, document: dict[str, Any]) -> Plan:
        """Say what ``apply`` would change. Raises ManifestError for what is no Secret that can be kept here."""
        desired = secret.normalise(document)
        name, namespace = _names(desired)
        return plan_secret(desired, self._store.find(namespace, name))

    @host_errors()
    def apply(self, document: dict[str, Any]) -> Plan:
        """Keep a Secret as the document has it; the next pull of a pod that names it uses it."""
        plan = self.plan(document)
        if plan.changed:
            self._store.write(secret.normalise(document))
        return plan

    @host_errors()
    def list(self, namespace: str | None = None) -> builtins.list[dict[str, Any]]:
        """Return the Secrets without their data, by namespace and name."""
        kept = (one for one in self._store.all() if namespace in (None, one["metadata"]["namespace"]))
        return [{key: value for key, value in one.items() if key != "data"} for one in kept]

    @host_errors()
    def plan_delete(self, document: dict[str, Any]) -> Plan:
        """Say what ``delete`` would do."""
        name, namespace = _names(document)
        return plan_secret(None, self._store.find(namespace, name))

    @host_errors()
    def delete(self, document: dict[str, Any]) -> Plan:
        """Forget the Secret of a document's name; only ``metadata`` matters. One that is not there is no error."""
        plan = self.plan_delete(document)
        name, namespace = _names(document)
        self._store.remove(namespace, name)
        return plan


def _names(document: dict[str, Any]) -> tuple[str, str]:
    """Return name and namespace, checked: they become part of a path."""
    faults = list(secret.metadata_faults(document.get("metadata")))
    if faults:
        raise error(faults)
    return document["metadata"]["name"], document["metadata"].get("namespace") or "default"
