# SPDX-License-Identifier: Apache-2.0
"""``Runtime.secrets``: the Secrets that this host keeps for its pods."""

import builtins
from typing import Any

from podwright.errors import NotFound
from podwright.manifest import secret
from podwright.plan.model import Plan
from podwright.plan.secret import plan as plan_secret
from podwright.pods.secrets import SecretStore


class Secrets:
    """Plans, applies, lists and deletes Secrets; what it raises and returns never holds their content."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def plan(self, document: dict[str, Any]) -> Plan:
        """Say what ``apply`` would change. Raises ManifestError for what is no Secret that can be kept here."""
        desired = secret.normalise(document)
        metadata = desired["metadata"]
        return plan_secret(desired, self._store.find(metadata["namespace"], metadata["name"]))

    def apply(self, document: dict[str, Any]) -> Plan:
        """Keep a Secret as the document has it; the next pull of a pod that names it uses it."""
        plan = self.plan(document)
        if plan.changed:
            self._store.write(secret.normalise(document))
        return plan

    def list(self, namespace: str | None = None) -> builtins.list[dict[str, Any]]:
        """Return the Secrets without their data, by namespace and name."""
        kept = (one for one in self._store.all() if namespace in (None, one["metadata"]["namespace"]))
        return [{key: value for key, value in one.items() if key != "data"} for one in kept]

    def delete(self, name: str, namespace: str = "default") -> Plan:
        """Forget a Secret. Raises NotFound for one that is not there."""
        recorded = self._store.find(namespace, name)
        if recorded is None:
            raise NotFound(f"there is no secret {name} in namespace {namespace}", field="metadata.name", value=name)
        self._store.remove(namespace, name)
        return plan_secret(None, recorded)
