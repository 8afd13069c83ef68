# SPDX-License-Identifier: Apache-2.0
"""Secrets as Kubernetes writes them; so far the two types that hold a registry's credentials.

A Secret stands beside the Pods that name it, in the same YAML stream or applied before them, and is kept by this host.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from podwright.manifest import names
from podwright.manifest.faults import Fault, error
from podwright.manifest.paths import in_brackets

KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
"""Type to the one key that its data must have (k8s.io/api/core/v1, SecretType)."""
MAX_SIZE = 1 << 20  # bytes of all data together, as in Kubernetes (MaxSecretSize)

_FIELDS = frozenset({"apiVersion", "kind", "metadata", "type", "data", "stringData", "immutable"})
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})


def normalise(document: dict[str, Any]) -> dict[str, Any]:
    """Check a Secret and return the form in which it is kept: ``stringData`` merged into ``data``, no empty fields.

    Raises ManifestError, which never quotes the data.
    """
    faults = list(_faults(document))
    if faults:
        raise error(faults)
    metadata = {key: value for key, value in document["metadata"].items() if value}
    strings = {key: _encoded(value) for key, value in (document.get("stringData") or {}).items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": "default", **metadata},
        "type": document["type"],
        "data": dict(sorted({**(document.get("data") or {}), **strings}.items())),
    }


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _faults(document: dict[str, Any]) -> Iterator[Fault]:
    for name in sorted(map(str, document.keys() - _FIELDS)):
        yield Fault(name, "unknown field of a Secret")
    if document.get("apiVersion") != "v1":
        yield Fault("apiVersion", "must be 'v1'", document.get("apiVersion"))
    if document.get("immutable"):
        yield Fault("immutable", "not supported by this release of podwright; remove it", document["immutable"])
    yield from metadata_faults(document.get("metadata"))
    if document.get("type") not in KEYS:
        reason = f"this release of podwright keeps Secrets of the types {' and '.join(KEYS)}, and no other"
        yield Fault("type", reason, document.get("type"))
    else:
        yield from _data_faults(document, KEYS[document["type"]])


def metadata_faults(metadata: object) -> Iterator[Fault]:
    """Yield what is wrong with a Secret's name, namespace, labels and annotations."""
    if not isinstance(metadata, dict):
        yield Fault("metadata", "must be an object with the Secret's name", metadata)
        return
    for name in sorted(map(str, metadata.keys() - _METADATA)):
        yield Fault(f"metadata.{name}", "unknown field of a Secret's metadata")
    own, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(own, str) or not names.is_subdomain(own):
        yield Fault("metadata.name", names.MEANING[names.DNS_SUBDOMAIN], own)
    if namespace and not (isinstance(namespace, str) and names.is_label(namespace)):
        yield Fault("metadata.namespace", names.MEANING[names.DNS_LABEL], namespace)
    for field in ("labels", "annotations"):
        pairs = metadata.get(field) or {}
        if not isinstance(pairs, dict) or not all(isinstance(text, str) for pair in pairs.items() for text in pair):
            yield Fault(f"metadata.{field}", "must be an object of strings")


def _data_faults(document: dict[str, Any], wanted: str) -> Iterator[Fault]:
    size, keys = 0, set()
    for field, decode in (("data", _decoded), ("stringData", _utf8)):
        values = document.get(field) or {}
        if not isinstance(values, dict):
            yield Fault(field, "must be an object")
            continue
        for key, value in values.items():
            content = decode(value)
            if content is None:
                kind = "base64 text" if field == "data" else "a string"
                yield Fault(f"{field}{in_brackets(str(key))}", f"must be {kind} (its content is not shown)")
            keys.add(key)
            size += len(content or b"")
    if wanted not in keys:
        yield Fault(f"data{in_brackets(wanted)}", f"required for a Secret of the type {document['type']}, but missing")
    if size > MAX_SIZE:
        yield Fault("data", f"must have at most {MAX_SIZE} bytes together", size)


def _decoded(value: object) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        return None


def _utf8(value: object) -> bytes | None:
    try:
        return value.encode() if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None
