# SPDX-License-Identifier: Apache-2.0
"""``get secrets`` and ``delete secret``: the Secrets that came with Pods and stay. Their data is never printed."""

from podwright.cli.tables import print_json, print_secrets
from podwright.errors import NotFound
from podwright.runtime import Runtime


def show(name: str | None, namespace: str, output: str) -> int:
    """Print one Secret, or those of a namespace."""
    found = [one for one in Runtime().secrets.list(namespace) if name in (None, one["metadata"]["name"])]
    if name and not found:
        raise _missing(name, namespace)
    if output == "json":
        print_json(found[0] if name else {"apiVersion": "v1", "kind": "List", "items": found})
    else:
        print_secrets(found)
    return 0


def delete(name: str, namespace: str) -> int:
    """Forget a Secret."""
    plan = Runtime().secrets.delete({"metadata": {"name": name, "namespace": namespace}})
    if not plan.changed:
        raise _missing(name, namespace)
    print(f"secret/{name} deleted")
    return 0


def _missing(name: str, namespace: str) -> NotFound:
    return NotFound(f"there is no secret {name} in namespace {namespace}")
