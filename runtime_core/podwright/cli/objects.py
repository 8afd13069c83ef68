# SPDX-License-Identifier: Apache-2.0
"""``get`` and ``delete`` of ConfigMaps and Secrets: what came with Pods and stays. Secrets' data is never printed."""

from podwright.cli.tables import print_json, print_objects
from podwright.errors import NotFound
from podwright.runtime import Runtime

_KINDS = {"configmap": "ConfigMap", "secret": "Secret"}


def show(word: str, name: str | None, namespace: str, output: str) -> int:
    """Print one object, or those of a namespace."""
    kind = _kind(word)
    found = [one for one in Runtime().objects.list(kind, namespace) if name in (None, one["metadata"]["name"])]
    if name and not found:
        raise _missing(kind, name, namespace)
    if output == "json":
        print_json(found[0] if name else {"apiVersion": "v1", "kind": "List", "items": found})
    else:
        print_objects(kind, found)
    return 0


def delete(word: str, name: str, namespace: str) -> int:
    """Forget an object."""
    kind = _kind(word)
    plan = Runtime().objects.delete({"kind": kind, "metadata": {"name": name, "namespace": namespace}})
    if not plan.changed:
        raise _missing(kind, name, namespace)
    print(f"{kind.lower()}/{name} deleted")
    return 0


def _kind(word: str) -> str:
    return "ConfigMap" if word == "cm" else _KINDS[word.removesuffix("s")]


def _missing(kind: str, name: str, namespace: str) -> NotFound:
    return NotFound(f"there is no {kind.lower()} {name} in namespace {namespace}")
