# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps and Secrets as Kubernetes writes them: what may be in one, and the form in which this host keeps it.

They stand beside the Pods that name them, in the same YAML stream or applied before them. What is wrong with a Secret
is said without quoting its data.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

from podwright.manifest import names, rules
from podwright.manifest.faults import Fault, error
from podwright.manifest.paths import in_brackets
from podwright.manifest.unbuilt import SERVER_SET

CONFIG_MAP = "ConfigMap"
SECRET = "Secret"  # noqa: S105  # a kind of object
KINDS = (CONFIG_MAP, SECRET)
OPAQUE = "Opaque"
LOGINS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
"""Types of Secrets that hold a registry's logins, and the key under which (k8s.io/api/core/v1, SecretType)."""
MAX_SIZE = 1 << 20  # bytes of all values together, as in Kubernetes (MaxSecretSize)

_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  # a type of Secrets
_ACCOUNT = "kubernetes.io/service-account.name"
_REQUIRED = {
    **{kind: [{key}] for kind, key in LOGINS.items()},
    "kubernetes.io/basic-auth": [{"username", "password"}],
    "kubernetes.io/ssh-auth": [{"ssh-privatekey"}],
    "kubernetes.io/tls": [{"tls.crt"}, {"tls.key"}],
}
"""Type of a Secret to sets of keys, of each of which one must be there."""
_COMMON = frozenset({"apiVersion", "kind", "metadata", "data", "immutable"})
_FIELDS = {CONFIG_MAP: _COMMON | {"binaryData"}, SECRET: _COMMON | {"type", "stringData"}}
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})


def normalise(document: dict[str, Any]) -> dict[str, Any]:
    """Check a ConfigMap or Secret and return the form in which it is kept.

    A Secret's ``stringData`` is merged into ``data``; empty fields and those that an API server sets are left out.
    Raises ManifestError, which never quotes the data of a Secret.
    """
    faults = list(_faults(document))
    if faults:
        raise error(faults)
    kind = document["kind"]
    kept = {"apiVersion": "v1", "kind": kind, "metadata": metadata_of(document)}
    data = {key: value or "" for key, value in (document.get("data") or {}).items()}
    if kind == SECRET:
        strings = {key: _base64(value or "") for key, value in (document.get("stringData") or {}).items()}
        data = {key: _joined(value) for key, value in data.items()} | strings
        kept["type"] = document.get("type") or OPAQUE
    kept["data"] = dict(sorted(data.items()))
    if document.get("binaryData"):
        kept["binaryData"] = dict(sorted((key, _joined(value or "")) for key, value in document["binaryData"].items()))
    return {**kept, "immutable": True} if document.get("immutable") else kept


def metadata_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an object's metadata."""
    metadata = {key: value for key, value in document["metadata"].items() if value and key in _METADATA}
    return {"namespace": "default", **metadata}


def metadata_warnings(document: dict[str, Any]) -> list[str]:
    """Return a warning for each field that only an API server sets, and that is left out."""
    given = sorted(name for name in document["metadata"] if name in SERVER_SET["ObjectMeta"])
    return [f"metadata.{name}: set by an API server, ignored here" for name in given if document["metadata"][name]]


warnings_of = metadata_warnings


def values_of(kept: dict[str, Any]) -> dict[str, bytes]:
    """Return what a kept object holds, by its keys."""
    if kept["kind"] == SECRET:
        return {key: base64.b64decode(value) for key, value in kept["data"].items()}
    binary = {key: base64.b64decode(value) for key, value in kept.get("binaryData", {}).items()}
    return {key: value.encode() for key, value in kept["data"].items()} | binary


def check_update(kept: dict[str, Any], desired: dict[str, Any]) -> None:
    """Raise ManifestError for a change that Kubernetes does not allow: of what is immutable, or of a Secret's type."""
    name = desired["metadata"]["name"]
    kind = str(desired["kind"])
    way_out = f"delete it first (podwright delete {kind.lower()} {name}), or give the new one another name"
    if kept.get("type") != desired.get("type"):
        reason = f"the {kind} {name} has the type {kept['type']}, which cannot change; {way_out}"
        raise error([Fault("type", reason, desired["type"])])
    if not kept.get("immutable"):
        return
    for field in ("immutable", "data", "binaryData"):
        if kept.get(field) != desired.get(field):
            raise error([Fault(field, f"the {kind} {name} is immutable, so this cannot change; {way_out}")])


def metadata_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with an object's name, namespace, labels and annotations."""
    kind, metadata = document.get("kind"), document.get("metadata")
    if not isinstance(metadata, dict):
        yield Fault("metadata", f"must be an object with the {kind}'s name", metadata)
        return
    for name in sorted(map(str, metadata.keys() - _METADATA - SERVER_SET["ObjectMeta"])):
        yield Fault(f"metadata.{name}", f"unknown field of a {kind}'s metadata")
    own, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(own, str) or not names.is_subdomain(own):
        yield Fault("metadata.name", names.MEANING[names.DNS_SUBDOMAIN], own)
    if namespace and not (isinstance(namespace, str) and names.is_label(namespace)):
        yield Fault("metadata.namespace", names.MEANING[names.DNS_LABEL], namespace)
    wrong = [field for field in ("labels", "annotations") if not _is_strings(metadata.get(field) or {})]
    yield from (Fault(f"metadata.{field}", "must be an object of strings") for field in wrong)
    if not wrong:
        yield from rules.metadata_faults_of(metadata)


def _faults(document: dict[str, Any]) -> Iterator[Fault]:
    kind = document["kind"]
    for name in sorted(map(str, document.keys() - _FIELDS[kind])):
        yield Fault(name, f"unknown field of a {kind}")
    if document.get("apiVersion") != "v1":
        yield Fault("apiVersion", "must be 'v1'", document.get("apiVersion"))
    if not isinstance(document.get("immutable"), bool | None):
        yield Fault("immutable", "must be true or false", document["immutable"])
    yield from metadata_faults(document)
    values: dict[str, bytes] = {}
    for field, (decode, meaning) in (_SECRET_DATA if kind == SECRET else _CONFIG_DATA).items():
        yield from _value_faults(document, field, decode, meaning, values)
    size = sum(map(len, values.values()))
    if size > MAX_SIZE:
        yield Fault("data", f"must have at most {MAX_SIZE} bytes together", size)
    if kind == SECRET:
        yield from _type_faults(document, values)
    elif _is_object(document.get("data")) and _is_object(document.get("binaryData")):
        for key in sorted((document.get("data") or {}).keys() & (document.get("binaryData") or {}).keys()):
            yield Fault(f"binaryData{in_brackets(key)}", "must be unique, but data has this key too", key)


def _value_faults(
    document: dict[str, Any],
    field: str,
    decode: Callable[[object], bytes | None],
    meaning: str,
    values: dict[str, bytes],
) -> Iterator[Fault]:
    """Yield what is wrong with one of the objects of data, and collect what is right."""
    if not _is_object(document.get(field)):
        yield Fault(field, "must be an object")
        return
    for key, value in (document.get(field) or {}).items():
        where = f"{field}{in_brackets(key)}"
        if not (isinstance(key, str) and names.is_config_key(key)):
            yield Fault(where, names.MEANING[names.CONFIG_KEY], key)
            continue
        content = b"" if value is None else decode(value)
        if content is None:
            hidden = " (its content is not shown)" if document["kind"] == SECRET else ""
            yield Fault(where, f"must be {meaning}{hidden}")
        values[key] = content or b""


def _type_faults(document: dict[str, Any], values: dict[str, bytes]) -> Iterator[Fault]:
    kind = document.get("type") or OPAQUE
    if not isinstance(kind, str):
        yield Fault("type", "must be a string", kind)
        return
    for keys in _REQUIRED.get(kind, ()):
        if not keys & values.keys():
            wanted = " or ".join(f"data{in_brackets(key)}" for key in sorted(keys))
            yield Fault(wanted, f"required for a Secret of the type {kind}, but missing")
    if kind in LOGINS and LOGINS[kind] in values and not _is_json(values[LOGINS[kind]]):
        yield Fault(f"data{in_brackets(LOGINS[kind])}", "must be JSON (its content is not shown)")
    annotations = document["metadata"].get("annotations") if isinstance(document.get("metadata"), dict) else None
    if kind == _TOKEN and not (isinstance(annotations, dict) and annotations.get(_ACCOUNT)):
        yield Fault(f"metadata.annotations{in_brackets(_ACCOUNT)}", f"required for the type {kind}, but missing")


def _is_object(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _is_strings(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)


def _is_json(content: bytes) -> bool:
    import json

    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _joined(value: str) -> str:
    """Return base64 text on one line: line ends may stand in it, as Go's decoder takes them."""
    return value.replace("\n", "").replace("\r", "")


def _decoded(value: object) -> bytes | None:
    try:
        return base64.b64decode(_joined(value), validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        return None


def _utf8(value: object) -> bytes | None:
    try:
        return value.encode() if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None


_SECRET_DATA = {"data": (_decoded, "base64 text"), "stringData": (_utf8, "a string")}
_CONFIG_DATA = {"data": (_utf8, "a string; put it in quotes"), "binaryData": (_decoded, "base64 text")}
