# SPDX-License-Identifier: Apache-2.0
"""``get`` and ``delete`` of ConfigMaps, Secrets and PersistentVolumeClaims: what came with Pods and stays.

The data of a Secret is never printed.
"""

from podwright.cli.tables import print_claims, print_json, print_objects
from podwright.errors import NotFound
from podwright.runtime import Runtime

_KINDS = {"configmap": "ConfigMap", "secret": "Secret", "persistentvolumeclaim": "PersistentVolumeClaim"}
_SHORT = {"cm": "configmap", "pvc": "persistentvolumeclaim"}


def show(word: str, name: str | None, namespace: str, output: str) -> int:
    """Print one object, or those of a namespace."""
    kind = _kind(word)
    objects = Runtime().objects
    found = [one for one in objects.list(kind, namespace) if name in (None, one["metadata"]["name"])]
    if name and not found:
        raise _missing(kind, name, namespace)
    if output == "json":
        print_json(found[0] if name else {"apiVersion": "v1", "kind": "List", "items": found})
    elif kind == "PersistentVolumeClaim":
        print_claims((one, objects.users(namespace, one["metadata"]["name"])) for one in found)
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
    return _KINDS[_SHORT.get(word, word).removesuffix("s")]


def _missing(kind: str, name: str, namespace: str) -> NotFound:
    return NotFound(f"there is no {kind.lower()} {name} in namespace {namespace}")
