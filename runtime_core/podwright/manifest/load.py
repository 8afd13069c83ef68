# SPDX-License-Identifier: Apache-2.0
"""Manifests as text: YAML or JSON, one document or several.

YAML is read from the parser's events and built here, because a manifest may come from anywhere: no tags but those of
plain data, no duplicate keys, a bound on depth and on what aliases expand to, and scalars typed as Kubernetes types
them (a date or ``12:30`` is a string).
"""

import json
from typing import Any

from podwright.limits import MAX_MANIFEST_SIZE
from podwright.manifest.faults import Fault, error

KINDS = ("Pod", "ConfigMap", "Secret", "PersistentVolumeClaim")


def load_documents(text: str) -> list[dict[str, Any]]:
    """Return the Pods in a text, and what they may name, as they are written: of each only the kind is checked.

    Raises ManifestError for what is too large (1 MiB for all documents), malformed, ambiguous or of another kind.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as problem:
        raise error(
            [Fault("manifest", "must not hold half a surrogate pair", ascii(text[problem.start])[1:-1])]
        ) from problem
    if size > MAX_MANIFEST_SIZE:
        raise error([Fault("manifest", f"is too large: at most {MAX_MANIFEST_SIZE} bytes are allowed", size)])
    documents = [document for document in _parsed(text) if document is not None]
    if not documents:
        raise error([Fault("manifest", "holds no document")])
    for index, document in enumerate(documents):
        _check_kind(document, f"document {index + 1}: " if len(documents) > 1 else "")
    return documents


def split(documents: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the one Pod of several documents, and the objects beside it. Raises ManifestError when it is not one."""
    pods = [document for document in documents if document["kind"] == "Pod"]
    if len(pods) != 1:
        raise error([Fault("manifest", f"must hold one Pod (and what it names), but holds {len(pods)}")])
    return pods[0], [document for document in documents if document["kind"] != "Pod"]


def _check_kind(document: object, prefix: str) -> None:
    if not isinstance(document, dict):
        raise error(
            [Fault(f"{prefix}manifest", "must be an object with apiVersion, kind, metadata and spec", document)]
        )
    if "kind" not in document:
        raise error([Fault(f"{prefix}kind", "required, but missing")])
    if document["kind"] not in KINDS:
        raise error(
            [
                Fault(
                    f"{prefix}kind",
                    "podwright takes Pods, ConfigMaps, Secrets and PersistentVolumeClaims",
                    document["kind"],
                )
            ]
        )


def _parsed(text: str) -> list[Any]:
    problem = None
    if text.lstrip().startswith("{"):
        try:
            return [json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)]
        except json.JSONDecodeError as decode_error:
            problem = decode_error  # a YAML flow mapping also starts like this
        except (RecursionError, ValueError) as foreign_error:  # too deep, or an integer of thousands of digits
            raise error([Fault("manifest", f"cannot be read: {foreign_error}")]) from foreign_error
    from podwright.manifest.yaml_text import YamlTextError, parse

    try:
        return parse(text)
    except YamlTextError as fault:
        if problem is not None:
            reason = f"line {problem.lineno}, column {problem.colno}: not valid JSON: {problem.msg}"
            raise error([Fault("manifest", reason)]) from problem
        where = f"line {fault.line}: " if fault.line else ""
        raise error([Fault("manifest", f"{where}{fault.reason}")]) from fault


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise error([Fault("manifest", "the same key is there twice in one object", twice)])
    return built


def _no_constant(name: str) -> float:
    raise error([Fault("manifest", "not a JSON number", name)])
